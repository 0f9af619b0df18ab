"""The chat format of a model: which template it is used with, and whether that can be trained on."""

from __future__ import annotations

import re
from collections.abc import Sequence, Set
from dataclasses import replace
from pathlib import Path
from typing import Any

from instructkit.chat.chatml import CHATML, START, STOP
from instructkit.chat.locate import locate
from instructkit.chat.rendering import PLAIN, ChatFormat, Reads
from instructkit.chat.search import FAILURES, PLACEHOLDER, Unlabelled
from instructkit.errors import TrainingError
from instructkit.schema import Message

_GENERATION = re.compile(r"\{%[-+]?\s*generation\s*[-+]?%\}")


def template_text(wanted: str | None, tokenizer: Any) -> str:
    """The Jinja text of a `chat_template` setting.

    None: the tokenizer's own, else ChatML. `chatml`: ours. A path that ends in `.jinja`: that file. Other text is
    the template itself. Raises TrainingError for a file that cannot be read.
    """
    if wanted == "chatml":
        return CHATML
    if wanted is not None and wanted.endswith(".jinja"):
        try:
            return Path(wanted).read_text(encoding="utf-8")
        except OSError as error:
            raise TrainingError(f"chat_template '{wanted}': cannot be read ({error.strerror})") from error
    own = wanted or tokenizer.chat_template
    if isinstance(own, dict):  # several named templates; "default" is the plain conversation
        own = own.get("default")
    return own or CHATML


def chat_format(tokenizer: Any, template: str | None = None) -> ChatFormat:
    """The format of a tokenizer, probed: a reply can be told from its prompt and ends with a control token.

    Where ChatML is used, its control tokens are added to a tokenizer that lacks them; the caller then gives the model
    rows for them (`len(tokenizer)`). Raises TrainingError with the reason where the template cannot be trained on.
    """
    _make_ready(tokenizer)
    text = template_text(template, tokenizer)
    if text == CHATML:
        missing = [token for token in (START, STOP) if token not in tokenizer.get_vocab()]
        if missing:
            tokenizer.add_special_tokens({"additional_special_tokens": missing}, replace_extra_special_tokens=False)
    specials = {t.content for t in tokenizer.added_tokens_decoder.values() if t.special}
    specials |= set(tokenizer.all_special_tokens)
    probed = ChatFormat(
        tokenizer=tokenizer,
        template=text,
        marks_replies=bool(_GENERATION.search(text)),
        special=re.compile(_any_of({token for token in specials if token})),
        variables=_variables(tokenizer),
    )
    probed = replace(probed, openers=_openers(probed))
    probe = [Message(role="user", content="Ping?"), Message(role="assistant", content="Pong.")]
    try:
        located = locate(probe, None, probed)
    except Unlabelled as fault:
        raise TrainingError(
            f"chat template of {tokenizer.name_or_path or type(tokenizer).__name__}: {fault.detail} [{fault.rule}]; "
            "set chat_template: chatml, or give a template with {% generation %}"
        ) from fault
    return replace(probed, stop=located.targets[-1].stop)


def format_for(
    tokenizer: Any, template: str | None, reads: Reads, *, classes: Sequence[str] = (), piece_tokens: int = 0
) -> ChatFormat:
    """The format of a model that reads so. Raises TrainingError as `chat_format` does.

    Only a model that replies needs a template to be probed. The others, and encoder-decoders that have none, are given
    their own where they have one, and else plain texts, without new tokens.
    """
    own = template is not None or tokenizer.chat_template is not None
    if reads == "conversation" or (reads == "pair" and own):
        return replace(chat_format(tokenizer, template), reads=reads, piece_tokens=piece_tokens)
    _make_ready(tokenizer)
    return ChatFormat(
        tokenizer=tokenizer,
        template=template_text(template, tokenizer) if own else PLAIN,
        marks_replies=False,
        special=re.compile(r"(?!)"),
        stop=next((t for t in (tokenizer.eos_token, tokenizer.sep_token, tokenizer.pad_token) if t), ""),
        variables=_variables(tokenizer),
        reads=reads,
        classes=tuple(classes),
        piece_tokens=piece_tokens,
    )


def _variables(tokenizer: Any) -> dict[str, str]:
    return {name: token for name, token in tokenizer.special_tokens_map.items() if isinstance(token, str)}


def _make_ready(tokenizer: Any) -> None:
    """Check that the tokenizer says where its tokens lie, and turn off what makes it split a text at random."""
    if not getattr(tokenizer, "is_fast", False):
        raise TrainingError(
            f"tokenizer {type(tokenizer).__name__}: does not say which characters a token covers; "
            "labels need a fast tokenizer (one with a tokenizer.json)"
        )
    model = tokenizer.backend_tokenizer.model
    for chance in ("dropout", "alpha"):  # of BPE and of Unigram: other tokens each time, so no run could be repeated
        if getattr(model, chance, None) is not None:
            setattr(model, chance, None)


def _any_of(words: Set[str]) -> str:
    """A pattern that matches any of the words, the longest that fits.

    As a tree, sign by sign: a flat list of the thousand reserved tokens of some vocabularies takes milliseconds a text.
    """
    if not words:
        return "(?!)"
    tails: dict[str, set[str]] = {}
    for word in sorted(words - {""}):
        tails.setdefault(word[0], set()).add(word[1:])
    branches = "|".join(re.escape(first) + (_any_of(rest) if rest != {""} else "") for first, rest in tails.items())
    return f"(?:{branches}){'?' if '' in words else ''}"


def _openers(chat: ChatFormat) -> frozenset[str]:
    """The control tokens in front of what a user says, but for those that end a turn or a text as well."""
    try:
        before, _, after = chat.render([{"role": "user", "content": PLACEHOLDER}])[0].partition(PLACEHOLDER)
    except FAILURES:
        before, after = chat.variables.get("bos_token", ""), ""
    ends = {chat.variables.get("eos_token"), *chat.special.findall(after)[:1]}
    return frozenset(chat.special.findall(before)) - ends
