"""`instructkit dedupe`."""

from __future__ import annotations

import gc
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path
from types import ModuleType

import click

from instructkit.cli.options import json_option
from instructkit.cli.progress import line_progress


@click.command()
@click.argument("inputs", metavar="IN...", nargs=-1, required=True)
@click.argument("out", metavar="OUT")
@click.option("--text", metavar="COLUMN", default="text", show_default=True, help="Column that is compared.")
@click.option(
    "--threshold",
    type=click.FloatRange(0, 1, min_open=True),
    default=0.8,
    show_default=True,
    help="Least similarity of near-duplicates: shingles that two texts share, over all shingles of the two.",
)
@click.option(
    "--unit",
    type=click.Choice(["words", "characters", "chars"]),
    default="words",
    show_default=True,
    help="What shingles are made of; characters are for short texts.",
)
@click.option("--shingle", type=click.IntRange(1, 100), help="Units in a shingle. Default: 5 words, or 7 characters.")
@click.option(
    "--keep",
    type=click.Choice(["first", "longest"]),
    default="first",
    show_default=True,
    help="Who stays of each cluster: the first in the order of the inputs, or the longest.",
)
@click.option(
    "--recall",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    default=0.99,
    show_default=True,
    help="Least probability that two texts exactly at the threshold are compared at all.",
)
@click.option(
    "--clusters",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Also write who was dropped for whom, a row for each member of a cluster (.jsonl or .parquet).",
)
@click.option("--force", is_flag=True, help="Replace files that exist.")
@json_option
def dedupe(
    inputs: tuple[str, ...],
    out: str,
    text: str,
    threshold: float,
    unit: str,
    shingle: int | None,
    keep: str,
    recall: float,
    clusters: Path | None,
    force: bool,
    as_json: bool,
) -> None:
    """Copy the rows of IN to OUT without near-duplicates; no recipe needed, no build folder left.

    IN are files, folders or globs of JSON Lines (.gz and .zst too) or Parquet. OUT is a file of the same format, or a
    folder (`out/`) for a file of each input. Rows are copied as they stand; blank lines are left out. A row without
    text is kept. What is no text (a list of messages, say) is compared as JSON.

    \b
      instructkit dedupe corpus.jsonl clean.jsonl
      instructkit dedupe good/ web/ clean.jsonl.zst      a row of good/ is preferred to one of web/
      instructkit dedupe chats.parquet clean.parquet --text messages --clusters clusters.jsonl
    """  # noqa: D301 (\b keeps click from filling the lines)
    with _no_collections():
        from instructkit.dedupe.files import plan
        from instructkit.dedupe.result import result_lines
        from instructkit.dedupe.run import dedupe as run
        from instructkit.dedupe.settings import Settings

        settings = Settings(
            text=text,
            threshold=threshold,
            unit="words" if unit == "words" else "characters",
            shingle=shingle,
            keep="first" if keep == "first" else "longest",
            recall=recall,
        )
        settings.banding()
        files = plan(inputs, out, clusters, force=force)
        if note := _slow_start(_kernels()):
            click.echo(note, err=True)
        with line_progress() as observe:
            result = run(files, settings, observe)
    click.echo(json.dumps(result.as_json(), indent=1) if as_json else "\n".join(result_lines(result)))


@contextmanager
def _no_collections() -> Iterator[None]:
    """Without looking for cycles: while packages make the million objects that stay, that takes 0.2 s of this process.

    No object of ours is made by the row, so little can gather.
    """
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()


def _kernels() -> ModuleType:
    """The kernels, without scipy: numba imports it to see whether it is there, for linear algebra we have none of.

    That takes 0.25 s. Only for this process, which runs one command; a library must not do so.
    """
    from instructkit.minhash.sketcher import kernels

    if "scipy" not in sys.modules:
        sys.modules["scipy"] = None  # type: ignore[assignment]  # an import of it fails at once
        try:
            with suppress(ImportError):  # no numba: `kernels` has others
                import_module("numba.np.arraymath")
        finally:
            del sys.modules["scipy"]
    return kernels()


def _slow_start(kernels: ModuleType) -> str:
    """What to say beforehand where it will take longer than usual; "" where it will not."""
    if not hasattr(kernels, "njit"):
        return (
            "note: numba is not installed, or not one for this NumPy; without its compiler this takes many times as "
            "long: pip install --upgrade numba"
        )
    assert kernels.__file__ is not None
    source, folder = Path(kernels.__file__), kernels.sketch.stats.cache_path
    if folder is None:
        return "note: compiles anew, for some ten seconds; set NUMBA_CACHE_DIR to a folder that can be written to"
    compiled = Path(folder).glob(f"{source.stem}.sketch-*.nbi")
    if any(file.stat().st_mtime >= source.stat().st_mtime for file in compiled):
        return ""
    return "note: the first run compiles for this machine, which takes some ten seconds"
