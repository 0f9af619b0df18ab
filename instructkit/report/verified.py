"""What `instructkit verify` found, drawn: the verdict, a table of pairs of splits, and a pair of rows of each kind."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from unicodedata import east_asian_width

import click

from instructkit.audit.evaluations import MARGIN
from instructkit.audit.identities import IDENTITIES, SAME_DOCUMENT, SAME_GROUP, SAME_ID
from instructkit.audit.overlap import (
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
from instructkit.audit.verified import COMMON_ANSWER, CONTAMINATED, NEARLY, Evidence, Side, Verified
from instructkit.report.hunks import CONTROLS

WORDS = {
    SAME_CONVERSATION: "same conversation",
    SAME_PROMPT: "same prompt, other answer",
    SAME_EXCHANGE: "same question and answer inside",
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
LONGEST = 92
"""Characters of a text that is shown on one line."""


def verified_lines(found: Verified, examples: int = 1) -> Iterator[str]:
    """What was found in a dataset, for a person. `examples`: pairs of rows shown of each kind."""
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
    yield from _notes(found)
    yield from _examples(found.evidence, examples)


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


def _notes(found: Verified) -> Iterator[str]:
    """How it was looked for, and what was not looked at."""
    for line in [*(found.gaps if found.verdict == "leaks" else ()), *found.said]:
        yield click.style(f"  {line}", fg="yellow")
    if found.pairs:
        yield from _how(found)
    if found.evaluations:
        yield "  Rows of evaluations are looked for as the stage `decontaminate` does; passages alone do not count."
    if nearly := sum(each.nearly for each in found.evaluations):
        yield f"  {nearly:,} rows come out above the threshold of the step that decontaminated, by {MARGIN:g} at most:"
        yield "  it weighed words by other rows than are left. They are no leak; --json names them."
    if found.masked:
        yield click.style(
            f"  {found.masked:,} rows are long and have fewer than {OWN_WORDS} words of their own: rows of a template, "
            f"or a text in {found.common} near-copies and more,",
            fg="yellow",
        )
        yield click.style("  which are not told apart: --common with a larger number compares them.", fg="yellow")
    if found.not_read:
        reasons = ", ".join(f"{count:,} {rule}" for rule, count in found.not_read.items())
        yield click.style(f"  Not compared, without a text that can be read: {reasons}.", fg="yellow")


def _how(found: Verified) -> Iterator[str]:
    apart = "; ids, documents and groups apart" if found.ours else ""
    yield f"  A row counts once, under the first line that holds{apart}. Near-duplicates share"
    yield (
        f"  {found.threshold:g} of their sequences of {found.shingle} words or more ({found.candidates:,} pairs were "
        f"measured; one just so alike is found with"
    )
    yield (
        f"  probability {found.recall:.3f}). What stands in {found.common} different texts is template text and does "
        "not count; nor do exemplars."
    )
    if found.short:
        yield f"  {found.short:,} rows have fewer than {OWN_WORDS} words of their own: compared as a whole only."
    if any(pair.counts[COMMON_ANSWER] for pair in found.pairs):
        yield (
            f"  Common answers ({ANSWER_WORDS} words and more, under {COMMON_ANSWERS} prompts and more: refusals, "
            "phrases) are no leak."
        )


def _examples(evidence: Sequence[Evidence], examples: int) -> Iterator[str]:
    shown: dict[str, int] = {}
    # Of the pair of splits that matters most first; the others where it has none of a kind.
    for each in evidence:
        shown[each.kind] = shown.get(each.kind, 0) + 1
        if shown[each.kind] > examples:
            continue
        like = "" if each.similarity in (None, 1) else f" {each.similarity:.3f}"
        yield ""
        yield f"  {click.style(WORDS[each.kind] + like, fg='red')}  {_place(each.later)}  {_place(each.earlier)}"
        yield from _side(each.later)
        yield from _side(each.earlier)


def _place(side: Side) -> str:
    line = "" if side.line is None else f":{side.line}"
    return f"{side.file}{line}" + (f" ({side.id})" if side.id else "")


def _side(side: Side) -> Iterator[str]:
    asked, answered = (_line(text) for text in (side.prompt, side.answer))
    yield f"    {side.split:<10} {asked}"
    if answered:
        yield f"    {'':<10} {click.style('→ ' + answered, dim=True)}"


def _line(text: str) -> str:
    text = " ".join(text.split()).translate(CONTROLS)
    room, end = LONGEST, 0
    for end, character in enumerate(text):
        room -= 2 if east_asian_width(character) in "WF" else 1
        if room < 0:
            return f"{text[:end]}…"
    return text


def _share(count: int, of: int) -> str:
    share = 100 * count / max(of, 1)
    return f"{share:.1f} %" if share >= 0.1 else "< 0.1 %"
