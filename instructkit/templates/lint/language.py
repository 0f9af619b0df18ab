"""Whether a template's own words are in the languages that it says.

Short texts make detectors guess. So: the script first, which needs no guess; a detector only for 20 words or more, and
only where it is sure of the whole and of both halves, and only of languages that it does not take for one another.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import polars as pl

from instructkit.templates.lint.finding import Hit
from instructkit.templates.lint.subject import Subject
from instructkit.templates.lint.wording import NAMED_MASK
from instructkit.text.detectors import LANGDETECT_LANGUAGES, detector

FEWEST_BY_SCRIPT = 8
"""Words, or characters of a script without spaces, from which on the script says something."""
SHARE = 0.1
"""Of the words in a declared language's script, below which the declaration is wrong: a Chinese prompt may quote much
JSON, an English one a few Chinese words."""
FEWEST_BY_DETECTOR = 20
SURE, SURE_OF_HALF = 0.99, 0.9

CODE = re.compile(r"(`{3,}|~{3,}).*?(\1|\Z)|`[^`\n]*`|https?://\S+", re.DOTALL)

UNSPACED_SCRIPTS = ("Han", "Hiragana", "Katakana", "Thai", "Lao", "Khmer", "Myanmar", "Tibetan")
SPACED_SCRIPTS = (
    "Latin", "Cyrillic", "Greek", "Arabic", "Hebrew", "Devanagari", "Bengali", "Gurmukhi", "Gujarati", "Oriya", "Tamil",
    "Telugu", "Kannada", "Malayalam", "Sinhala", "Ethiopic", "Georgian", "Armenian", "Hangul", "Mongolian",
)  # fmt: skip
LATIN = (
    "af br bs ca ceb cs cy da de en eo es et eu fi fo fr fy ga gd gl ha hr ht hu id ig is it jv ku la lb lt lv mg mi "
    "ms mt nb nl nn no oc pl pt qu rm ro sk sl sm sn so sq st su sv sw tl tr uz vi xh yo zu"
)
SCRIPTS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(LATIN.split(), ("Latin",)),
    **dict.fromkeys(["be", "bg", "ky", "mk", "ru", "tg", "tt", "uk"], ("Cyrillic",)),
    **dict.fromkeys(["ar", "ckb", "fa", "ps", "ug", "ur"], ("Arabic",)),
    **dict.fromkeys(["hi", "mr", "ne", "sa"], ("Devanagari",)),
    **dict.fromkeys(["am", "ti"], ("Ethiopic",)),
    **dict.fromkeys(["he", "yi"], ("Hebrew",)),
    **dict.fromkeys(["as", "bn"], ("Bengali",)),
    **dict.fromkeys(["az", "kk", "ku", "sr", "uz"], ("Latin", "Cyrillic", "Arabic")),
    "bs": ("Latin", "Cyrillic"), "bo": ("Tibetan",), "el": ("Greek",), "gu": ("Gujarati",), "hy": ("Armenian",),
    "ja": ("Han", "Hiragana", "Katakana"), "ka": ("Georgian",), "km": ("Khmer",), "kn": ("Kannada",),
    "ko": ("Hangul", "Han"), "lo": ("Lao",), "ml": ("Malayalam",), "mn": ("Cyrillic", "Mongolian"), "my": ("Myanmar",),
    "or": ("Oriya",), "pa": ("Gurmukhi", "Arabic"), "si": ("Sinhala",), "ta": ("Tamil",), "te": ("Telugu",),
    "th": ("Thai",), "yue": ("Han",), "zh": ("Han",),
}  # fmt: skip
"""Scripts that a language is written in (ISO 639 code → Unicode script names). About others nothing is said.
Source: Unicode CLDR, languageData."""

TAKEN_FOR_ANOTHER = (
    {"no", "nb", "nn", "da", "sv"}, {"cs", "sk", "sl"}, {"hr", "sl", "sr", "bs"}, {"id", "ms", "tl"},
    {"bg", "mk", "ru"}, {"es", "pt", "ca", "gl", "it"}, {"nl", "af", "de"}, {"hi", "mr", "ne"},
    {"ru", "uk", "be"}, {"fa", "ar", "ur"}, {"zh", "yue"}, {"et", "fi"},
)  # fmt: skip
"""Languages that langdetect mistakes for one another in short texts."""


def missing_languages(subject: Subject) -> Iterator[Hit]:
    """No `languages`, but words."""
    if not subject.front.languages and any(_plain(wording.text) for wording in subject.wordings):
        message = "`languages` is missing; say which language the template's words are in, such as `languages: [en]`"
        yield subject.at_key("languages", message=message)


def wrong_language(subject: Subject) -> Iterator[Hit]:
    """Words in none of the declared scripts; a declared script without a word; another language, surely."""
    declared = [code.split("-")[0] for code in subject.front.languages]
    if not declared or any(code not in SCRIPTS for code in declared):
        return
    whole = " ".join(_plain(wording.text) for wording in subject.wordings)
    counts = _by_script(whole)
    said = ", ".join(declared)
    expected = {script for code in declared for script in SCRIPTS[code]}
    if _is_elsewhere(counts, expected):
        found = max(counts, key=lambda script: counts[script])
        message = f"`languages` says {said}, but the template's words are written in {found} letters; correct it"
        yield subject.at_key("languages", message=message)
        return
    for given, text in subject.phrasings:
        if _is_elsewhere(_by_script(_plain(text)), expected):
            message = f"phrasing '{given.name}' is in none of the languages that `languages` says ({said}); add its own"
            yield Hit(given.line, 0, message)
    for code in declared:
        if sum(counts.values()) >= FEWEST_BY_SCRIPT and not any(counts.get(script) for script in SCRIPTS[code]):
            message = f"`languages` says {code}, but no word of the template is in its script; only its own words count"
            yield subject.at_key("languages", message=message)
    found_language = _surely(whole, counts) if _is_of_one_script(counts, expected) else None
    if found_language and not _may_be(found_language, declared):
        message = f"`languages` says {said}, but the template's words look like '{found_language}'; correct it"
        yield subject.at_key("languages", message=message)


def _plain(text: str) -> str:
    return CODE.sub(" ", NAMED_MASK.sub(" ", text)).strip()


def _by_script(text: str) -> dict[str, int]:
    """Words of each script, or characters in scripts without spaces."""
    column = pl.col("text")
    counted = [column.str.count_matches(rf"\p{{{name}}}").alias(name) for name in UNSPACED_SCRIPTS]
    counted += [column.str.count_matches(rf"\p{{{name}}}+").alias(name) for name in SPACED_SCRIPTS]
    row = pl.DataFrame({"text": [text]}).select(counted).row(0, named=True)
    return {name: count for name, count in row.items() if count}


def _is_elsewhere(counts: dict[str, int], expected: set[str]) -> bool:
    total = sum(counts.values())
    return total >= FEWEST_BY_SCRIPT and sum(counts.get(script, 0) for script in expected) < SHARE * total


def _is_of_one_script(counts: dict[str, int], expected: set[str]) -> bool:
    """Whether nearly all is in the declared languages' scripts: a detector takes the rest for the whole."""
    return sum(counts.get(script, 0) for script in expected) >= (1 - SHARE) * sum(counts.values())


def _surely(text: str, counts: dict[str, int]) -> str | None:
    """The language of a text that is long enough, where the detector is sure of it and of its halves."""
    if sum(counts.values()) < FEWEST_BY_DETECTOR:
        return None
    detect = detector("langdetect", 0)
    middle = len(text) // 2
    cut = text.find(" ", middle)
    cut = middle if cut < 0 else cut
    found = [detect(text), detect(text[:cut]), detect(text[cut:])]
    if None in found or len({each[0] for each in found if each}) != 1:
        return None
    sure = all(each and each[1] >= least for each, least in zip(found, (SURE, SURE_OF_HALF, SURE_OF_HALF), strict=True))
    return found[0][0] if sure and found[0] else None


def _may_be(found: str, declared: list[str]) -> bool:
    if any(code not in LANGDETECT_LANGUAGES for code in declared):
        return True
    near = set[str]().union(*(group for group in TAKEN_FOR_ANOTHER if found in group))
    return found in declared or bool(near & set(declared))
