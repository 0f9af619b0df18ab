"""Shards of examples to shards of tokenised examples; what cannot be labelled becomes a drop.

    render batch 2  ─┐           render batch 3  ─┐
                     ├─▶ place, weigh 1           ├─▶ place, weigh 2         here
    tokenize batch 1 ┘           tokenize batch 2 ┘                          the tokenizer's own threads

While the tokenizer, which is written in Rust and needs no Python, works on one batch, the next is rendered.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from instructkit.chat.backend import backend
from instructkit.chat.batches import Found, exact, find
from instructkit.chat.documents import as_documents, tokenize_documents
from instructkit.chat.labels import Labelled, label
from instructkit.chat.pairs import tokenize_pairs
from instructkit.chat.rendering import ChatFormat
from instructkit.chat.rows import Tokenized, Tokens, drop_of, in_order, tokenized
from instructkit.chat.scaffold import Scaffolds
from instructkit.chat.search import Unlabelled
from instructkit.schema import Drop, Example, records
from instructkit.text.view import plain_texts

BATCH_ROWS = 1024
"""Rows rendered and tokenised at a time: bounds the memory of texts and tokens."""


class _Begun(NamedTuple):
    batch: pl.DataFrame
    found: Found
    faults: dict[int, Unlabelled]
    encodings: Future[Any]


def tokenize(examples: pl.DataFrame, chat: ChatFormat) -> Tokenized:
    """Tokenise and label a frame of the Example noun, in order, as the model of `chat` reads it.

    A plain text among conversations is written as `tokenize_documents` writes it, without the chat template, in pieces
    where it is longer than `piece_tokens`. Rule `label.<reason>` names what is dropped.
    """
    match chat.reads:
        case "document":
            return tokenize_documents(as_documents(examples), chat.tokenizer, chat.piece_tokens)
        case "pair" | "class":
            classes = chat.classes if chat.reads == "class" else None
            return tokenize_pairs(examples, chat.tokenizer if chat.plain else chat, classes)
    texts = examples.filter(plain_texts())
    if not texts.height:
        return _conversations(examples, chat)
    spoken = _conversations(examples.filter(~plain_texts()), chat)
    written = tokenize_documents(as_documents(texts), chat.tokenizer, chat.piece_tokens or None)
    places = examples.select("id").with_row_index("place")
    rows, dropped = (
        pl.concat(both).join(places, on="id", how="left").sort("place", maintain_order=True).drop("place")
        for both in zip(spoken, written, strict=True)
    )
    return Tokenized(rows, dropped)


def _conversations(examples: pl.DataFrame, chat: ChatFormat) -> Tokenized:
    scaffolds = Scaffolds(chat)
    parts: list[Tokens] = []
    drops: list[Drop] = []
    for begun in _ahead(examples, chat, scaffolds):
        tokens, dropped = _finish(begun, chat, scaffolds)
        parts.append(tokens)
        drops += dropped
    return tokenized(parts, drops)


def _ahead(examples: pl.DataFrame, chat: ChatFormat, scaffolds: Scaffolds) -> Iterator[_Begun]:
    """The batches with their tokens under way; each is given out when the next is under way too."""
    inner = backend(chat.tokenizer)
    waiting = None
    with ThreadPoolExecutor(1) as thread:
        for batch in examples.iter_slices(BATCH_ROWS):
            found, faults = find(batch, chat, scaffolds) if chat.spelling is not None else (Found(), {})
            encodings = thread.submit(inner.encode_batch_fast, found.texts, add_special_tokens=False)
            begun = _Begun(batch, found, faults, encodings)
            if waiting is not None:
                yield waiting
            waiting = begun
        if waiting is not None:
            yield waiting


def _finish(begun: _Begun, chat: ChatFormat, scaffolds: Scaffolds) -> tuple[Tokens, list[Drop]]:
    ids = begun.batch["id"].to_list()
    quick = exact(begun.found, begun.encodings.result(), chat.spelling, chat.control_ids)
    proven = set(quick.rows)
    rows = [row for row in range(begun.batch.height) if row not in proven]
    examples = dict(zip(rows, records(Example, begun.batch[rows]), strict=True))
    open_rows = [row for row in rows if row not in begun.faults]
    labelled = label([examples[row] for row in open_rows], chat, scaffolds)
    results = dict(zip(open_rows, labelled, strict=True)) | begun.faults
    drops = [drop_of(examples[row], r) for row in rows if isinstance(r := results[row], Unlabelled)]
    kept = [(row, r) for row in rows if isinstance(r := results[row], Labelled)]
    quickly = Tokens([ids[row] for row in quick.rows], quick.input_ids, quick.weights, quick.lengths)
    one_by_one = Tokens(
        [ids[row] for row, _ in kept],
        np.concatenate([np.zeros(0, np.int32), *(r.input_ids for _, r in kept)]),
        np.concatenate([np.zeros(0, np.float32), *(r.weights for _, r in kept)]),
        np.array([len(r.input_ids) for _, r in kept], dtype=np.int64),
    )
    return in_order(quickly, one_by_one, np.array([*quick.rows, *(row for row, _ in kept)], dtype=np.int64)), drops
