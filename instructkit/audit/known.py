"""What an audit holds of each conversation in memory: some 70 bytes, the texts being on disk."""

from __future__ import annotations

import numpy as np
import polars as pl

from instructkit.audit.answers import ending
from instructkit.text.words import word_count

SEEDS = (0, 1)
"""Two hashes of 64 bits: texts whose pairs are equal are equal."""
FACTOR = np.uint64(0x9E3779B97F4A7C15)
"""Odd, so that no two products are equal; 2^64 divided by the golden ratio."""


def known(texts: pl.DataFrame) -> pl.DataFrame:
    """One row a conversation of `texts.with_texts`: row, hashes of all that is said, of the prompt and of what is asked
    and replied, of all that is said but by the system (`talk`) and of the beginnings of that (`begins`), lengths in
    characters and words, number of the assistant's turns, whether there is a system message, how the answer ends
    (codes of `Ending`), whether anything has weight.
    """
    message = pl.element()
    role = message.struct.field("role")
    weight = message.struct.field("weight")
    trains = pl.when(weight.is_null()).then(role == "assistant").otherwise(weight > 0)
    return texts.with_columns(_talk(texts["messages"])).select(
        "row",
        "talk",
        "begins",
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


def _talk(conversations: pl.Series) -> list[pl.Series]:
    """Hashes of each conversation (messages) without its system messages: `talk` of all of it, `begins` of what ends
    with an answer before the last one, null where nothing does.
    """
    spoken = (
        pl.DataFrame({"messages": conversations, "place": np.arange(len(conversations))})
        .explode("messages", empty_as_null=False)
        .unnest("messages")
        .filter(pl.col("role") != "system")
        .select(
            "place",
            answers=pl.col("role") == "assistant",
            turn=pl.int_range(pl.len()).over("place"),
            own=pl.struct("role", "content", "tool_calls").hash(0),
        )
    )
    talk = np.zeros(len(conversations), dtype=np.uint64)
    begins = []
    for turn in spoken.partition_by("turn", maintain_order=True):
        place, own = turn["place"].to_numpy(), turn["own"].to_numpy()
        # What was said so far is known by a hash; what comes next is mixed into it.
        talk[place] = (talk[place] ^ own) * FACTOR
        talk[place] ^= talk[place] >> np.uint64(29)
        begins.append(turn.select("place", "turn", "answers", talk=talk[place]))
    if not begins:
        nothing = pl.repeat(None, len(conversations), dtype=pl.List(pl.UInt64), eager=True)
        return [pl.Series("talk", talk), nothing.alias("begins")]
    before_last = pl.col("answers") & (pl.col("turn") < pl.col("turn").max().over("place"))
    lists = pl.concat(begins).filter(before_last).group_by("place").agg(begins="talk")
    places = pl.DataFrame({"place": np.arange(len(conversations))})
    return [
        pl.Series("talk", talk),
        places.join(lists, on="place", how="left", maintain_order="left")["begins"],
    ]
