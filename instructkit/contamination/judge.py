"""From segments that stand in records to records that hold a row of an evaluation: prompt and answer together.

    found of the row                          contaminated when
    prompt and answer, near one another       their words together weigh `threshold` of the row's, 8 words or more
    prompt alone                              8 words or more of it were found, or it is all that somebody says
    answer alone                              20 words or more of it were found, or 8 that are all that somebody says
    a prompt of fewer words, or less rare     its answer, however short, stands near it

An answer that stands in its row's own passage or prompt is no evidence by itself: whoever has the passage has it too.
Words without weight count for nothing here. Numbers are `min_prompt_words` and `min_answer_words`.
"""

from __future__ import annotations

from collections.abc import Callable

import polars as pl

from instructkit.contamination.index import Index
from instructkit.contamination.rows import Settings
from instructkit.contamination.spans import holds, spans_of

FINDING = pl.Schema(
    {
        "record": pl.Int64(),
        "row": pl.Int64(),
        "part": pl.String(),
        "score": pl.Float64(),
        "words": pl.Int64(),
        "segment": pl.Int64(),
        "first": pl.Int64(),
        "last": pl.Int64(),
    }
)
"""A row of an evaluation in a record. `part`: what of it, see `rows.Part`. `score`: weight of the words found over the
weight of all words of that part. `words`: how many were found. `segment`: the text of the row that is shown, the prompt
where there is one. `first`, `last`: where in the record it stands, in words."""

WHOLE_WORDS = 3
"""Words of a prompt that counts for being all that somebody says: "Thanks!" is everybody's."""
APART = 2
"""Length of record, as a multiple of prompt and answer, in which the two are near one another."""
APART_WORDS = 50
"""Words more: an answer may come after its reasoning."""

Turns = Callable[[list[int]], pl.DataFrame]
"""The turns of some records: from numbers to a frame with `record` and `turns` (List(String))."""


def judged(index: Index, matches: pl.DataFrame, settings: Settings, turns_of: Turns) -> pl.DataFrame:
    """Rows of the evaluation that records hold, as `FINDING`, sorted by record, best first. `matches`: `MATCH`.

    Passages are among them with `part: passage`, whatever else was found. `turns_of` is asked for few records: those
    that hold a short prompt, to look for its answer.
    """
    found = matches.with_columns(
        units=pl.Series(index.units[matches["segment"].to_numpy()], dtype=pl.Int64),
        share=pl.col("found") / pl.col("weight"),
    ).filter(pl.col("weight") > 0)
    used = found.join(index.uses, on="segment")
    passages = used.filter(
        pl.col("part") == "passage",
        pl.col("share") >= settings.threshold,
        pl.col("words") >= settings.min_answer_words,
    )
    prompts = used.filter(pl.col("part") == "prompt")
    answers = used.filter(pl.col("part") == "answer")
    # Of several wordings of the answer the one that is there most.
    answers = answers.sort("share", "found", "segment", descending=[True, True, False])
    answers = answers.unique(["record", "row"], keep="first", maintain_order=True)
    both = prompts.join(answers, on=["record", "row"], how="full", suffix="_a").with_columns(
        pl.coalesce("record", "record_a").alias("record"), pl.coalesce("row", "row_a").alias("row")
    )
    scored = _scored(both, settings)
    sure = scored.filter(pl.col("part").is_not_null())
    short = scored.filter(
        pl.col("part").is_null(), pl.col("share") >= settings.threshold, pl.col("words") >= WHOLE_WORDS
    )
    return (
        pl.concat(
            [
                sure.select([pl.col(name).cast(dtype) for name, dtype in FINDING.items()]),
                _with_answers(index, short, settings, turns_of),
                passages.select(
                    [
                        (pl.col("share").alias("score") if name == "score" else pl.col(name)).cast(dtype)
                        for name, dtype in FINDING.items()
                    ]
                ),
            ]
        )
        .sort("record", -pl.col("score"), -pl.col("words"), "row", "part")
        .select(FINDING.names())
    )


def _scored(both: pl.DataFrame, settings: Settings) -> pl.DataFrame:
    """Prompt and answer of one row side by side: the part that is contaminated, null for none, and its score."""
    c = pl.col
    room = (c("units") + c("units_a")) * APART + APART_WORDS
    near = pl.max_horizontal("last", "last_a") - pl.min_horizontal("first", "first_a") <= room
    together = pl.when(near).then((c("found") + c("found_a")) / (c("weight") + c("weight_a")))
    together = pl.when(c("words") + c("words_a") >= settings.min_prompt_words).then(together)
    # All that somebody says: of a short prompt its own words must be, not those that everybody frames prompts with.
    whole = (c("words") >= settings.threshold * c("turn")) & (c("words") >= WHOLE_WORDS)
    whole_answer = (c("units_a") >= settings.threshold * c("turn_a")) & (c("words_a") >= settings.min_prompt_words)
    prompt = pl.when((c("words") >= settings.min_prompt_words) | whole).then(c("share"))
    answer = pl.when((c("words_a") >= settings.min_answer_words) | whole_answer).then(c("share_a"))
    scores = both.with_columns(
        together=together.fill_null(0.0), prompt=prompt.fill_null(0.0), answer=answer.fill_null(0.0)
    ).with_columns(score=pl.max_horizontal("together", "prompt", "answer"))
    half = settings.threshold / 2
    part = (
        pl.when(c("score") < settings.threshold)
        .then(None)
        .when((c("together") >= settings.threshold) & (c("share") >= half) & (c("share_a") >= half))
        .then(pl.lit("both"))
        .when(c("prompt") >= c("answer"))
        .then(pl.lit("prompt"))
        .otherwise(pl.lit("answer"))
    )
    told = scores.with_columns(part=part).with_columns(
        score=pl.when(part="both").then("together").otherwise("score"),
    )
    alone = c("part") == "answer"
    two = c("part") == "both"
    return told.with_columns(
        segment=pl.when(alone).then("segment_a").otherwise("segment"),
        words=pl.when(alone).then("words_a").when(two).then(c("words") + c("words_a")).otherwise("words"),
        first=pl.when(alone).then("first_a").when(two).then(pl.min_horizontal("first", "first_a")).otherwise("first"),
        last=pl.when(alone).then("last_a").when(two).then(pl.max_horizontal("last", "last_a")).otherwise("last"),
    )


def _with_answers(index: Index, short: pl.DataFrame, settings: Settings, turns_of: Turns) -> pl.DataFrame:
    """Short prompts that stand near their answers, as `FINDING`."""
    result = []
    # Another answer of n words or more has n-grams of its own, and has been found already where it stands.
    few = pl.Series(index.units[index.uses["segment"].to_numpy()] < index.ngram)
    unseen = index.uses.filter((pl.col("part") == "extract") | ((pl.col("part") == "answer") & few))
    short = short.filter(pl.col("row").is_in(unseen["row"].implode()))
    if short.height:
        wanted = short["record"].unique().sort().to_list()
        texts = dict(turns_of(wanted).select("record", "turns").iter_rows())
        words: dict[int, list[str]] = {}
        for row in short.iter_rows(named=True):
            record = row["record"]
            if record not in words:
                words[record] = [word for turn in texts[record] for word in spans_of(index.sketcher, turn).words]
            for answer in index.answers(row["row"]):
                cut = spans_of(index.sketcher, answer).words
                room = row["units"] + APART * len(cut) + APART_WORDS
                low, high = max(row["first"] - room, 0), row["last"] + room
                # Not within the prompt itself: "Is it yes or no?" holds both answers.
                before, after = words[record][low : row["first"]], words[record][row["last"] : high]
                if cut and (holds(after, cut) or holds(before, cut)):
                    share = (row["found"] + len(cut)) / (row["weight"] + len(cut))
                    result.append(
                        {name: row[name] for name in FINDING}
                        | {"part": "both", "score": share, "words": row["words"] + len(cut)}
                    )
                    break
    return pl.DataFrame(result, schema=FINDING, orient="row")
