"""What all checks stand on: the rows on disk, what is held of each in memory, and the marks so far."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from instructkit.audit.blocks import Blocks
from instructkit.audit.finding import Tally
from instructkit.audit.known import known
from instructkit.audit.lineage import Lineage
from instructkit.audit.rows import ROWS
from instructkit.audit.spool import RowSpool
from instructkit.audit.texts import with_texts
from instructkit.minhash.threads import in_threads

Observer = Callable[[str, int, int], None]
"""Is told what is being done, how many rows of it are done, and of how many (0: nobody knows)."""
RowCheck = Callable[[pl.DataFrame], pl.DataFrame]
"""A check that sees one row at a time: texts (see `with_texts`) to marks."""
BLOCK_ROWS = 4096
NO_LINEAGE = Lineage()
EMPTY = ("empty_answer", "empty_prompt")
"""Rules of rows that are no conversation because nothing is said."""


@dataclass
class Ground:
    """What all checks stand on."""

    folder: Path
    """For temporary files."""
    named: int
    """Rows that each finding names."""
    observe: Observer
    said: list[str] = field(default_factory=list)
    """What is to be told beside the findings."""
    counted: dict[str, Counter[str]] = field(default_factory=dict)
    """Rows by file, format and split."""

    def __post_init__(self) -> None:
        self.tally = Tally(self.named)
        self.disk = Blocks(self.folder)
        self.counted = {name: Counter() for name in ("file", "format", "split")}
        (self.folder / "splits").mkdir()
        self.splits = RowSpool(self.folder / "splits")
        """The rows again, by split, as they are compared across splits."""
        self.literals: list[str] = []
        """Texts of templates, which are no row's own."""
        self.paths: dict[str, Path] = {}
        """Where the files lie, by the names that rows have for them."""
        self.known = known(with_texts(pl.DataFrame(schema=ROWS)))
        """See `known.known`: a row for each conversation."""

    def read(self, blocks: Iterable[pl.DataFrame], checks: dict[str, RowCheck], lineage: Lineage = NO_LINEAGE) -> None:
        """Take in the rows of a dataset (schema ROWS), and do the checks of single rows."""
        found = [self.known]
        self.literals += lineage.literals
        for rows, texts, held, marks in in_threads(lambda block: _looked_at(block, checks), self._numbered(blocks)):
            self.disk.add(rows, texts)
            said = rows.filter(pl.col("split").is_not_null(), pl.col("messages").list.len() > 0)
            ours = pl.lit(True) if lineage.is_ours else pl.col("format") == "instructkit"
            if said.height:
                self.splits.add(lineage.own(lineage.known(said)).with_columns(ours=ours))
            found.append(held)
            for check, marked in marks.items():
                self.tally.add(check, marked)
            for name, counter in self.counted.items():
                column = rows[name].fill_null("").value_counts()
                counter.update(dict(column.rows()))
            self.observe("reading", self.disk.rows, 0)
        self.known = pl.concat(found)

    def ranked(self, name: str) -> dict[str, int]:
        """Rows by file, format or split, most first; `""` for those without one."""
        return dict(sorted(self.counted[name].items(), key=lambda item: (-item[1], item[0])))

    def _numbered(self, blocks: Iterable[pl.DataFrame]) -> Iterable[pl.DataFrame]:
        row = self.disk.rows
        for block in blocks:
            for part in block.iter_slices(BLOCK_ROWS):
                numbers = pl.int_range(row, row + part.height, dtype=pl.UInt32, eager=True)
                yield part.with_columns(row=numbers)
                row += part.height


def _looked_at(
    rows: pl.DataFrame, checks: dict[str, RowCheck]
) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame, dict[str, pl.DataFrame]]:
    texts = with_texts(rows)
    held = known(texts)
    fault = pl.col("fault")
    faults = rows.filter(fault.is_not_null()).select("row", rule="fault", said=pl.col("detail"))
    empty = pl.col("rule").is_in(EMPTY)
    marks = {"format": faults.filter(~empty), "empty": faults.filter(empty)}
    unweighed = held.filter(~pl.col("trains")).select(
        "row", rule=pl.lit("weights"), said=pl.lit("the weights of all answers are 0")
    )
    nothing = texts.filter(pl.col("format") == "text", pl.col("opening").str.strip_chars() == "")
    empty_texts = nothing.select("row", rule=pl.lit("empty text"), said=pl.lit("a text without a word"))
    marks["untrained"] = pl.concat([unweighed, empty_texts])
    return rows, texts, held, marks | {name: check(texts) for name, check in checks.items()}
