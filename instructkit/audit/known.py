"""What an audit holds of each conversation in memory: some 70 bytes, the texts being on disk."""

from __future__ import annotations

import polars as pl

from instructkit.audit.answers import ending
from instructkit.text.words import word_count

SEEDS = (0, 1)
"""Two hashes of 64 bits: texts whose pairs are equal are equal."""


def known(texts: pl.DataFrame) -> pl.DataFrame:
    """One row a conversation of `texts.with_texts`: row, hashes of all that is said, of the prompt and of what is asked
    and replied, lengths in characters and words, number of the assistant's turns, whether there is a system message,
    how the answer ends (codes of `Ending`), whether anything has weight.
    """
    message = pl.element()
    role = message.struct.field("role")
    weight = message.struct.field("weight")
    trains = pl.when(weight.is_null()).then(role == "assistant").otherwise(weight > 0)
    return texts.select(
        "row",
        *(pl.col("said").hash(seed).alias(f"said_{seed}") for seed in SEEDS),
        *(pl.col("prompt").hash(seed).alias(f"prompt_{seed}") for seed in SEEDS),
        asked=pl.col("asked").hash(0),
        replied=pl.col("replied").hash(0),
        prompt_characters=pl.col("prompt").str.len_chars(),
        response_characters=pl.col("response").str.len_chars(),
        answer_characters=pl.col("answer").str.len_chars(),
        answer_words=word_count(pl.col("answer")),
        turns=pl.col("messages").list.eval(role == "assistant").list.sum().cast(pl.UInt32),
        system=pl.col("messages").list.eval(role == "system").list.any(),
        ending=ending(),
        # A plain text is learned whole.
        trains=(pl.col("format") == "text") | pl.col("messages").list.eval(trains).list.any(),
    )
