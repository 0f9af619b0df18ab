"""Examples for models that read first and write then: an encoder-decoder's reply, a classifier's class.

    read     what the conversation holds before its last reply, ready to be answered
    written  encoder-decoder: the last reply and the token that ends it     classifier: the index of its class

Earlier replies are read, not trained on: an example is one pair.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from instructkit.chat.backend import backend
from instructkit.chat.labels import difference, tools_of
from instructkit.chat.locate import locate
from instructkit.chat.rendering import ChatFormat, turn
from instructkit.chat.rows import Tokenized, Tokens, drop_of, tokenized
from instructkit.chat.scaffold import Scaffolds
from instructkit.chat.search import FAILURES, Unlabelled
from instructkit.errors import TrainingError
from instructkit.schema import Example, Message, records
from instructkit.text.conversation import is_plain_text, trained_weight

BATCH_ROWS = 1024


class _Pair(NamedTuple):
    read: str
    written: str
    weight: float


def tokenize_pairs(examples: pl.DataFrame, reader: ChatFormat | Any, classes: Sequence[str] | None = None) -> Tokenized:
    """Tokenise a frame of the Example noun, in order: `read_tokens` tokens to read, then what is to be written.

    `reader`: a chat format, or a tokenizer for a model that has none (T5, BERT): then the contents are joined by empty
    lines, and each side is written as the tokenizer writes texts (with the tokens it begins and ends them by).
    `classes`: written is one token, the index of the class that the last reply names; None: the reply itself, with
    the token that ends it. Rule `label.<reason>` names what is dropped. Raises TrainingError for a tokenizer without
    end token.
    """
    chat = reader if isinstance(reader, ChatFormat) else None
    tokenizer: Any = reader.tokenizer if isinstance(reader, ChatFormat) else reader
    if classes is None and chat is None and tokenizer.eos_token_id is None:
        raise TrainingError("the tokenizer has no end token (eos_token), so a reply would never end")
    index = {name: i for i, name in enumerate(classes)} if classes is not None else None
    scaffolds = Scaffolds(chat) if chat is not None else None
    parts, drops = [], []
    for batch in examples.iter_slices(BATCH_ROWS):
        kept: list[tuple[Example, _Pair]] = []
        for example in records(Example, batch):
            try:
                kept.append((example, _pair(example, chat, index, scaffolds)))
            except Unlabelled as fault:
                drops.append(drop_of(example, fault))
        tokens, changed = _tokens(kept, tokenizer, chat, index)
        drops += [drop_of(*unlike) for unlike in changed]
        parts.append(tokens)
    return tokenized(parts, drops)


def class_of(messages: Sequence[Message]) -> str | None:
    """The class that a conversation ends in, as its last reply names it; None where it does not end in a reply."""
    last = messages[-1] if messages else None
    return last.content.strip() if last is not None and last.role == "assistant" else None


def _pair(
    example: Example, chat: ChatFormat | None, index: dict[str, int] | None, scaffolds: Scaffolds | None
) -> _Pair:
    if is_plain_text(example.messages):
        raise Unlabelled("text", "a plain text has no reply, and this model reads one thing and writes another")
    name = class_of(example.messages)
    if name is None:
        raise Unlabelled("no-reply", "the conversation does not end in a reply")
    *before, last = example.messages
    weight = trained_weight(last) * example.weight
    if weight <= 0:
        raise Unlabelled("no-reply", "the last reply has no weight")
    if last.spans:
        raise Unlabelled("spans", "spans are for decoders: a pair has one weight")
    if index is not None and name not in index:
        raise Unlabelled("class", f"{name[:80]!r} is not one of the {len(index)} classes")
    if chat is None:
        if last.reasoning or last.tool_calls or example.tools:
            raise Unlabelled("lost", "without a chat template, reasoning, tools and tool calls cannot be written")
        return _Pair("\n\n".join(m.content for m in before), name if index is not None else last.content, weight)
    if index is not None:
        try:
            read, _ = chat.render([turn(m) for m in before], tools_of(example), prompt=True)
        except FAILURES as error:
            raise Unlabelled("template", f"the chat template refuses the conversation: {error}") from error
        return _Pair(read, name, weight)
    found = locate(example.messages, tools_of(example), chat, scaffolds)
    target = found.targets[-1]
    return _Pair(found.text[: target.start], found.text[target.start : target.end], weight)


def _tokens(
    pairs: list[tuple[Example, _Pair]], tokenizer: Any, chat: ChatFormat | None, index: dict[str, int] | None
) -> tuple[Tokens, list[tuple[Example, Unlabelled]]]:
    """The pairs that the tokenizer can write, and the others."""
    # A chat template writes every control token itself; without one, a text is what it says and nothing more.
    inner = backend(tokenizer, spell_out=chat is None)

    def encode(texts: list[str]) -> list[list[int]]:
        return [e.ids for e in inner.encode_batch_fast(texts, add_special_tokens=chat is None)]

    read = encode([pair.read for _, pair in pairs])
    changed: list[tuple[Example, Unlabelled]] = []
    if index is not None:
        written = [[index[pair.written]] for _, pair in pairs]
    else:
        written = encode([pair.written for _, pair in pairs])
        if chat is None:
            end = tokenizer.eos_token_id
            written = [ids if ids[-1:] == [end] else [*ids, end] for ids in written]
        decoded = inner.decode_batch(written, skip_special_tokens=chat is None)
        differs = [text.strip() != pair.written.strip() for (_, pair), text in zip(pairs, decoded, strict=True)]
        changed = [
            (example, Unlabelled("verify", difference("the reply", text.strip(), pair.written.strip())))
            for (example, pair), text, unlike in zip(pairs, decoded, differs, strict=True)
            if unlike
        ]
        same = [i for i, unlike in enumerate(differs) if not unlike]
        pairs, read, written = [pairs[i] for i in same], [read[i] for i in same], [written[i] for i in same]
    rows = [r + w for r, w in zip(read, written, strict=True)]
    weights = [
        w for (_, p), r, t in zip(pairs, read, written, strict=True) for w in [0.0] * len(r) + [p.weight] * len(t)
    ]
    tokens = Tokens(
        [example.id for example, _ in pairs],
        np.fromiter(chain.from_iterable(rows), dtype=np.int32),
        np.array(weights, dtype=np.float32),
        np.array([len(row) for row in rows], dtype=np.int64),
        read_tokens=[len(r) for r in read],
    )
    return tokens, changed
