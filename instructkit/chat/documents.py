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
from instructkit.chat.labels import Labelled
from instructkit.chat.rows import Tokenized, Tokens, tokenized
from instructkit.chat.search import Unlabelled
from instructkit.errors import TrainingError
from instructkit.hashing import text_hashes
from instructkit.schema import Drop, Example, Origin, columns
from instructkit.text.conversation import PLAIN_TEXT, trained_weight
from instructkit.text.view import plain_texts

BATCH_ROWS = 1024
TASK = "language-modeling"
"""The task of documents that stand as examples."""


def tokenize_documents(documents: pl.DataFrame, tokenizer: Any, max_tokens: int | None) -> Tokenized:
    """Tokenise a frame with id, origin and text, in order; `piece` counts the rows of one document. `max_tokens` None:
    each in one piece. A column `weight`, where there is one, is that of each document's tokens.

    A text is written as the tokenizer writes texts (behind its begin token, if it has one) and ends with its end
    token. Control tokens inside a text are spelled out, as the text they are. A document without text is a drop,
    `label.no-tokens`. Raises TrainingError for a tokenizer without end token, ValueError for `max_tokens` below 2.
    """
    if max_tokens is not None and max_tokens < 2:
        raise ValueError(f"max_tokens must be at least 2, got {max_tokens}")
    end = tokenizer.eos_token_id
    if end is None:
        raise TrainingError("the tokenizer has no end token (eos_token), so documents would run into one another")
    parts, drops = [], []
    for batch in documents.iter_slices(BATCH_ROWS):
        texts = batch["text"].to_list()
        encodings = backend(tokenizer, spell_out=True).encode_batch_fast(texts, add_special_tokens=True)
        ids, pieces, tokens, weights = [], [], [], []
        weighed = batch["weight"] if "weight" in batch.columns else [1.0] * batch.height
        rows = zip(batch["id", "text", "origin"].iter_rows(), weighed, encodings, strict=True)
        for (row_id, text, origin), weight, encoding in rows:
            if not text.strip():
                drops.append(_empty(row_id, origin))
                continue
            written = np.asarray(encoding.ids, dtype=np.int32)
            if written[-1] != end:
                written = np.append(written, np.int32(end))
            longest = max_tokens or len(written) + 1
            for piece, start in enumerate(range(0, max(len(written) - 1, 1), longest - 1)):
                ids.append(row_id)
                pieces.append(piece)
                tokens.append(written[start : start + longest])
                weights.append(np.full(len(tokens[-1]), weight, dtype=np.float32))
                weights[-1][0] = 0
        if ids:
            lengths = np.array([len(t) for t in tokens], dtype=np.int64)
            parts.append(Tokens(ids, np.concatenate(tokens), np.concatenate(weights), lengths, pieces=pieces))
    return tokenized(parts, drops)


def as_examples(documents: pl.DataFrame) -> pl.DataFrame:
    """A frame of the Document noun as one of the Example noun: each with one message, its text, of the role `text`.

    A document without a split is for training.
    """
    schema = columns(Example)
    message = schema["messages"].inner  # type: ignore[attr-defined]
    fields = {f.name: pl.lit(None, f.dtype).alias(f.name) for f in message.fields}
    fields |= {"role": pl.lit(PLAIN_TEXT).alias("role"), "content": pl.col("text").alias("content")}
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
    """Id, origin, text and weight of examples: the contents of all messages, with empty lines between them.

    The weight is the example's; where it is a plain text, times that of its message.
    """
    contents = pl.col("messages").list.eval(pl.element().struct.field("content"))
    own = pl.col("messages").list.first().struct.field("weight").fill_null(1.0)
    weight = pl.col("weight") * pl.when(plain_texts()).then(own).otherwise(1.0)
    return examples.select("id", "origin", text=contents.list.join("\n\n"), weight=weight)


def label_text(example: Example, tokenizer: Any) -> Labelled | Unlabelled:
    """The tokens of a plain text with their weights, in one piece, as `tokenize_documents` gives them."""
    text = example.messages[0].content
    if not text.strip():
        return Unlabelled("no-tokens", "the document has no text")
    encoding = backend(tokenizer, spell_out=True).encode(text, add_special_tokens=True)
    written = [*zip(encoding.ids, encoding.tokens, encoding.offsets, encoding.special_tokens_mask, strict=True)]
    if encoding.ids[-1] != tokenizer.eos_token_id:
        written.append((tokenizer.eos_token_id, tokenizer.eos_token, (0, 0), 1))
    # What the tokenizer writes around a text has no characters there: it is spelled before and behind it.
    lead = next((i for i, (*_, special) in enumerate(written) if not special), len(written))
    before = "".join(token for _, token, _, _ in written[:lead])
    shown, offsets = "", []
    for place, (_, token, (start, end), special) in enumerate(written):
        if place == lead:
            shown += text
        if special:
            offsets.append((len(shown), len(shown) + len(token)))
            shown += token
        else:
            offsets.append((len(before) + start, len(before) + end))
    weights = np.full(len(written), trained_weight(example.messages[0]) * example.weight, dtype=np.float32)
    weights[0] = 0
    ids = np.array([each for each, *_ in written], dtype=np.int32)
    return Labelled(ids, weights, np.array(offsets, dtype=np.int64), shown)


def _empty(row_id: str, origin: dict[str, Any]) -> Drop:
    return Drop(id=row_id, origin=Origin(**origin), rule="label.no-tokens", detail="the document has no text")
