"""`filter.length`: keep records of a certain length."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, ClassVar

import msgspec
import polars as pl

from instructkit.schema import Document, Example, Noun
from instructkit.stages.contract import Outcome
from instructkit.stages.drops import sort_out
from instructkit.text.view import View, view
from instructkit.text.words import word_count

Count = Annotated[int, msgspec.Meta(ge=1)]


@dataclass(frozen=True, kw_only=True)
class FilterLength:
    """Keep records within bounds of characters, words and lines. The drop names the first bound that is broken."""

    version: ClassVar[int] = 1
    reads: ClassVar[tuple[Noun, ...]] = (Document, Example)
    yields: ClassVar[None] = None
    packages: ClassVar[tuple[str, ...]] = ()

    of: View = "all"
    """Which text is measured. On documents only `all`, the text. On examples `all` messages together, the `prompt`
    (everything but the assistant's messages) or the `response` (the assistant's)."""
    min_characters: Count | None = None
    """Least number of characters (Unicode code points)."""
    max_characters: Count | None = None
    """Greatest number of characters."""
    min_words: Count | None = None
    """Least number of words. In scripts written without spaces (Chinese, Japanese, Thai ...) each character counts as
    a word; punctuation that stands alone does not count."""
    max_words: Count | None = None
    """Greatest number of words."""
    min_lines: Count | None = None
    """Least number of lines that are not blank."""
    max_lines: Count | None = None
    """Greatest number of lines that are not blank."""

    def faults(self) -> list[str]:
        """No bound at all, or a least above its greatest."""
        found = [] if any(self._bounds()) else ["filter.length sets no bound; set at least one, such as min_words"]
        for unit in ("characters", "words", "lines"):
            least, greatest = getattr(self, f"min_{unit}"), getattr(self, f"max_{unit}")
            if least is not None and greatest is not None and least > greatest:
                found.append(f"min_{unit} ({least}) is above max_{unit} ({greatest}): nothing would be kept")
        return found

    def apply(self, shard: pl.DataFrame) -> Outcome:
        """Drops with the bound's name as rule, the measured length and the bound."""
        text = view(shard, self.of)
        measure = {
            "characters": text.str.len_chars(),
            "words": word_count(text),
            "lines": text.str.count_matches(r"(?m)^.*\S.*$"),
        }
        wanted = {unit: measure[unit] for _, unit, _ in self._bounds()}
        lengths = shard.select(**wanted)
        rule = value = threshold = pl.lit(None, dtype=pl.String)
        for name, unit, bound in reversed(list(self._bounds())):
            broken = pl.col(unit) < bound if name.startswith("min") else pl.col(unit) > bound
            rule = pl.when(broken).then(pl.lit(name)).otherwise(rule)
            value = pl.when(broken).then(pl.col(unit).cast(pl.String)).otherwise(value)
            threshold = pl.when(broken).then(pl.lit(str(bound))).otherwise(threshold)
        return sort_out(shard, lengths.select(rule=rule, value=value, threshold=threshold))

    def _bounds(self) -> Iterator[tuple[str, str, int]]:
        for unit in ("characters", "words", "lines"):
            for end in ("min", "max"):
                bound = getattr(self, f"{end}_{unit}")
                if bound is not None:
                    yield f"{end}_{unit}", unit, bound
