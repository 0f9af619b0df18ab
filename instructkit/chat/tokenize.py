"""Shards of examples to shards of tokenised examples; what cannot be labelled becomes a drop."""

from __future__ import annotations

import numpy as np
import polars as pl

from instructkit.chat.documents import as_documents, tokenize_documents
from instructkit.chat.labels import label
from instructkit.chat.pairs import tokenize_pairs
from instructkit.chat.rendering import ChatFormat
from instructkit.chat.rows import Tokenized, Tokens, tokenized
from instructkit.chat.search import Unlabelled
from instructkit.schema import Drop, Example, records

BATCH_ROWS = 2048
"""Rows rendered and tokenised at a time: bounds the memory of texts and offsets."""


def tokenize(examples: pl.DataFrame, chat: ChatFormat) -> Tokenized:
    """Tokenise and label a frame of the Example noun, in order, as the model of `chat` reads it.

    Rule `label.<reason>` names what is dropped.
    """
    match chat.reads:
        case "document":
            return tokenize_documents(as_documents(examples), chat.tokenizer, chat.piece_tokens)
        case "pair" | "class":
            classes = chat.classes if chat.reads == "class" else None
            return tokenize_pairs(examples, chat.tokenizer if chat.plain else chat, classes)
    parts, drops = [], []
    for batch in examples.iter_slices(BATCH_ROWS):
        rows = list(records(Example, batch))
        results = label(rows, chat)
        kept = [(e.id, r) for e, r in zip(rows, results, strict=True) if not isinstance(r, Unlabelled)]
        drops += [
            Drop(id=e.id, origin=e.origin, template=e.template, rule=f"label.{r.rule}", detail=r.detail)
            for e, r in zip(rows, results, strict=True)
            if isinstance(r, Unlabelled)
        ]
        if kept:
            tokens = Tokens(
                [example_id for example_id, _ in kept],
                np.concatenate([r.input_ids for _, r in kept]),
                np.concatenate([r.weights for _, r in kept]),
                np.array([len(r.input_ids) for _, r in kept], dtype=np.int64),
            )
            parts.append(tokens)
    return tokenized(parts, drops)
