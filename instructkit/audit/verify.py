"""Is a dataset free of leaks? Its files are read again, and each split is compared with each other.

dataset ── read ──▶ rows ── own question and answer ──▶ spool by split ──▶ overlap (texts), identities ──▶ Verified
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import numpy as np
import polars as pl

from instructkit.audit.evaluations import Against, Held, evaluation_side, held, of_build
from instructkit.audit.identities import IDENTITIES, identities
from instructkit.audit.lineage import Lineage
from instructkit.audit.overlap import KINDS, RECALL, SHINGLE, Observer, Overlap, Settings, overlap
from instructkit.audit.rows import read
from instructkit.audit.spool import RowSpool
from instructkit.audit.verified import (
    COMMON_ANSWER,
    CONTAMINATED,
    NEARLY,
    NO_SPLIT,
    Contamination,
    Evidence,
    Pair,
    Side,
    Verified,
)
from instructkit.build.manifest import Build
from instructkit.contamination.rows import turns
from instructkit.errors import UsageFault
from instructkit.stages.ingest.dataset import Dataset, open_dataset
from instructkit.store.builds import exports, is_build

EXCERPT = 300
"""Characters of a text that evidence holds."""
FEW_UNREAD = 0.01
"""Share of a file's or split's rows that may be without a text before the rest says too little about it."""
MOST_SPLITS = 32
"""A column of more values tells something else than splits: folds, sources, ids."""
MOST_EVIDENCE = 1_000
"""Pairs of rows of each kind and pair of splits that are named."""
SHOWN = ["file", "line", "id", "split", "prompt", "response"]


def datasets_of(path: str, step: str | None = None, build: Build | None = None) -> list[tuple[Dataset, Lineage]]:
    """The datasets that a path stands for: of a build each of its exports, or else its last rows; of others the one.

    `build`: that files elsewhere were exported from; what it knows of a row is found by the row's id.
    Raises InputError where there is none, UsageFault for a build of another version, or without examples.
    """
    place = Path(path).expanduser()
    if not is_build(place):
        return [(open_dataset(path, step=step), Lineage(build, build.last_examples()) if build else Lineage())]
    build = Build.open(place)
    steps = [step] if step else exports(place)
    if not steps:
        examples = build.example_steps()
        steps = [examples[-1] if examples else build.row_steps()[-1]]
    return [(open_dataset(path, step=name), Lineage(build, name)) for name in steps]


def verify(
    dataset: Dataset,
    lineage: Lineage,
    settings: Settings,
    given: Mapping[str, str] | None = None,
    against: Sequence[Against] = (),
    observe: Observer = lambda what, done, of: None,
    folder: Path | None = None,
) -> Verified:
    """Compare the dataset's splits with one another, and its rows with evaluations.

    `given`: as in `rows.read`. `against`: evaluations beside those that the build's own recipe names. `folder`: where
    there is room for temporary files. Raises InputError for a file that cannot be read, UsageFault where there is no
    text, or neither a second split nor an evaluation.
    """
    said = list[str]()
    ours, gaps = of_build(lineage.build) if lineage.build else ([], [])
    against = [*ours, *against]
    with TemporaryDirectory(prefix="instructkit-verify-", dir=folder) as temporary:
        place = Path(temporary)
        spool, unread, read_rows, moved = _spooled(dataset, lineage, given, bool(against), place, observe)
        for file, count in sorted(moved.items()):
            said.append(f"{count:,} rows of {file} say another split in their column than the file's name: believed.")
        not_read: dict[str, int] = {}
        for (_, fault), count in unread.items():
            not_read[fault] = not_read.get(fault, 0) + count
        unsplit = spool.unsplit
        if spool.splits or against:
            spool.name_others(NO_SPLIT if spool.splits else "all")
        if unsplit and NO_SPLIT in spool.splits:
            said.append(f"{unsplit:,} rows belong to no split: compared as one of their own.")
        shards = dataset.step is not None  # of which some may well be empty
        empty = [] if shards else sorted(file.name for file in dataset.files if file.name not in read_rows)
        if empty:
            said.append(f"Without rows: {', '.join(empty)}.")
        _check(dataset, spool, not_read, empty, compared=bool(against))
        gaps += _unread(unread, read_rows)
        found = overlap(spool, settings, place, lineage.literals, observe)
        same = identities(spool)
        crossings = pl.concat([found.crossings, same])
        own = {file.path.resolve(): file.name for file in dataset.files}
        holds = [held(spool, each, own, lineage.literals, observe) for each in against]
        if skipped := sorted({file for rows in holds for file in rows.skipped}):
            line = f"Not compared with evaluations, being evaluations themselves: {', '.join(skipped)}."
            (gaps if set(skipped) >= set(own.values()) else said).append(line)
        evaluations = [each for held_rows in holds for each in _contamination(spool, held_rows)]
        return Verified(
            path=dataset.path,
            step=dataset.step,
            files=len(dataset.files),
            rows=dict(zip(spool.splits, spool.counts, strict=True)),
            ours=spool.scan().select(pl.col("ours").any()).collect().item(),
            unsplit=unsplit,
            not_read=dict(sorted(not_read.items())),
            threshold=settings.threshold,
            shingle=SHINGLE,
            recall=min(RECALL, settings.banding.recall(settings.threshold)),
            common=settings.common,
            short=found.short,
            candidates=found.compared,
            pairs=_pairs(spool, crossings, found),
            evaluations=evaluations,
            evidence=[*_evidence(spool, crossings), *(each for rows in holds for each in _held_evidence(spool, rows))],
            said=said,
            gaps=gaps,
            masked=found.masked,
        )


def _spooled(
    dataset: Dataset,
    lineage: Lineage,
    given: Mapping[str, str] | None,
    with_turns: bool,
    folder: Path,
    observe: Observer,
) -> tuple[RowSpool, Counter[tuple[str, str]], Counter[str], Counter[str]]:
    """The rows with a text; how many others there are by file and fault; how many of all by file; and how many of
    another split than their file's.
    """
    named, moved = {file.name: file.split for file in dataset.files if file.split}, Counter[str]()
    spool, not_read, of_file, done = RowSpool(folder), Counter[tuple[str, str]](), Counter[str](), 0
    for rows in read(dataset, given):
        done += rows.height
        of_file.update(rows["file"].to_list())
        for file, split, count in rows.group_by("file", "split").len().iter_rows():
            if split is not None and named.get(file, split) != split:
                moved[file] += count
        empty = (rows["messages"].list.len() == 0) | rows["messages"].is_null()
        not_read.update(rows.filter(empty).select("file", pl.col("fault").fill_null("empty")).iter_rows())
        rows = lineage.known(rows.filter(~empty))
        rows = lineage.own(rows.with_columns(turns(rows).alias("turns")) if with_turns else rows)
        ours = pl.lit(True) if lineage.is_ours else pl.col("format") == "instructkit"
        spool.add(rows.with_columns(ours=ours))
        observe("reading", done, 0)
    return spool, not_read, of_file, moved


def _unread(unread: Counter[tuple[str, str]], read_rows: Counter[str]) -> Iterator[str]:
    """Files of which too little could be read."""
    of_file = Counter[str]()
    for (file, _), count in unread.items():
        of_file[file] += count
    for file, count in of_file.items():
        if count > FEW_UNREAD * read_rows[file]:
            yield f"{count:,} of {read_rows[file]:,} rows of {file} have no text that can be read."


def _check(dataset: Dataset, spool: RowSpool, not_read: dict[str, int], empty: list[str], compared: bool) -> None:
    """Raises UsageFault where there is nothing to compare; `compared`: rows are compared with evaluations anyway."""
    if len(spool.splits) > MOST_SPLITS:
        first = ", ".join(f"'{split}'" for split in spool.splits[:3])
        raise UsageFault(
            f"{dataset.path}: {len(spool.splits):,} splits ({first} …), expected {MOST_SPLITS} at most; a column "
            "`split` with so many values tells no splits: rename it, or give files called train, test and the like"
        )
    if len(spool.splits) > 1 or (compared and spool.splits):
        return
    read = sum(spool.counts) + spool.unsplit
    without = f"; without rows: {', '.join(empty)}" if empty else ""
    reasons = ", ".join(f"{count:,} {rule}" for rule, count in sorted(not_read.items())) or f"no rows{without}"
    if not read:
        raise UsageFault(
            f"{dataset.path}: no row with a text to compare ({reasons}); name the columns: --column prompt=… "
            "--column answer=…"
        )
    if spool.splits:
        found = f"only the split '{spool.splits[0]}' ({spool.counts[0]:,} rows)"
    else:
        found = f"no splits in {read:,} rows of {len(dataset.files)} file{'s' if len(dataset.files) > 1 else ''}"
    way_out = (
        "add a `split` step to the recipe and build again"
        if dataset.step
        else "a split is told by a file or folder called train, validation, test or the like, or by a column `split`; "
        "give the folder that holds them all"
    )
    unread = f" (not read: {reasons})" if not_read else ""
    raise UsageFault(f"{dataset.path}: {found}{unread}{without}, so there is nothing to compare; {way_out}")


def _pairs(spool: RowSpool, crossings: pl.DataFrame, found: Overlap) -> list[Pair]:
    counted = _by_pair(spool, crossings).group_by("split", "later", "kind").agg(pl.col("right").n_unique())
    counts = {(one, two, kind): n for one, two, kind, n in counted.iter_rows()}
    common = _by_pair(spool, found.common_answers).group_by("split", "later").agg(pl.col("right").n_unique())
    counts |= {(one, two, COMMON_ANSWER): n for one, two, n in common.iter_rows()}
    every = _by_pair(spool, crossings).group_by("split", "later").agg(pl.col("right").n_unique())
    crossing = {(one, two): n for one, two, n in every.iter_rows()}
    return [
        Pair(
            earlier=spool.splits[one],
            later=spool.splits[two],
            rows=spool.counts[two],
            crossing=crossing.get((one, two), 0),
            counts={kind: counts.get((one, two, kind), 0) for kind in (*KINDS, COMMON_ANSWER, *IDENTITIES)},
        )
        for one, two in combinations(range(len(spool.splits)), 2)
    ]


def _by_pair(spool: RowSpool, crossings: pl.DataFrame) -> pl.DataFrame:
    """With the number of the later split: places run on from split to split."""
    ends = pl.Series([sum(spool.counts[: n + 1]) for n in range(len(spool.counts))], dtype=pl.Int64)
    return crossings.with_columns(later=ends.search_sorted(crossings["right"], side="right").cast(pl.Int64))


def _evidence(spool: RowSpool, crossings: pl.DataFrame) -> list[Evidence]:
    """The first pairs of each kind and pair of splits, the most alike first."""
    order = {kind: number for number, kind in enumerate((*KINDS, *IDENTITIES))}
    rank = pl.col("kind").replace_strict(order, return_dtype=pl.Int64)
    chosen = (
        _by_pair(spool, crossings)
        .sort("split", "later", rank, -pl.col("similarity").fill_null(0), "right", "left")
        .group_by("split", "later", "kind", maintain_order=True)
        .head(MOST_EVIDENCE)
        .sort("split", "later", rank, -pl.col("similarity").fill_null(0), "right", "left")
    )
    places = {*chosen["left"].to_list(), *chosen["right"].to_list()}
    sides = {row["place"]: _side(row) for row in spool.at(places, SHOWN).iter_rows(named=True)}
    return [
        Evidence(
            kind=row["kind"],
            similarity=None if row["similarity"] is None else round(row["similarity"], 4),
            earlier=sides[row["left"]],
            later=sides[row["right"]],
        )
        for row in chosen.iter_rows(named=True)
    ]


def _contamination(spool: RowSpool, rows: Held) -> list[Contamination]:
    """A count for each file of the evaluations, also of those of which nothing is held."""
    places = rows.found.with_columns(split=_split_of(spool, rows.found["place"]))
    counted = places.group_by("file", "split").agg(pl.col("place").n_unique())
    counts = {(file, split): n for file, split, n in counted.iter_rows()}
    found = dict(places.group_by("file").agg(pl.col("row").n_unique()).iter_rows())
    nearly = dict(rows.nearly.group_by("file").agg(pl.col("place").n_unique()).iter_rows())
    sizes = dict(rows.rows.group_by("file").len().iter_rows())
    return [
        Contamination(
            file=file,
            rows=sizes.get(file, 0),
            found=found.get(file, 0),
            counts={split: counts.get((file, split), 0) for split in spool.splits},
            nearly=nearly.get(file, 0),
        )
        for file in rows.files
    ]


def _split_of(spool: RowSpool, places: pl.Series) -> pl.Series:
    ends = pl.Series(np.cumsum(spool.counts), dtype=pl.Int64)
    return pl.Series(spool.splits, dtype=pl.String).gather(ends.search_sorted(places, side="right"))


def _held_evidence(spool: RowSpool, rows: Held) -> list[Evidence]:
    """The first rows that hold one of an evaluation, each with the one that is found best."""
    every = pl.concat(
        [rows.found.with_columns(kind=pl.lit(CONTAMINATED)), rows.nearly.with_columns(kind=pl.lit(NEARLY))]
    )
    best = every.sort("place", -pl.col("score"), "row").unique("place", keep="first", maintain_order=True)
    chosen = best.sort("kind", -pl.col("score"), "place").head(MOST_EVIDENCE)
    sides = {row["place"]: _side(row) for row in spool.at(chosen["place"].to_list(), SHOWN).iter_rows(named=True)}
    return [
        Evidence(
            kind=row["kind"],
            similarity=round(row["score"], 4),
            earlier=_side(evaluation_side(rows.rows.row(row["row"], named=True))),
            later=sides[row["place"]],
        )
        for row in chosen.iter_rows(named=True)
    ]


def _side(row: dict[str, object]) -> Side:
    return msgspec.convert(
        {name: row[name] for name in ("file", "line", "id", "split")}
        | {"prompt": _short(str(row["prompt"])), "answer": _short(str(row["response"]))},
        Side,
    )


def _short(text: str) -> str:
    return text if len(text) <= EXCERPT else f"{text[:EXCERPT]}…"
