"""The conversation formats of the field, each turned into messages: what the keys mean, and nothing about files.

    openai              {"messages": [{"role": "user", "content": ...}, ...], "tools": [...]}
    sharegpt            {"conversations": [{"from": "human", "value": ...}, ...], "system": ..., "tools": ...}
    alpaca              {"instruction": ..., "input": ..., "output": ..., "system": ..., "history": [[q, a], ...]}
                        {"instruction": ..., "instances": [{"input": ..., "output": ...}, ...]}    of self-instruct
    prompt_completion   {"prompt": ..., "completion": ...}    texts, or lists of messages as in TRL

What a record holds beside that is handed on as `extra`, nothing is lost.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec

from instructkit.hashing import canonical_json
from instructkit.schema import Message
from instructkit.stages.ingest.json_line import NotRecordError, parse_slowly
from instructkit.text.conversation import PLAIN_TEXT, is_plain_text

Format = Literal["alpaca", "sharegpt", "openai", "prompt_completion"]

TURNS = ("messages", "conversations", "conversation")
ANSWERS = {"alpaca": ("output", "response"), "prompt_completion": ("completion", "response")}
ROLES = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "human": "user",
    "assistant": "assistant",
    "gpt": "assistant",
    "chatgpt": "assistant",
    "model": "assistant",
    "tool": "tool",
    "function": "tool",
    "observation": "tool",
    "function_response": "tool",
    "tool_response": "tool",
    "function_call": "assistant",
    "tool_call": "assistant",
    PLAIN_TEXT: PLAIN_TEXT,
}
CALLS = ("function_call", "tool_call")
REASONING = ("reasoning", "reasoning_content", "thinking")
MAX_WEIGHT = 3.4028234663852886e38
"""The largest float32: the labels of a training hold weights as such, and a larger one would be infinite there."""
EXPECTED = "messages (role, content), conversations (from, value), instruction and output, or prompt and completion"

TEXTS_ELSEWHERE = "; plain texts are read by ingest.jsonl, and made examples by render with template pretraining/text"


class NotConversationError(Exception):
    """The record is no conversation that can be trained on; `rule` names why, the message explains."""

    def __init__(self, rule: str, detail: str, value: str | None = None) -> None:
        self.rule, self.value = rule, value
        super().__init__(detail)


@dataclass(kw_only=True)
class Conversation:
    """What a record says, and what else it holds."""

    format: Format
    messages: list[Message]
    tools: str | None = None
    extra: dict[str, Any] = field(default_factory=dict)
    message_extra: dict[str, Any] = field(default_factory=dict)
    """Keys of messages that have no place in `Message`, by the message's number from 1."""


def detect(record: dict[str, Any]) -> Format | None:
    """The format of a record, by its keys; None for none. A list of turns goes before single columns."""
    for name in TURNS:
        turns = record.get(name)
        if isinstance(turns, list):
            first = next((turn for turn in turns if isinstance(turn, dict)), {})
            return "sharegpt" if "from" in first else "openai" if "role" in first or name == "messages" else "sharegpt"
    if "instruction" in record and (_instance(record) or any(name in record for name in ANSWERS["alpaca"])):
        return "alpaca"
    if "prompt" in record and any(name in record for name in ANSWERS["prompt_completion"]):
        return "prompt_completion"
    return None


def conversation(record: dict[str, Any], given: Format | None = None) -> Conversation:
    """The record as a conversation, in the format given or found; checked to be one that can be trained on.

    Raises NotConversationError with the rule that it breaks.
    """
    result = as_said(record, given)
    check_order(result.messages)
    return result


def as_said(record: dict[str, Any], given: Format | None = None) -> Conversation:
    """The record as a conversation whose turns may come in any order, or be a question without its answer.

    Raises NotConversationError where it cannot be read as one.
    """
    known = given or detect(record)
    if known is None:
        way = TEXTS_ELSEWHERE if isinstance(record.get("text"), str) else ""
        raise NotConversationError("unrecognised", f"expected {EXPECTED}; found {', '.join(record) or 'no keys'}{way}")
    result = Conversation(format=known, messages=[], extra=dict(record))
    if known == "alpaca":
        _alpaca(result)
    elif known == "prompt_completion":
        _prompt_completion(result)
    else:
        name = next((name for name in TURNS if isinstance(record.get(name), list)), None)
        if name is None:
            raise NotConversationError("unrecognised", f"no list of turns under {', '.join(TURNS)}")
        _turns(result, result.extra.pop(name))
    _tools(result)
    _system(result)
    return result


def check_order(messages: list[Message]) -> None:
    """Raises NotConversationError unless roles follow one another as chat templates demand, and all say something.

    [system]  user  (assistant | assistant with calls, tool, ...)  user  ...  assistant
    text, alone
    """
    if is_plain_text(messages):
        if not messages[0].content.strip():
            raise NotConversationError("empty_text", "the text is empty")
        return
    if not any(message.role == "assistant" for message in messages):
        raise NotConversationError("no_assistant", f"no assistant turn in {len(messages)} messages")
    before = None
    for number, message in enumerate(messages, 1):
        role, previous = message.role, before.role if before else None
        if not message.content.strip() and not message.tool_calls and role in ("user", "assistant"):
            rule = "empty_answer" if role == "assistant" else "empty_prompt"
            raise NotConversationError(rule, f"message {number}, of the {role}, is empty")
        after_call = before is not None and (previous == "tool" or before.tool_calls is not None)
        wrong = {
            "system": before is not None,
            "user": previous == "user",
            "assistant": previous in (None, "system") or (previous == "assistant" and not message.tool_calls),
            "tool": not after_call,
            PLAIN_TEXT: True,
        }[role]
        if wrong:
            raise NotConversationError(
                "role_order", f"message {number} is of role {role} after {previous or 'nothing'}"
            )
        before = message
    if before is None or before.role != "assistant":
        raise NotConversationError("no_final_answer", f"the last message is of role {messages[-1].role}")


def _instance(record: dict[str, Any]) -> dict[str, Any]:
    """Input and output of a task with a list of instances, as self-instruct's seed tasks are: those of the first."""
    instances = record.get("instances")
    first = instances[0] if isinstance(instances, list) and instances else None
    alone = not any(name in record for name in ("input", *ANSWERS["alpaca"]))
    return {n: first[n] for n in ("input", "output") if n in first} if isinstance(first, dict) and alone else {}


def _alpaca(result: Conversation) -> None:
    # The list itself stays beside the conversation, with all its instances.
    result.extra |= _instance(result.extra)
    extra = result.extra
    history = extra.pop("history", None) or []
    if not isinstance(history, list):
        raise NotConversationError("bad_history", "history is no list of [question, answer]", str(history))
    for number, turn in enumerate(history, 1):
        if not (isinstance(turn, list | tuple) and len(turn) == 2):
            raise NotConversationError("bad_history", f"turn {number} of history is not [question, answer]")
        result.messages += [_message("user", turn[0]), _message("assistant", turn[1])]
    prompt = _text(_take(extra, "instruction"), "instruction")
    given = {name: extra.pop(name) for name in ("input", "context") if name in extra}
    texts = [text for name, value in given.items() if (text := _text(value, name))]
    if len(texts) > 1:
        raise NotConversationError("two_inputs", "'input' and 'context' both say something; one belongs to the prompt")
    beside = texts[0] if texts else ""
    # Joined as LLaMA-Factory does (data/converter.py, AlpacaDatasetConverter): by one line end.
    result.messages.append(_message("user", "\n".join(part for part in (prompt, beside) if part)))
    result.messages.append(_message("assistant", _take(extra, *ANSWERS["alpaca"])))


def _prompt_completion(result: Conversation) -> None:
    prompt = _take(result.extra, "prompt")
    completion = _take(result.extra, *ANSWERS["prompt_completion"])
    if isinstance(prompt, list):
        _turns(result, prompt)
        # The completion is what is trained on; earlier answers are context, as in TRL.
        result.messages = [
            msgspec.structs.replace(m, weight=0.0) if m.role == "assistant" and m.weight is None else m
            for m in result.messages
        ]
    else:
        result.messages.append(_message("user", prompt))
    if isinstance(completion, list):
        _turns(result, completion)
    else:
        result.messages.append(_message("assistant", completion))


def _take(extra: dict[str, Any], *names: str) -> Any:
    name = next((name for name in names if name in extra), None)
    if name is None:
        raise NotConversationError("missing_column", f"the record has no '{names[0]}'")
    return extra.pop(name)


def _text(value: Any, what: str | None) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise NotConversationError("content_not_text", f"'{what}' is {type(value).__name__}, not text", str(value))
    return value


def _message(role: str, content: Any) -> Message:
    return Message(role=role, content=_text(content, f"{role} turn"))


def _turns(result: Conversation, turns: list[Any]) -> None:
    for turn in turns:
        number = len(result.messages) + 1
        if not isinstance(turn, dict):
            raise NotConversationError("bad_turn", f"message {number} is no object", str(turn))
        rest = {name: value for name, value in turn.items() if value is not None}
        result.messages.append(_turn(rest, number))
        if rest:
            result.message_extra[str(number)] = rest


def _turn(rest: dict[str, Any], number: int) -> Message:
    """One message; takes out of `rest` what it understands."""
    named = rest.pop("role", None) if "role" in rest else rest.pop("from", None)
    role = ROLES.get(named.strip().lower()) if isinstance(named, str) else None
    if role is None:
        raise NotConversationError("unknown_role", f"message {number} is of an unknown role", str(named))
    content = rest.pop("content", None) if "content" in rest else rest.pop("value", None)
    calls = [*_listed(rest.pop("tool_calls", None)), *_listed(rest.pop("function_call", None))]
    if str(named).strip().lower() in CALLS:
        calls, content = [*_listed(_json(content, number)), *calls], None
    weight = rest.pop("weight", None)
    if weight is not None and (isinstance(weight, bool) or not isinstance(weight, int | float)):
        raise NotConversationError("bad_weight", f"the weight of message {number} is no number", str(weight))
    if weight is not None and not 0 <= weight <= MAX_WEIGHT:  # NaN is in no range
        raise NotConversationError(
            "bad_weight", f"the weight of message {number} is not from 0 up (to {MAX_WEIGHT:.2g})", str(weight)
        )
    reasoning = next((name for name in REASONING if isinstance(rest.get(name), str)), None)
    return Message(
        role=role,
        content=_content(content, number),
        weight=None if weight is None else float(weight),
        name=rest.pop("name") if isinstance(rest.get("name"), str) else None,
        tool_calls=canonical_json([_call(call, number) for call in calls]) if calls else None,
        tool_call_id=rest.pop("tool_call_id") if isinstance(rest.get("tool_call_id"), str) else None,
        reasoning=rest.pop(reasoning) if reasoning else None,
    )


def _content(content: Any, number: int) -> str:
    """Text, or the texts of OpenAI's content parts put together."""
    if not isinstance(content, list):
        return _text(content, f"content of message {number}")
    texts = []
    for part in content:
        if not isinstance(part, dict) or part.get("type", "text") != "text" or not isinstance(part.get("text"), str):
            kind = str(part.get("type")) if isinstance(part, dict) else str(part)
            raise NotConversationError("media", f"message {number} holds what is not text", kind)
        texts.append(part["text"])
    return "".join(texts)


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _json(value: Any, number: int) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return parse_slowly(value.encode())
    except NotRecordError as error:
        raise NotConversationError(
            "bad_tool_call", f"a tool call in message {number} cannot be read: {error}", value
        ) from error


def _call(call: Any, number: int) -> dict[str, Any]:
    """A tool call as {id, type, function: {name, arguments}}, arguments as an object."""
    function = call.get("function", call) if isinstance(call, dict) else None
    if not isinstance(function, dict) or not isinstance(function.get("name"), str):
        raise NotConversationError("bad_tool_call", f"a tool call in message {number} has no name", str(call))
    arguments = function.get("arguments", function.get("parameters"))
    arguments = _json(arguments, number) if arguments not in ("", None) else {}
    if not isinstance(arguments, dict):
        raise NotConversationError("bad_tool_call", f"arguments in message {number} are no object", str(arguments))
    named = {"name": function["name"], "arguments": arguments}
    return {"id": call.get("id"), "type": call.get("type") or "function", "function": named}


def _tools(result: Conversation) -> None:
    """The tools as OpenAI writes them: [{type: function, function: {name, ...}}, ...]."""
    name = next((name for name in ("tools", "functions") if result.extra.get(name)), None)
    if name is None:
        for empty in ("tools", "functions"):
            if empty in result.extra and not result.extra[empty]:
                del result.extra[empty]
        return
    tools = result.extra.pop(name)
    if isinstance(tools, str):
        try:
            tools = parse_slowly(tools.encode())
        except NotRecordError as error:
            raise NotConversationError("bad_tools", f"'{name}' cannot be read: {error}", tools) from error
    if isinstance(tools, dict):
        tools = [tools]
    if not isinstance(tools, list) or not all(isinstance(tool, dict) for tool in tools):
        raise NotConversationError("bad_tools", f"'{name}' is no list of function definitions", str(tools))
    wrapped = [
        tool if "function" in tool or "name" not in tool else {"type": "function", "function": tool} for tool in tools
    ]
    result.tools = canonical_json(wrapped) if wrapped else None


def _system(result: Conversation) -> None:
    """A column `system` becomes the first message; where the turns begin with one already, it stays an extra."""
    if "system" in result.extra and result.messages and result.messages[0].role != "system":
        system = _text(result.extra.pop("system"), "system")
        if system.strip():
            result.messages.insert(0, Message(role="system", content=system))
            shifted = {str(int(number) + 1): rest for number, rest in result.message_extra.items()}
            result.message_extra = shifted
