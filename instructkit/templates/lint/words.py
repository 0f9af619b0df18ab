"""Checks of the front matter, and of words that should not stand in a template."""

from __future__ import annotations

import re
from collections.abc import Iterator

from instructkit.templates.lint.finding import Hit
from instructkit.templates.lint.subject import Subject

PLACEHOLDER = re.compile(r"\b(?:TODO|FIXME)\b|[Ll]orem ipsum")
LONGEST_SUMMARY = 160
FULL_STOPS = (".", "。", "．", "!", "！", "?", "？", "।", "۔", "…")
SENTENCES = re.compile(r"[.!?]\s+[A-ZÀ-Þ]|[。！？]\s*\S")
ABBREVIATED = re.compile(r"\b(?:e\.g|i\.e|etc|vs|[A-Z])\.$")

_ID = r"(?:LicenseRef-|DocumentRef-[A-Za-z0-9.-]+:LicenseRef-)?[A-Za-z0-9.-]+\+?(?: WITH [A-Za-z0-9.-]+)?"
SPDX = re.compile(rf"\(*{_ID}\)*(?: (?:AND|OR) \(*{_ID}\)*)*\Z")
"""Form of an SPDX licence expression, annex D of the specification 2.3; its ids are not looked up."""


def placeholder(subject: Subject) -> Iterator[Hit]:
    """What a draft left behind."""
    for key in ("summary", "task"):
        if found := PLACEHOLDER.search(getattr(subject.front, key)):
            yield subject.at_key(key, message=f"{key} says '{found[0]}'; finish it")
    said: set[tuple[int, str]] = set()
    for wording in subject.wordings:
        for found in PLACEHOLDER.finditer(wording.text):
            line = wording.line + wording.text.count("\n", 0, found.start())
            if (line, found[0]) not in said:
                said.add((line, found[0]))
                yield subject.at(line, found[0], f"'{found[0]}' stands in a message; finish it")


def missing_tests(subject: Subject) -> Iterator[Hit]:
    """No test shows what the template makes."""
    if not subject.front.tests:
        yield subject.at_key(
            message="the template has no tests; add two under `tests:`, each with `given` and `expect`"
        )
    elif all(case.expect is None for case in subject.front.tests):
        message = "every test expects a drop; add one that shows the messages, with `given` and `expect`"
        yield subject.at_key("tests", message=message)


def summary_form(subject: Subject) -> Iterator[Hit]:
    """A summary that is no single sentence."""
    summary = subject.front.summary
    wrong = []
    if "\n" in summary.strip():
        wrong.append("has several lines")
    if len(summary) > LONGEST_SUMMARY:
        wrong.append(f"has {len(summary)} characters")
    if not summary.rstrip("\"'”’`)） ").endswith(FULL_STOPS):
        wrong.append("does not end with a full stop")
    ends = [found for found in SENTENCES.finditer(summary) if not ABBREVIATED.search(summary[: found.start() + 1])]
    if ends:
        wrong.append("has more than one sentence")
    if wrong:
        message = f"the summary {' and '.join(wrong)}; say what the template asks for in one sentence of one line"
        yield subject.at_key("summary", message=f"{message}, at most {LONGEST_SUMMARY} characters")


def missing_license(subject: Subject) -> Iterator[Hit]:
    """No license, or none that a machine can read."""
    given = subject.front.license
    if given is None:
        message = "`license` is missing; say under which the template's words may be used, such as `license: CC0-1.0`"
        yield subject.at_key("license", message=message)
    elif not SPDX.match(given) or given.count("(") != given.count(")"):
        message = f"license: {given!r} is no SPDX expression such as CC0-1.0; for another write LicenseRef-NAME"
        yield subject.at_key("license", message=message)
