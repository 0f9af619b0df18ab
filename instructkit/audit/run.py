"""The audit itself: rows are read once, put on disk, and looked at by check after check.

rows ──▶ each block: texts, checks of single rows ──▶ disk; marks and 50 bytes a row (memory)
disk ──▶ checks of the whole: copies, wordings, languages, labels, endings ──▶ marks
marks ──▶ findings, the worst first
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from instructkit.audit import answers, refusals, remnants
from instructkit.audit.contaminated import check_contaminated
from instructkit.audit.copies import check_copies
from instructkit.audit.endings import check_endings
from instructkit.audit.finding import findings_of
from instructkit.audit.ground import Ground, Observer, RowCheck
from instructkit.audit.labels import Labelling, check_labels
from instructkit.audit.languages import check_languages
from instructkit.audit.leaks import check_leaks
from instructkit.audit.lineage import Lineage
from instructkit.audit.profile import profile
from instructkit.audit.result import Audit, verdict
from instructkit.audit.rows import read
from instructkit.audit.wordings import check_wordings
from instructkit.build.manifest import Build
from instructkit.errors import InputError
from instructkit.stages.ingest.dataset import Dataset, open_dataset
from instructkit.store.builds import is_build

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
    against: Sequence[str] = (),
    labels: Labelling | None = None,
    named: int = NAMED,
    observe: Observer = lambda what, done, of: None,
) -> Audit:
    """Audit the rows of files, globs, folders and builds, which are read as one dataset; see `open_dataset`.

    `given`: columns that hold prompt and answer, see `rows.read`. `against`: evaluations, see `check_contaminated`.
    `labels`: see `check_labels`. `named`: rows that each finding names of each rule.

    Memory: some 200 bytes a row, and what a block of rows takes. Disk: the texts two or three times, in the system's
    temporary folder. Raises InputError where nothing is there, or a file is damaged or of no known kind.
    """
    datasets = [open_dataset(path, root) for path in paths]
    with TemporaryDirectory(prefix="instructkit-audit-") as name:
        ground = Ground(Path(name), named, observe)
        for dataset in datasets:
            ground.paths |= {file.name: file.path for file in dataset.files}
            ground.read(read(dataset, given), ROW_CHECKS, _lineage(dataset, root))
        if not ground.disk.rows:
            raise InputError(f"{', '.join(paths)}: no rows; name a file or folder that holds some")
        ground.said += _empty(ground)
        return concluded(ground, paths, root, against, labels)


def concluded(
    ground: Ground,
    paths: Sequence[str] = (),
    root: Path = Path(),
    against: Sequence[str] = (),
    labels: Labelling | None = None,
) -> Audit:
    """The audit of rows that have been read: the checks of the whole, and everything put together."""
    if labels is not None:
        check_labels(ground, labels)
    check_leaks(ground)
    if against:
        check_contaminated(ground, against, root)
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


def _empty(ground: Ground) -> list[str]:
    """Names the files without a row, if there are some."""
    names = sorted(ground.paths.keys() - ground.counted["file"].keys())
    more = f" and {len(names) - NAMED:,} more" if len(names) > NAMED else ""
    return [f"without any row: {', '.join(names[:NAMED])}{more}"] if names else []


def _lineage(dataset: Dataset, root: Path) -> Lineage:
    """What a build tells about its rows; of other datasets nothing."""
    place = root / Path(dataset.path).expanduser()
    return Lineage(Build.open(place), dataset.step) if is_build(place) else Lineage()
