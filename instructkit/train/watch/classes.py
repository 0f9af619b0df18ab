"""What a training made of each example, by its losses: learned, never learned, forgotten, memorised or suspicious.

Every example is compared with its slice: the examples of its template (of its source, where it has none); slices of
fewer than `SLICE` examples are taken together. An *outlier* lies further from the slice's median than `OUTLIER` times
the spread on that side, and by `MARGIN` at least. Median and quartile, because they stay what they are when up to a
quarter of a slice is wrong. Iglewicz and Hoaglin, How to Detect and Handle Outliers (1993): 3.5.

suspicious      Its loss was above that of its slice all through the training: the mean, over its visits and the end, of
                (its loss - the slice's median loss at that time) is an outlier. What contradicts the rest is learned
                late, by heart, if at all: wrong answers, garbled texts, another task. Hard examples look the same:
                these are rows to look at, not proven faults. Source: the area under the margin, Pleiss et al.,
                arXiv:2001.10528, with losses in place of margins; "hard to learn" in Swayamdipta et al.,
                arXiv:2009.10795.
forgotten       It was known, before or at a visit (loss at most the median loss of its slice after training), and is
                not any more: in the worst quarter of its slice, at more than twice that loss. Source: forgetting
                events, Toneva et al., arXiv:1812.05159.
never-learned   It is no outlier but fell hardly at all, while its slice fell: its fall is an outlier, less than
                `HARDLY` of the slice's in proportion, and its loss is above the slice's median.
memorised       Its loss is below half of what the best twentieth of held-out examples of its slice reach: it is known
                better than what training teaches about its kind can explain. Templates with fewer than `SLICE`
                held-out examples share the very best of theirs; with fewer in all, nothing is memorised.
                Source: exposure, Carlini et al., arXiv:1802.08232; Feldman and Zhang, arXiv:2008.03703.
learned         All others.

The first that fits, in this order. Without losses before, nothing is never-learned; without held-out examples, nothing
is memorised.
"""

from __future__ import annotations

import polars as pl

SLICE = 20
"""Fewest examples that make a slice of their own; with fewer in all, nothing is judged."""
OUTLIER = 3.5
"""Spreads from the median."""
MARGIN = 0.1
"""Nats per token; losses that are nearer are the same."""
HARDLY = 0.25
"""Of the slice's median fall, in proportion."""
WINDOWS = 20
"""Times of a training within which losses are compared."""

_NORMAL_QUARTILE = 0.6745


def classify(entries: pl.DataFrame, held_out: pl.DataFrame, steps: int) -> pl.DataFrame:
    """`entries` with the columns class, value and threshold.

    entries: of the LedgerEntry noun, without these columns. held_out: template, source, after (Float64), of examples
    that were not trained on. steps: of the whole training.
    """
    rows = entries.with_row_index("_row").with_columns(kind=pl.coalesce("template", "source"))
    measured = rows.filter(pl.col("after").is_not_null())
    if measured.height < SLICE:
        empty = (pl.lit(None, pl.String), pl.lit(None, pl.Float64), pl.lit(None, pl.Float64))
        return entries.with_columns(**dict(zip(("class", "value", "threshold"), empty, strict=True)))
    # The small ones together, unless even together they are too few: then they are compared with everything.
    small = pl.len().over("kind") < SLICE
    measured = measured.with_columns(slice=pl.when(small).then(pl.lit("")).otherwise("kind"))
    if measured.filter(slice="").height < SLICE:
        measured = measured.with_columns(slice=pl.when(pl.col("slice") != "").then("slice"))
    measured = measured.join(_excess(measured, steps), on="_row", how="left")
    measured = measured.join(_held_out(held_out), on="kind", how="left")
    verdicts = _verdicts(measured)
    joined = rows.join(verdicts, on="_row", how="left", maintain_order="left", validate="1:1")
    return joined.select([*entries.columns, "class", "value", "threshold"])


def _excess(measured: pl.DataFrame, steps: int) -> pl.DataFrame:
    """_row, excess: how much an example's losses are above the slice's median at the same time, on the mean."""
    visits = measured.select("_row", "slice", "during").explode("during", empty_as_null=False).unnest("during")
    end = measured.select("_row", "slice", step=pl.lit(steps + 1, pl.Int64), loss="after")
    window = (pl.col("step") - 1) * WINDOWS // max(1, steps)
    losses = pl.concat([visits, end]).with_columns(window=window)
    above = losses.with_columns(above=pl.col("loss") - pl.col("loss").median().over("slice", "window"))
    return above.group_by("_row").agg(excess=pl.col("above").mean())


def _held_out(held_out: pl.DataFrame) -> pl.DataFrame:
    """kind, reached: the loss of the best twentieth of each kind's held-out examples; of kinds with few of them, the
    loss of the very best of all such, which no easy kind among them makes too high.
    """
    kinds = held_out.group_by(kind=pl.coalesce("template", "source")).agg(
        reached=pl.col("after").quantile(0.05), best=pl.col("after").min(), n=pl.len()
    )
    few = kinds.filter(pl.col("n") < SLICE)
    together = few["best"].min() if few["n"].sum() >= SLICE else None
    reached = pl.when(pl.col("n") >= SLICE).then("reached").otherwise(pl.lit(together, pl.Float64))
    return kinds.select("kind", reached=reached)


def _bound(values: pl.Expr, side: int) -> pl.Expr:
    """The value beyond which one is an outlier of its slice; side 1: above, -1: below."""
    median = values.median().over("slice")
    quartile = values.quantile(0.75 if side > 0 else 0.25).over("slice")
    spread = (quartile - median).abs() / _NORMAL_QUARTILE
    return median + side * pl.max_horizontal(OUTLIER * spread, pl.lit(MARGIN))


def _verdicts(measured: pl.DataFrame) -> pl.DataFrame:
    """_row, class, value, threshold."""
    excess, after, fall = pl.col("excess"), pl.col("after"), pl.col("before") - pl.col("after")
    share = fall / pl.col("before")
    best = pl.min_horizontal("before", pl.col("during").list.eval(pl.element().struct.field("loss")).list.min())
    median, worst = after.median().over("slice"), after.quantile(0.75).over("slice")
    known_once = (best <= median) & (after >= worst) & (after - best >= MARGIN)
    far = median + MARGIN  # where all of a slice are near its median, none is its worst
    cases = (
        ("suspicious", excess > _bound(excess, 1), excess, _bound(excess, 1)),
        ("forgotten", known_once & (after > far) & (after > 2 * best), after, 2 * best),
        (
            "never-learned",
            (fall < _bound(fall, -1)) & (share < HARDLY * share.median().over("slice")) & (after > median),
            share,
            HARDLY * share.median().over("slice"),
        ),
        (
            "memorised",
            after < pl.min_horizontal(0.5 * pl.col("reached"), pl.col("reached") - MARGIN),
            after,
            0.5 * pl.col("reached"),
        ),
    )
    name, value, threshold = pl.lit("learned"), pl.lit(None, pl.Float64), pl.lit(None, pl.Float64)
    for label, holds, measure, bound in reversed(cases):
        name = pl.when(holds.fill_null(False)).then(pl.lit(label)).otherwise(name)
        value = pl.when(holds.fill_null(False)).then(measure).otherwise(value)
        threshold = pl.when(holds.fill_null(False)).then(bound).otherwise(threshold)
    return measured.select("_row", **{"class": name}, value=value, threshold=threshold)
