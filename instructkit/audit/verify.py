"""Is a dataset free of leaks? Its files are read again, and each split is compared with each other.

dataset ── read ──▶ rows ── own question and answer ──▶ spool by split ──▶ overlap (texts), identities ──▶ Verified
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl

from instructkit.audit.crossings import RECALL, SHINGLE, Observer, Settings
from instructkit.audit.evaluations import Against, held, of_build
from instructkit.audit.evidence import contamination, evidence, held_evidence, pairs
from instructkit.audit.identities import identities
from instructkit.audit.lineage import Lineage
from instructkit.audit.overlap import overlap
from instructkit.audit.rows import read
from instructkit.audit.spool import RowSpool
from instructkit.audit.verified import NO_SPLIT, Verified
from instructkit.build.manifest import Build
from instructkit.contamination.rows import turns
from instructkit.errors import UsageFault
from instructkit.stages.ingest.dataset import Dataset, open_dataset
from instructkit.store.builds import exports, is_build

FEW_UNREAD = 0.01
"""Share of a file's or split's rows that may be without a text before the rest says too little about it."""
MOST_SPLITS = 32
"""A column of more values tells something else than splits: folds, sources, ids."""


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
        evaluations = [each for held_rows in holds for each in contamination(spool, held_rows)]
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
            pairs=pairs(spool, crossings, found),
            evaluations=evaluations,
            evidence=[*evidence(spool, crossings), *(each for rows in holds for each in held_evidence(spool, rows))],
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
