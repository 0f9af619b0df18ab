"""What `instructkit verify` found, drawn: the verdict, a table of pairs of splits, and a pair of rows of each kind."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from textwrap import wrap
from typing import Any
from unicodedata import east_asian_width

import click
import msgspec

from instructkit.audit.crossings import (
    ANSWER_WORDS,
    COMMON_ANSWERS,
    NEAR_CONVERSATION,
    NEAR_PROMPT,
    OWN_WORDS,
    SAME_ANSWER,
    SAME_CONVERSATION,
    SAME_EXCHANGE,
    SAME_PROMPT,
    SHARED_TEXT,
)
from instructkit.audit.evaluations import MARGIN
from instructkit.audit.identities import IDENTITIES, SAME_DOCUMENT, SAME_GROUP, SAME_ID
from instructkit.audit.stretches import STRETCH
from instructkit.audit.verified import COMMON_ANSWER, CONTAMINATED, NEARLY, Evidence, Side, Verified
from instructkit.text.terminal import printable

WORDS = {
    SAME_CONVERSATION: "same conversation",
    SAME_PROMPT: "same prompt, other answer",
    SAME_EXCHANGE: "same turn and answer",
    NEAR_CONVERSATION: "near-duplicate",
    NEAR_PROMPT: "near-duplicate prompt",
    SAME_ANSWER: "same long answer",
    SHARED_TEXT: "shares most of its text",
    SAME_ID: "same id",
    SAME_DOCUMENT: "same document",
    SAME_GROUP: "same group",
    COMMON_ANSWER: "(common long answer)",
    CONTAMINATED: "holds a row of an evaluation",
    NEARLY: "holds one nearly",
}
MOST_PAIRS = 6
"""Pairs of splits in one table; of more, those that cross."""
WIDTH = 112
"""Columns of lines of words, where the terminal has no fewer."""
BESIDE = 20
"""Columns of a line that shows a text which are not the text's."""


def verified_lines(found: Verified, examples: int = 1, width: int | None = None) -> Iterator[str]:
    """What was found in a dataset, for a person. `examples`: pairs of rows shown of each kind. `width`: columns of the
    terminal, None where there is none.
    """
    columns = max(40, min(width or WIDTH, WIDTH))
    found = msgspec.convert(_printable(msgspec.to_builtins(found)), Verified)
    name = f"{found.path}" + (f": {found.step}" if found.step else "")
    rows = "  ".join(f"{split} {count:,}" for split, count in found.rows.items())
    files = f"{found.files} file{'s' if found.files > 1 else ''}"
    yield f"{click.style(name, bold=True)}  ({files}, {sum(found.rows.values()):,} rows: {rows})"
    yield from _verdict(found)
    yield ""
    if found.pairs:
        yield from _table(found)
        yield ""
    if found.evaluations:
        yield from _evaluations(found)
        yield ""
    yield from _notes(found, columns)
    yield from _examples(found.evidence, examples, columns - BESIDE)


def _printable(value: Any) -> Any:
    """The value with all its texts, names too, as a terminal may have them."""
    if isinstance(value, dict):
        return {_printable(name): _printable(inside) for name, inside in value.items()}
    if isinstance(value, list):
        return [_printable(inside) for inside in value]
    return printable(value) if isinstance(value, str) else value


def _verdict(found: Verified) -> Iterator[str]:
    looked = ["nothing of one split stands in another"] if found.pairs else []
    looked += ["no row of an evaluation is held"] if found.evaluations else []
    if found.verdict == "not_all_compared":
        for number, line in enumerate(found.gaps):
            yield f"{' ' * 16 if number else click.style('NOT ALL COMPARED', fg='yellow', bold=True)}  {line}"
        return
    if found.clean:
        yield click.style("CLEAN", fg="green", bold=True) + f"  {', and '.join(looked)}"
        return
    said = [
        f"{pair.crossing:,} of {pair.rows:,} rows of {pair.later} ({_share(pair.crossing, pair.rows)}) stand in "
        f"{pair.earlier}"
        for pair in [pair for pair in found.pairs if pair.crossing][:MOST_PAIRS]
    ]
    said += [
        f"{each.found:,} of {each.rows:,} rows of {each.file} ({_share(each.found, each.rows)}) stand here"
        for each in found.evaluations
        if each.found
    ]
    for number, line in enumerate(said):
        yield f"{'     ' if number else click.style('LEAKS', fg='red', bold=True)}  {line}"


def _table(found: Verified) -> Iterator[str]:
    pairs = found.pairs
    shown = pairs if len(pairs) <= MOST_PAIRS else [pair for pair in pairs if pair.crossing][:MOST_PAIRS]
    if not shown:
        shown = pairs[:MOST_PAIRS]
    left_out = {CONTAMINATED, NEARLY}
    left_out |= {COMMON_ANSWER} if not any(pair.counts[COMMON_ANSWER] for pair in shown) else set()
    left_out |= set() if found.ours else set(IDENTITIES)
    kinds = [kind for kind in WORDS if kind not in left_out]
    head = [("rows of", *(pair.later for pair in shown)), ("  that stand in", *(pair.earlier for pair in shown))]
    body = [(WORDS[kind], *(f"{pair.counts[kind]:,}" for pair in shown)) for kind in kinds]
    total = ("rows that cross", *(f"{pair.crossing:,} of {pair.rows:,}" for pair in shown))
    table = [*head, *body, total]
    widths = [max(len(row[column]) for row in table) for column in range(len(shown) + 1)]
    for number, row in enumerate(table):
        cells = [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        crossing = len(head) <= number and not row[0].startswith("(")
        styled = [
            click.style(cell, fg="red", bold=True) if crossing and not cell.split()[0].startswith("0") else cell
            for cell in cells
        ]
        yield ("  " + "   ".join([row[0].ljust(widths[0]), *styled])).rstrip()
    if len(shown) < len(pairs):
        yield f"  ({len(pairs) - len(shown):,} pairs of splits more; --json has them all)"


def _evaluations(found: Verified) -> Iterator[str]:
    """How many rows of each split hold one of an evaluation."""
    splits = list(found.rows)
    table = [("rows that hold one of", "", *splits)]
    table += [
        (f"  {each.file}", f"({each.rows:,} rows)", *(f"{each.counts[split]:,}" for split in splits))
        for each in found.evaluations
    ]
    widths = [max(len(row[column]) for row in table) for column in range(len(splits) + 2)]
    for number, row in enumerate(table):
        cells = [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        styled = [
            click.style(cell, fg="red", bold=True) if number and place and cell.strip() != "0" else cell
            for place, cell in enumerate(cells)
        ]
        yield ("  " + "   ".join([row[0].ljust(widths[0]), *styled])).rstrip()


def _notes(found: Verified, columns: int) -> Iterator[str]:
    """How it was looked for, and what was not looked at."""
    for text, matters in _remarks(found):
        for number, line in enumerate(wrap(text, columns - 4, break_on_hyphens=False)):
            line = f"{'    ' if number else '  '}{line}"
            yield click.style(line, fg="yellow") if matters else line


def _remarks(found: Verified) -> Iterator[tuple[str, bool]]:
    """Each remark, and whether it is about what was not looked at."""
    for text in [*(found.gaps if found.verdict == "leaks" else ()), *found.said]:
        yield text, True
    if found.pairs:
        yield _how(found), False
    if found.short:
        yield f"{found.short:,} rows have fewer than {OWN_WORDS} words of their own: compared as a whole only.", False
    if any(pair.counts[COMMON_ANSWER] for pair in found.pairs):
        yield (
            f"Common answers ({ANSWER_WORDS} words and more, under {COMMON_ANSWERS} prompts and more: refusals, "
            "phrases) are no leak.",
            False,
        )
    if found.evaluations:
        yield (
            "Rows of evaluations are looked for as the stage `decontaminate` does; passages alone do not count.",
            False,
        )
    if nearly := sum(each.nearly for each in found.evaluations):
        yield (
            f"{nearly:,} rows come out above the threshold of the step that decontaminated, by {MARGIN:g} at most: it "
            "weighed words by other rows than are left. They are no leak; --json names them.",
            False,
        )
    if found.masked:
        yield (
            f"{found.masked:,} rows are long and have fewer than {OWN_WORDS} words of their own: rows of a template, "
            f"or a text in {found.common} near-copies and more, which are not told apart; a larger --common "
            "compares them.",
            True,
        )
    if found.not_read:
        reasons = ", ".join(f"{count:,} {rule}" for rule, count in found.not_read.items())
        yield f"Not compared, without a text that can be read: {reasons}.", True


def _how(found: Verified) -> str:
    apart = "; ids, documents and groups apart" if found.ours else ""
    exemplars = "; nor do exemplars" if found.ours else ""
    return (
        f"A row counts once, under the first line that holds{apart}. Near-duplicates share {found.threshold:g} of "
        f"their sequences of {found.shingle} words or more ({found.candidates:,} pairs were measured; one just so "
        f"alike is found with probability {found.recall:.3f}). What shares most of its text has {STRETCH} sequences "
        "or more on end in common with a row, and half of the shorter. What stands in "
        f"{found.common} different texts is template text and does not count{exemplars}."
    )


def _examples(evidence: Sequence[Evidence], examples: int, room: int) -> Iterator[str]:
    shown: dict[str, int] = {}
    # Of the pair of splits that matters most first; the others where it has none of a kind.
    for each in evidence:
        shown[each.kind] = shown.get(each.kind, 0) + 1
        if shown[each.kind] > examples:
            continue
        like = "" if each.similarity in (None, 1) else f" {each.similarity:.3f}"
        yield ""
        kind, places = WORDS[each.kind] + like, [_place(each.later), _place(each.earlier)]
        beside = "  ".join([kind, *places])
        if len(beside) + 2 <= room + BESIDE:
            yield f"  {click.style(kind, fg='red')}  {'  '.join(places)}"
        else:
            yield from [f"  {click.style(kind, fg='red')}", *(f"    {place}" for place in places)]
        yield from _side(each.later, room)
        yield from _side(each.earlier, room)


def _place(side: Side) -> str:
    line = "" if side.line is None else f":{side.line}"
    return f"{side.file}{line}" + (f" ({side.id})" if side.id else "")


def _side(side: Side, room: int) -> Iterator[str]:
    asked, answered = (_line(text, room) for text in (side.prompt, side.answer))
    yield f"    {side.split:<10} {asked}"
    if answered:
        yield f"    {'':<10} {click.style('→ ' + answered, dim=True)}"


def _line(text: str, room: int) -> str:
    text, end = " ".join(text.split()), 0
    for end, character in enumerate(text):
        room -= 2 if east_asian_width(character) in "WF" else 1
        if room < 0:
            return f"{text[:end]}…"
    return text


def _share(count: int, of: int) -> str:
    share = 100 * count / max(of, 1)
    return f"{share:.1f}%" if share >= 0.1 else "< 0.1%"
