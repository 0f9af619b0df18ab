"""Chat templates of real model families: exactly the replies and their stop tokens are trained, or the reason is told.

What is expected stands in templates/<family>.txt, written down by hand; nothing there is computed by what it tests.
"""

import json
import re
from pathlib import Path

import orjson
import pytest
import yaml
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from instructkit.chat.environment import TODAY
from instructkit.chat.format import chat_format
from instructkit.chat.labels import label
from instructkit.chat.rendering import turn
from instructkit.chat.search import Unlabelled
from instructkit.chat.tokenize import tokenize
from instructkit.chat.view import pieces
from instructkit.errors import TrainingError
from instructkit.schema import Example, Message, frame

FOLDER = Path(__file__).parent / "templates"
FAMILIES = list(yaml.safe_load((FOLDER / "families.yaml").read_text()))
EXPECTED = {
    family: dict(re.findall(r"^=== (\w+)\n(.*?)\n(?=^===|\Z)", (FOLDER / f"{family}.txt").read_text(), re.S | re.M))
    for family in FAMILIES
}
REFUSED = [family for family in FAMILIES if not EXPECTED[family]]
TAUGHT = [family for family in FAMILIES if EXPECTED[family]]

TOOLS = '[{"type":"function","function":{"name":"weather","parameters":{}}}]'
LAST = (Message(role="user", content="How tall is a giraffe?"), Message(role="assistant", content="About five metres."))


def calling(*cities):
    calls = [
        {"id": f"call{i:05}", "type": "function", "function": {"name": "weather", "arguments": {"city": city}}}
        for i, city in enumerate(cities, start=1)
    ]
    return Message(role="assistant", content="", tool_calls=orjson.dumps(calls).decode())


def result(content, i):
    return Message(role="tool", content=content, name="weather", tool_call_id=f"call{i:05}")


CONVERSATIONS = {
    "single": LAST,
    "multi": (("user", "Ping?"), ("assistant", "Pong."), ("user", "Again?"), ("assistant", "No. 😀")),
    "system": (("system", "Be terse."), *LAST),
    "tools": (("user", "Weather in Oslo?"), calling("Oslo"), result("4 C", 1), ("assistant", "Four degrees.")),
    "parallel": (
        ("user", "Oslo or Rome?"),
        calling("Oslo", "Rome"),
        result("4 C", 1),
        result("20 C", 2),
        ("assistant", "Rome."),
    ),
    "later": (
        ("user", "Ping?"),
        ("assistant", "Pong."),
        ("user", "Oslo?"),
        calling("Oslo"),
        result('{"C": "4"}', 1),
        ("assistant", "Four."),
    ),
    "thoughts": (
        ("user", "Ping?"),
        Message(role="assistant", content="Pong.", reasoning="A game."),
        ("user", "Again?"),
        Message(role="assistant", content="No.", reasoning="Enough."),
    ),
}


def conversation(name, make_example):
    return make_example(*CONVERSATIONS[name], tools=TOOLS if name in ("tools", "parallel", "later") else None)


def marked(labelled):
    """The text with brackets around what is trained on; whitespace at their ends stands outside."""
    text, on = "", False
    for piece, weight in pieces(labelled):
        if (weight > 0) != on:
            on = not on
            text += "⟦" if on else "⟧"
        text += piece
    return re.sub(r"(\s+)⟧", r"⟧\1", text + "⟧" * on)


def runs(ids, weights):
    """The runs of trained tokens."""
    found, run = [], []
    for token, weight in [*zip(ids, weights, strict=True), (0, 0.0)]:
        if weight > 0:
            run.append(token)
        elif run:
            found.append(run)
            run = []
    return found


@pytest.mark.parametrize("name", CONVERSATIONS)
@pytest.mark.parametrize("family", TAUGHT)
def test_exactly_the_replies_and_their_stop_tokens_are_trained(family, name, make_family, make_example):
    tokenizer = make_family(family)
    chat = chat_format(tokenizer)
    expected = EXPECTED[family][name]
    example = conversation(name, make_example)
    (labelled,) = label([example], chat)
    tokenized = tokenize(frame(Example, [example]), chat)
    if isinstance(labelled, Unlabelled):
        kind, rule, reason = expected.split(": ", 2)
        assert (kind, rule) == ("dropped", labelled.rule)
        assert reason in labelled.detail
        assert tokenized.dropped["rule"].to_list() == [f"label.{rule}"]
        return
    assert marked(labelled).rstrip("\n") == expected
    # And the ids themselves, decoded: what the brackets hold, sign for sign.
    (row,) = tokenized.rows.rows(named=True)
    decoded = [
        tokenizer.backend_tokenizer.decode(r, skip_special_tokens=False) for r in runs(row["input_ids"], row["weights"])
    ]
    assert [text.strip() for text in decoded] == [text.strip() for text in re.findall(r"⟦(.*?)⟧", expected, re.S)]
    assert (labelled.input_ids.tolist(), labelled.weights.tolist()) == (row["input_ids"], row["weights"])


@pytest.mark.parametrize("family", REFUSED)
def test_a_template_that_cannot_be_trained_on_is_refused_with_the_reason(family, make_family):
    assert (FOLDER / f"{family}.txt").read_text() == "refused: no-stop\n"
    with pytest.raises(TrainingError, match=r"never learn to stop \[no-stop\]; set chat_template: chatml"):
        chat_format(make_family(family))


@pytest.mark.parametrize("family", FAMILIES)
def test_a_template_writes_what_transformers_writes(family, make_family, make_example, monkeypatch):
    """Text and marks, of every conversation, as a prompt and whole; the date alone is pinned."""
    from transformers.utils import chat_template_utils

    class Pinned:
        now = staticmethod(lambda: TODAY)

    monkeypatch.setattr(chat_template_utils, "datetime", Pinned)
    tokenizer = make_family(family)
    chat = chat_format(tokenizer, tokenizer.chat_template if family not in REFUSED else "chatml")
    for name in CONVERSATIONS:
        example = conversation(name, make_example)
        turns = [turn(message) for message in example.messages]
        tools = orjson.loads(example.tools) if example.tools else None
        for prompt in (False, True):
            try:
                (expected,), marks = chat_template_utils.render_jinja_template(
                    [turns],
                    tools=tools,
                    chat_template=chat.template,
                    add_generation_prompt=prompt,
                    return_assistant_tokens_mask=chat.marks_replies,
                    **chat.variables,
                )
            except Exception as refusal:
                with pytest.raises(type(refusal), match=re.escape(str(refusal))):
                    chat.render(turns, tools, prompt=prompt)
                continue
            assert chat.render(turns, tools, prompt=prompt, marks=False) == (expected, [])
            assert chat.render(turns, tools, prompt=prompt) == (expected, [tuple(m) for m in marks[0]] if marks else [])


@pytest.mark.parametrize("family", TAUGHT)
def test_no_begin_token_is_written_twice(family, make_family, make_example):
    chat = chat_format(make_family(family))
    (labelled,) = label([conversation("single", make_example)], chat)
    begin = chat.tokenizer.bos_token_id
    if begin is not None and chat.tokenizer.bos_token != chat.tokenizer.eos_token:
        assert labelled.input_ids.tolist()[:2].count(begin) <= 1


LEADS = {"qwen-3": "<think>\n\n</think>\n\n", "gpt-oss": "<|channel|>final<|message|>"}
"""What a family's replies begin with beside their content."""
RULES = {"control-token", "edge", "lost", "no-tokens", "not-found", "template", "verify", "overlap"}
signs = st.characters(exclude_categories=["Cs"], exclude_characters="\x00")
texts = st.one_of(
    st.text(signs, max_size=20),
    st.text("ab \n\t.é中😀", max_size=12),
    st.sampled_from(
        ["", " ", "\n\n", "Ping?", "Pong.", "user\n", "About five metres.", "</s>", "<|im_end|>", "    return 1\n"]
    ),
)
turns = st.lists(
    st.tuples(texts, texts, st.sampled_from([None, 0.0, 0.5]), st.sampled_from([None, 1.0])), min_size=1, max_size=3
)


@settings(max_examples=300, deadline=None)
@given(family=st.sampled_from(TAUGHT), system=st.one_of(st.none(), texts), turns=turns)
def test_law_trained_tokens_decode_to_the_trained_messages_or_the_example_says_why_not(
    family, system, turns, make_family, make_example
):
    tokenizer = make_family(family)
    messages = [Message(role="system", content=system)] if system is not None else []
    for said, reply, weight, said_weight in turns:
        messages += [
            Message(role="user", content=said, weight=said_weight if said.strip() else None),
            Message(role="assistant", content=reply, weight=weight),
        ]
    trained = [m for m in messages if (m.weight if m.weight is not None else m.role == "assistant") > 0]
    assume(trained)
    example = make_example(*messages)
    chat = chat_format(tokenizer)
    tokenized = tokenize(frame(Example, [example]), chat)
    (alone,) = label([example], chat)
    if tokenized.dropped.height:
        assert tokenized.rows.height == 0
        assert tokenized.dropped["rule"][0].removeprefix("label.") in RULES
        assert isinstance(alone, Unlabelled)
        return
    (row,) = tokenized.rows.rows(named=True)
    assert (alone.input_ids.tolist(), alone.weights.tolist()) == (row["input_ids"], row["weights"])
    decoded = [
        tokenizer.backend_tokenizer.decode(r, skip_special_tokens=False) for r in runs(row["input_ids"], row["weights"])
    ]
    assert len(decoded) == len(trained)
    for text, message in zip(decoded, trained, strict=True):
        body = text.strip()
        if message.role == "assistant":
            stop = next(s for s in ("<|end|>", chat.stop) if body.endswith(s))
            body = body.removesuffix(stop).strip().removeprefix(LEADS.get(family, "").strip())
        assert body.strip() == message.content.strip()


CALLERS = ["llama-3.1", "mistral-v3", "qwen-2.5", "qwen-3", "deepseek-r1", "granite"]
arguments = st.dictionaries(st.sampled_from(["city", "day"]), st.one_of(texts, st.integers(-99, 99), st.booleans()))


@settings(max_examples=80, deadline=None)
@given(family=st.sampled_from(CALLERS), asked=texts, arguments=arguments, found=texts, reply=texts)
def test_law_a_call_is_trained_with_all_its_arguments_or_the_example_says_why_not(
    family, asked, arguments, found, reply, make_family, make_example
):
    call = {"id": "call00001", "type": "function", "function": {"name": "weather", "arguments": arguments}}
    calls = Message(role="assistant", content="", tool_calls=orjson.dumps([call]).decode())
    example = make_example(("user", asked), calls, result(found, 1), ("assistant", reply), tools=TOOLS)
    tokenizer = make_family(family)
    tokenized = tokenize(frame(Example, [example]), chat_format(tokenizer))
    if tokenized.dropped.height:
        assert tokenized.dropped["rule"][0].removeprefix("label.") in RULES
        return
    (row,) = tokenized.rows.rows(named=True)
    first, second = (
        tokenizer.backend_tokenizer.decode(r, skip_special_tokens=False).strip()
        for r in runs(row["input_ids"], row["weights"])
    )
    stop = chat_format(tokenizer).stop
    assert "weather" in first
    assert json.dumps(arguments, ensure_ascii=False) in first
    assert first.count(stop) == second.count(stop) == 1
    assert first.endswith(stop)
    assert second.removeprefix(LEADS.get(family, "").strip()).removesuffix(stop).strip() == reply.strip()
