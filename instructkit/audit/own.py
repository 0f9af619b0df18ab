"""What each row has of its own, by which near-duplicates are told.

Classify this review …: A fine boat.        template text is nobody's own; "A fine boat." is, and too little
(page of 300 words, one changed)            49 such near-copies: all of it is its own
(page of 300 words, one changed) × 50       as a template, but what is changed stands somewhere else in each
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import polars as pl

from instructkit.audit.common_text import IGNORE, MOST_SEQUENCES, CommonText
from instructkit.audit.crossings import OWN_WORDS
from instructkit.audit.ground import Ground
from instructkit.text.normalise import normalised
from instructkit.text.words import runs, word_count

COMPARED = ("asked", "replied")
CHARACTERS_PER_WORD = 4
"""Few, so that rather too much is taken for too much to count."""
LONG_WORDS = 5 * OWN_WORDS
"""A text of so many words of which next to nothing is its own is a row of a template, or one of many near-copies."""
BEFORE_WORDS = 3
TEMPLATE_TEXTS = 20
"""Different texts whose own words follow the same ones: a template's gap. Near-copies differ in various places."""


def write_own(ground: Ground) -> None:
    """Derive `own_asked` and `own`, what a row's question has of its own and what question and answer have; null where
    that is too little to be like anything.

    Rows of one template are alike in nearly all their words and have nothing to do with each other, so text that stands
    in many different rows is nobody's own, as in `verify`; nor is what the system says. Many near-copies of one long
    text are told from rows of a template by the place of what differs, and are compared whole.
    """
    text = _counted(ground)
    gaps: list[pl.DataFrame] = []

    def own(block: pl.DataFrame) -> pl.DataFrame:
        asked, replied = (text.own(block[name]) for name in COMPARED)
        made = block.select(
            own_asked=asked,
            own=asked + "\n" + replied,
            whole_asked="asked",
            whole=pl.concat_str(*COMPARED, separator="\n"),
            gap=_gaps(block["asked"], asked),
        )
        gaps.append(made.select("gap", text=pl.col("whole_asked").hash(0)).drop_nulls("gap").unique())
        little = {name: word_count(pl.col(name)).fill_null(0) < OWN_WORDS for name in ("own_asked", "own")}
        return made.select(
            *(pl.when(~few).then(pl.col(name)).alias(name) for name, few in little.items()),
            *(
                pl.when(few & (word_count(pl.col(whole)) >= LONG_WORDS)).then(pl.col(whole)).alias(whole)
                for whole, few in (("whole_asked", little["own_asked"]), ("whole", little["own"]))
            ),
            "gap",
        )

    ground.disk.derive(own, *COMPARED)
    if gaps:
        ground.disk.rederive(_with_near_copies(pl.concat(gaps)))


def _counted(ground: Ground) -> CommonText:
    """How often sequences of words stand in the questions and answers, each different text once."""
    text = CommonText()
    text.add_known(ground.literals)
    known = ground.known
    characters = known.select(pl.col("prompt_characters", "response_characters").cast(pl.Int64).sum())
    words = sum(characters.row(0)) // CHARACTERS_PER_WORD
    every = words // MOST_SEQUENCES + 1
    counted = known.select(
        "row", *(((pl.col(n) % every == 0) & pl.col(n).is_first_distinct()).alias(f"{n}_counts") for n in COMPARED)
    )
    for block in ground.disk.blocks("row", *COMPARED):
        chosen = block.join(counted, on="row", maintain_order="left")
        for name in COMPARED:
            text.add(chosen.filter(f"{name}_counts")[name])
    return text


def _gaps(texts: pl.Series, own: pl.Series) -> pl.Series:
    """Hashes of the words before the first that is a text's own; null for short texts, and those that are all own."""
    rows = np.flatnonzero(((texts.str.len_chars() != own.str.len_chars()) & (own != "")).fill_null(False).to_numpy())
    some = pl.DataFrame({"text": texts.gather(rows), "own": own.gather(rows)})
    words = pl.lit(" ") + runs(normalised(pl.col("text"), IGNORE)).list.join(" ") + " "
    # The first word may stand before its gap as well; with the next one, where the gap has two, it seldom does.
    one, two = (pl.lit(" ") + pl.col("own").str.extract(rf"^(\S*(?: \S+){{0,{more}}})", 1) + " " for more in (0, 1))
    before = (
        words.str.split(pl.when(words.str.contains(two, literal=True)).then(two).otherwise(one))
        .list.first()
        .str.extract(rf"((?:\S+ ?){{0,{BEFORE_WORDS}}})$", 1)
    )
    gap = pl.when(word_count(pl.col("text")) >= LONG_WORDS).then(before.hash(0))
    nothing = pl.repeat(None, len(texts), dtype=pl.UInt64, eager=True)
    return nothing.scatter(rows, some.select(gap=gap)["gap"]) if len(rows) else nothing


def _with_near_copies(gaps: pl.DataFrame) -> Callable[[pl.DataFrame], pl.DataFrame]:
    """Fills in the whole of texts whose own words stand where few others have theirs. `gaps`: gap, text."""
    seen = gaps.unique().group_by("gap").len()
    few = seen.filter(pl.col("len") < TEMPLATE_TEXTS)["gap"].implode()

    def filled(derived: pl.DataFrame) -> pl.DataFrame:
        copied = pl.col("gap").is_in(few)
        return derived.select(
            own_asked=pl.coalesce("own_asked", pl.when(copied).then("whole_asked")),
            own=pl.coalesce("own", pl.when(copied).then("whole")),
        )

    return filled
