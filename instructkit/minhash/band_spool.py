"""Band hashes on disk, from when texts are sketched to when one band of all rows is read at a time.

block 1               block 2
band 1 │ band 2 │ …   band 1 │ band 2 │ …       a read takes the same band of every block
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryFile

import numpy as np
import numpy.typing as npt

from instructkit.errors import StoreError


class BandSpool:
    """Band hashes of all rows, 8 bytes each; the file has no name, so nothing is left of it whatever happens."""

    def __init__(self, bands: int, folder: Path) -> None:
        self._bands = bands
        self._file = TemporaryFile(dir=folder, buffering=0)  # noqa: SIM115  closed by __exit__
        self._counts: list[int] = []

    def __enter__(self) -> BandSpool:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def add(self, hashes: npt.NDArray[np.uint64]) -> None:
        """Keep the hashes of a block, shape (bands, rows)."""
        octets = hashes.data.cast("B") if hashes.size else memoryview(b"")
        while len(octets):
            octets = octets[self._file.write(octets) :]  # a raw file may take less than it is given
        self._counts.append(hashes.shape[1])

    def bands(self) -> Iterator[npt.NDArray[np.uint64]]:
        """The hashes of all rows, a band at a time; the array is used again for the next band."""
        hashes = np.empty(sum(self._counts), dtype=np.uint64)
        for band in range(self._bands):
            row = 0
            for count in self._counts:
                if count:
                    self._file.seek(8 * (row * self._bands + band * count))
                    self._read(hashes[row : row + count].data.cast("B"))
                row += count
            yield hashes

    def _read(self, octets: memoryview) -> None:
        while len(octets):
            got = self._file.readinto(octets)
            if not got:
                raise StoreError("a temporary file is shorter than what was written to it; is the disk failing?")
            octets = octets[got:]
