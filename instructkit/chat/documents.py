"""Plain documents as tokens for language modelling: the text and its end token, every token trained.

    text       The moon pulls the sea.        max_tokens 5
    tokens     [The][ moon][ pulls][ the][ sea][.][</s>]
    piece 0    [The][ moon][ pulls][ the][ sea]
    piece 1                              [ sea][.][</s>]       weights 0 1 1

A piece begins with the last token of the piece before it, which is not trained on a second time: so every token but
the first of a document is learned once, from what stands before it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from instructkit.chat.backend import backend
from instructkit.chat.rows import Tokenized, Tokens, tokenized
from instructkit.errors import TrainingError
from instructkit.hashing import text_hashes
from instructkit.schema import Drop, Example, Origin, columns

BATCH_ROWS = 1024
TASK = "language-modeling"
"""The task of documents that stand as examples."""


def tokenize_documents(documents: pl.DataFrame, tokenizer: Any, max_tokens: int) -> Tokenized:
    """Tokenise a frame of the Document noun, in order; `piece` counts the rows of one document.

    A text is written as the tokenizer writes texts (behind its begin token, if it has one) and ends with its end
    token. Control tokens inside a text are spelled out, as the text they are. A document without text is a drop,
    `label.no-tokens`. Raises TrainingError for a tokenizer without end token, ValueError for `max_tokens` below 2.
    """
    if max_tokens < 2:
        raise ValueError(f"max_tokens must be at least 2, got {max_tokens}")
    end = tokenizer.eos_token_id
    if end is None:
        raise TrainingError("the tokenizer has no end token (eos_token), so documents would run into one another")
    parts, drops = [], []
    for batch in documents.iter_slices(BATCH_ROWS):
        texts = batch["text"].to_list()
        encodings = backend(tokenizer, spell_out=True).encode_batch_fast(texts, add_special_tokens=True)
        ids, pieces, tokens, weights = [], [], [], []
        for (row_id, text, origin), encoding in zip(batch["id", "text", "origin"].iter_rows(), encodings, strict=True):
            if not text.strip():
                drops.append(_empty(row_id, origin))
                continue
            written = np.asarray(encoding.ids, dtype=np.int32)
            if written[-1] != end:
                written = np.append(written, np.int32(end))
            for piece, start in enumerate(range(0, max(len(written) - 1, 1), max_tokens - 1)):
                ids.append(row_id)
                pieces.append(piece)
                tokens.append(written[start : start + max_tokens])
                weights.append(np.ones(len(tokens[-1]), dtype=np.float32))
                weights[-1][0] = 0
        if ids:
            lengths = np.array([len(t) for t in tokens], dtype=np.int64)
            parts.append(Tokens(ids, np.concatenate(tokens), np.concatenate(weights), lengths, pieces=pieces))
    return tokenized(parts, drops)


def as_examples(documents: pl.DataFrame) -> pl.DataFrame:
    """A frame of the Document noun as one of the Example noun: each with one message, its text.

    A document without a split is for training.
    """
    schema = columns(Example)
    message = schema["messages"].inner  # type: ignore[attr-defined]
    fields = {f.name: pl.lit(None, f.dtype).alias(f.name) for f in message.fields}
    fields |= {"role": pl.lit("assistant").alias("role"), "content": pl.col("text").alias("content")}
    made: dict[str, Any] = {
        "content_hash": pl.Series(text_hashes(documents["text"]), dtype=pl.String),
        "messages": pl.concat_list(pl.struct(*fields.values())),
        "document_ids": pl.concat_list("id"),
        "exemplar_ids": pl.concat_list("id").list.head(0),
        "split": pl.col("split").fill_null("train"),
        "task": pl.lit(TASK),
        "weight": pl.lit(1.0),
        "repeats": pl.lit(1.0),
        "meta": pl.lit("{}"),
    }
    given = documents.with_columns(**made)
    return given.select(
        pl.col(name) if name in given.columns else pl.lit(None, dtype).alias(name) for name, dtype in schema.items()
    ).cast(dict(schema))  # type: ignore[arg-type]


def as_documents(examples: pl.DataFrame) -> pl.DataFrame:
    """Id, origin and text of examples: the contents of all messages, with empty lines between them."""
    contents = pl.col("messages").list.eval(pl.element().struct.field("content"))
    return examples.select("id", "origin", text=contents.list.join("\n\n"))


def _empty(row_id: str, origin: dict[str, Any]) -> Drop:
    return Drop(id=row_id, origin=Origin(**origin), rule="label.no-tokens", detail="the document has no text")
