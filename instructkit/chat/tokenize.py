"""Shards of examples to shards of tokenised examples; what cannot be labelled becomes a drop."""

from __future__ import annotations

from typing import NamedTuple

import polars as pl

from instructkit.chat.labels import label
from instructkit.chat.locate import Unlabelled
from instructkit.chat.rendering import ChatFormat
from instructkit.schema import Drop, Example, TokenizedExample, columns, frame, records

BATCH_ROWS = 2048
"""Rows rendered and tokenised at a time: bounds the memory of texts and offsets."""


class Tokenized(NamedTuple):
    """`rows` of the TokenizedExample noun and `dropped` of the Drop noun; together as many as came in."""

    rows: pl.DataFrame
    dropped: pl.DataFrame


def tokenize(examples: pl.DataFrame, chat: ChatFormat) -> Tokenized:
    """Tokenise and label a frame of the Example noun, in order. Rule `label.<reason>` names what is dropped."""
    frames, drops = [], []
    for batch in examples.iter_slices(BATCH_ROWS):
        rows = list(records(Example, batch))
        results = label(rows, chat)
        kept = [(e.id, r) for e, r in zip(rows, results, strict=True) if not isinstance(r, Unlabelled)]
        drops += [
            Drop(id=e.id, origin=e.origin, template=e.template, rule=f"label.{r.rule}", detail=r.detail)
            for e, r in zip(rows, results, strict=True)
            if isinstance(r, Unlabelled)
        ]
        values = {
            "id": [example_id for example_id, _ in kept],
            "input_ids": [r.input_ids.tolist() for _, r in kept],
            "labels": [r.labels.tolist() for _, r in kept],
            "weights": [r.weights.tolist() for _, r in kept],
        }
        frames.append(pl.DataFrame(values, schema=columns(TokenizedExample)))
    rows_frame = pl.concat(frames) if frames else pl.DataFrame(schema=columns(TokenizedExample))
    return Tokenized(rows_frame, frame(Drop, drops))
