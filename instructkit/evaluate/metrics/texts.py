"""What two answers are compared by: normalised text, tokens, options, items.

"The Eiffel Tower."        normalised  eiffel tower       tokens  eiffel | tower
"（B） 正面。"               normalised  b 正面              option  label b, text 正面
"place: Warsaw; Paris"     items       (place, warsaw) (place, paris)
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from itertools import pairwise
from typing import Any, NamedTuple

import orjson

from instructkit.hashing import canonical_json

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_SYMBOLS = frozenset("$+<=>^`|~")
"""ASCII symbols that SQuAD's script removes although Unicode counts them as no punctuation."""
# Thai to Tibetan, Myanmar, Khmer, kana, Han: as in `text.words`, whose notation Python's regular expressions lack.
_UNSPACED = "\u0e00-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_TOKEN = re.compile(rf"[{_UNSPACED}]|[^\W_{_UNSPACED}]+")
_LABEL = re.compile(
    r"\s*(?:[(\[（【](?P<in>[A-Za-z]|[A-Z]{2}|\d{1,2})[)\]）】]|(?P<bare>[A-Za-z]|[A-Z]{2}|\d{1,2})(?:[.):](?=\s|$)|[、．：）]|\s*$))"
    r"\s*(?P<text>.*)",
    re.DOTALL,
)
_BULLET = re.compile(r"^\s*(?:[-*•·]|\d{1,3}[.)、])\s+")
_FIELD = re.compile(r"^(?P<name>[^:：;；,，、()（）]{1,40})[:：]\s*(?P<values>\S.*)$")


@lru_cache(maxsize=1 << 16)
def normalised(text: str) -> str:
    """Lower case, without punctuation, the articles a, an, the, and surplus white space; full width as half width.

    Source: the evaluation script of SQuAD 1.1 (Rajpurkar et al. 2016, arXiv:1606.05250, section 6.1), with Unicode's
    punctuation in place of ASCII's and NFKC before it.
    """
    folded = unicodedata.normalize("NFKC", text).casefold()
    kept = "".join(" " if _is_punctuation(c) and not c.isascii() else "" if _is_punctuation(c) else c for c in folded)
    return " ".join(_ARTICLES.sub(" ", kept).split())


@lru_cache(maxsize=1 << 12)
def _is_punctuation(character: str) -> bool:
    return character in _SYMBOLS or unicodedata.category(character).startswith("P")


@lru_cache(maxsize=1 << 14)
def tokens(text: str) -> tuple[str, ...]:
    """Lower-case words and numbers, without punctuation; single characters where a script has no spaces.

    For English this is the tokenizer of the package rouge-score, without its stemmer.
    """
    return tuple(_TOKEN.findall(text.lower()))


class Option(NamedTuple):
    """An answer as one of several options."""

    label: str | None
    """`b` of "B. positive"; None: it has none."""
    text: str | None
    """Its words, normalised; None: the label is all there is."""

    @property
    def name(self) -> str:
        """What tells it from the others."""
        return self.text or self.label or ""

    def means(self, other: Option) -> bool:
        """Whether both are the same option: by their words, or by their labels where one has no words."""
        if self.name == other.name:
            return True
        return self.label is not None and self.label == other.label and not (self.text and other.text)


@lru_cache(maxsize=1 << 14)
def option(answer: str) -> Option:
    """An answer as an option; what has no label of the forms `A.` `(A)` `[1]` `A、` is all text."""
    match = _LABEL.match(answer)
    if match is None:
        return Option(None, normalised(answer) or answer.strip())
    label = (match["in"] or match["bare"]).lower()
    return Option(label, normalised(match["text"]) or None)


def parsed(text: str) -> Any | None:
    """A JSON object or array, where the text is one and nothing else; else None. A lone number or word is no JSON."""
    if not text.lstrip().startswith(("{", "[")):
        return None
    try:
        return orjson.loads(text)
    except ValueError:
        return None


def items(answer: str) -> list[tuple[str, str]]:
    """(kind, item) of an answer that lists things, both normalised; in no order, repetitions kept.

    JSON: the values with the keys above them, and objects inside lists whole. Text: its lines, bullets apart, cut at
    semicolons, commas and the like outside of brackets; `kind: x; y` gives x and y that kind.
    """
    value = parsed(answer)
    if value is not None:
        return _leaves("", value)
    found = []
    for line in answer.splitlines():
        rest = _BULLET.sub("", line).strip()
        field = _FIELD.match(rest)
        kind, rest = (normalised(field["name"]), field["values"]) if field else ("", rest)
        found += [(kind, item) for part in _cut(rest) if (item := normalised(part))]
    return found


def _leaves(kind: str, value: Any) -> list[tuple[str, str]]:
    if isinstance(value, dict):
        return [leaf for key, inner in value.items() for leaf in _leaves(f"{kind} {normalised(key)}".strip(), inner)]
    if isinstance(value, list):
        return [(kind, normalised(v if isinstance(v, str) else canonical_json(v))) for v in value]
    return [(kind, normalised(value if isinstance(value, str) else canonical_json(value)))]


def _cut(line: str) -> list[str]:
    """A line cut at separators that lie outside of brackets."""
    depth, cuts = 0, [-1]
    for i, character in enumerate(line):
        depth += (character in "([{（【") - (character in ")]}）】")
        if depth <= 0 and (character in ";；、，" or (character == "," and line[i + 1 : i + 2].isspace())):
            cuts.append(i)
    return [line[a + 1 : b] for a, b in pairwise([*cuts, len(line)])]
