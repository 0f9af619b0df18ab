"""The audit itself: rows are read once, put on disk, and looked at by check after check.

rows ──▶ each block: texts, checks of single rows ──▶ disk; marks and 50 bytes a row (memory)
disk ──▶ checks of the whole: copies, wordings, languages, labels, endings ──▶ marks
marks ──▶ findings, the worst first
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl

from instructkit.audit import answers, refusals, remnants
from instructkit.audit.copies import check_copies
from instructkit.audit.endings import check_endings
from instructkit.audit.finding import findings_of
from instructkit.audit.ground import Ground, Observer, RowCheck
from instructkit.audit.labels import Labelling, check_labels
from instructkit.audit.languages import check_languages
from instructkit.audit.profile import profile
from instructkit.audit.result import Audit, verdict
from instructkit.audit.rows import read
from instructkit.audit.wordings import check_wordings
from instructkit.stages.ingest.dataset import Dataset, open_dataset

ROW_CHECKS: dict[str, RowCheck] = {
    "cut": answers.cut,
    "echo": answers.echo,
    "refusal": refusals.refusal,
    "identity": refusals.identity,
    "control_token": remnants.control_token,
    "placeholder": remnants.placeholder,
    "mojibake": remnants.mojibake,
    "html": remnants.html,
}
NAMED = 3


def audit(
    paths: Sequence[str],
    *,
    root: Path = Path(),
    given: Mapping[str, str] | None = None,
    labels: Labelling | None = None,
    named: int = NAMED,
    observe: Observer = lambda what, done, of: None,
) -> Audit:
    """Audit the rows of files, globs and folders, which are read as one dataset; see `open_dataset` and `audit_rows`.

    `given`: columns that hold prompt, answer and passage, see `rows.read`. Raises InputError where nothing is there, or
    a file is damaged or of no known kind.
    """
    datasets = [open_dataset(path, root) for path in paths]
    return audit_rows(_blocks(datasets, given), paths=paths, labels=labels, named=named, observe=observe)


def _blocks(datasets: Sequence[Dataset], given: Mapping[str, str] | None) -> Iterator[pl.DataFrame]:
    first = 0
    for dataset in datasets:
        for block in read(dataset, given, first):
            first += block.height
            yield block


def audit_rows(
    blocks: Iterable[pl.DataFrame],
    *,
    paths: Sequence[str] = (),
    labels: Labelling | None = None,
    named: int = NAMED,
    observe: Observer = lambda what, done, of: None,
) -> Audit:
    """Audit rows, given in blocks of schema ROWS. `named`: rows that each finding names; `labels`: see `check_labels`.

    Memory: some 50 bytes a row and what a block takes. Disk: the texts, twice, in the system's temporary folder.
    """
    with TemporaryDirectory(prefix="instructkit-audit-") as name:
        ground = Ground(Path(name), named, observe)
        ground.read(blocks, ROW_CHECKS)
        if labels is not None:
            check_labels(ground, labels)
        check_endings(ground)
        clusters = check_copies(ground)
        wordings = check_wordings(ground)
        languages = check_languages(ground)
        found = findings_of(ground.tally, ground.disk)
    return Audit(
        paths=list(paths),
        verdict=verdict(found),
        rows=ground.disk.rows,
        conversations=ground.known.height,
        files=len(ground.counted["file"]),
        formats=ground.ranked("format"),
        splits=ground.ranked("split"),
        rows_with=ground.tally.rows_with(),
        findings=found,
        profile=profile(ground.known, wordings, languages),
        clusters=clusters,
        said=ground.said,
    )
