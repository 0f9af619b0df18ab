"""Sketches of a reference, on disk: in a file without a name, or kept in a folder from build to build.

    index/
      3f…9a.parquet      sketches of one file, named by what they are made of: its content, the settings, the code

The folder is a cache and nothing else: the same columns come out of it as out of a fresh reading.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
import polars as pl

from instructkit.errors import InputError
from instructkit.hashing import key_of
from instructkit.minhash.duplicates import RowNumbers, Standing
from instructkit.minhash.sketcher import Sketcher
from instructkit.minhash.threads import in_threads
from instructkit.stages.dedupe.reference import ReferenceFile
from instructkit.stages.dedupe.sketched import FINGERPRINTS, bits, sketch_columns
from instructkit.store.atomic import beside

FORMAT = 1
"""Raised when the columns of a kept file, or what is in them, change."""
ABSENT = "absent"
"""Column that tells the rows without a text."""

Texts = Iterable[pl.Series]
"""Texts of consecutive rows in chunks, null where a row has none."""


@dataclass(frozen=True, kw_only=True)
class ReferenceSketches:
    """Sketches of all rows of a reference, file after file; read by the column."""

    sources: Sequence[Path | BinaryIO]
    """Parquet files."""
    counts: npt.NDArray[np.int64]
    """Rows of each file of the reference."""

    def column(self, name: str) -> npt.NDArray[Any]:
        """A column of all rows."""
        import pyarrow.parquet as pq

        parts = [pq.ParquetFile(source).read([name]).column(0).to_numpy() for source in self.sources]
        return np.concatenate(parts) if parts else np.empty(0, dtype=np.uint64)

    def standing(self) -> Standing:
        """What the engine holds of all rows at once."""
        import pyarrow.parquet as pq

        names = bits(pq.ParquetFile(self.sources[0]).schema_arrow.names)
        return Standing(
            self.column("units"),
            np.stack([self.column(name) for name in FINGERPRINTS]),
            np.stack([self.column(name) for name in names]),
        )

    def absent(self) -> RowNumbers:
        """Rows without a text."""
        return np.flatnonzero(self.column(ABSENT))


def sketch_reference(
    files: Sequence[ReferenceFile],
    texts: Callable[[int], Texts],
    sketcher: Sketcher,
    folder: Path | None,
    about: Any,
    stack: ExitStack,
) -> ReferenceSketches:
    """Sketches of the files, of which `texts` gives the texts by number; those kept in `folder` are not made again.

    `about`: what the texts depend on beside the file. `stack` closes the file without a name that is used where there
    is no folder.

    Raises InputError where the folder cannot be written.
    """
    if folder is None:
        spool = stack.enter_context(TemporaryFile())  # noqa: SIM115  closed by the stack
        counts: list[int] = []
        _write(spool, sketcher, _counted(map(texts, range(len(files))), counts))
        return ReferenceSketches(sources=[spool], counts=np.array(counts, dtype=np.int64))
    paths = [folder / f"{_key(file, sketcher, about)}.parquet" for file in files]
    rows = []
    for number, path in enumerate(paths):
        held = _rows(path)
        if held is None:
            try:
                with beside(path) as temporary, temporary.open("wb") as out:
                    _write(out, sketcher, texts(number))
            except OSError as error:
                raise InputError(f"index: {folder}: cannot be written ({error.strerror or error})") from error
            held = _rows(path)
        rows.append(held)
    return ReferenceSketches(sources=paths, counts=np.array(rows, dtype=np.int64))


def settings_key(sketcher: Sketcher, about: Any) -> str:
    """Names what sketches are made with, whatever they are made of."""
    settings = {name: getattr(sketcher, name) for name in ("unit", "shingle", "ignore", "bands", "rows", "seed")}
    settings["ignore"] = sorted(settings["ignore"])
    # polars and Python bring the tables of Unicode.
    code = [FORMAT, pl.__version__, f"{sys.version_info.major}.{sys.version_info.minor}"]
    return key_of([code, settings, about])


def _key(file: ReferenceFile, sketcher: Sketcher, about: Any) -> str:
    return key_of([settings_key(sketcher, about), file.digest, file.kind])


def _rows(path: Path) -> int | None:
    """Rows of a kept file; None where there is none, or a damaged one."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return int(pq.ParquetFile(path).metadata.num_rows)
    except (OSError, pa.ArrowInvalid):
        return None


def _counted(files: Iterable[Texts], counts: list[int]) -> Iterator[pl.Series]:
    for chunks in files:
        counts.append(0)
        for texts in chunks:
            counts[-1] += len(texts)
            yield texts


def _write(out: BinaryIO, sketcher: Sketcher, chunks: Texts) -> None:
    """Sketches as Parquet, a row group a chunk; hashes do not compress."""
    import pyarrow.parquet as pq

    def sketched(texts: pl.Series) -> pl.DataFrame:
        return pl.DataFrame([texts.is_null().alias(ABSENT), *sketch_columns(sketcher, texts)])

    schema = sketched(pl.Series([], dtype=pl.String)).to_arrow().schema
    with pq.ParquetWriter(out, schema, compression="none", use_dictionary=False) as writer:
        for frame in in_threads(sketched, chunks):
            writer.write_table(frame.to_arrow())
    out.flush()
