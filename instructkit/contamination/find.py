"""All in one call, for records that are there as a frame: what `verify`, `audit` and the tests ask for."""

from __future__ import annotations

import polars as pl

from instructkit.contamination.index import Index
from instructkit.contamination.judge import judged
from instructkit.contamination.matches import Void, matches
from instructkit.contamination.rarity import groups_with, weights
from instructkit.contamination.rows import Settings

DEFAULT = Settings()


def find(
    index: Index, turns: pl.Series, groups: pl.Series, settings: Settings = DEFAULT, void: Void | None = None
) -> pl.DataFrame:
    """Rows of the evaluation that records hold, as `judge.FINDING`; `record` is the place in `turns`.

    `turns`: List(String), see `rows.turns`, or String. `groups`: the leak unit of each record; what one group says
    often is no more common for it. Where there are none, the records' ids.
    """
    hits = index.hits(turns)
    pairs = pl.LazyFrame({"gram": hits.gram, "group": groups.gather(hits.record)})
    with_gram = groups_with(pairs, len(hits.gram), len(index.grams))
    weighed = weights(index, with_gram, groups.n_unique(), settings.common)
    found = matches(index, hits, weighed, settings.threshold, void)
    lists = turns if turns.dtype != pl.String else turns.reshape((-1, 1)).cast(pl.List(pl.String))
    return judged(
        index, found, settings, lambda wanted: pl.DataFrame({"record": wanted, "turns": lists.gather(wanted)})
    )
