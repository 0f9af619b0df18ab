"""An audit on the terminal: the verdict, what was found, the worst first, what the rows are like, and what to do.

WARNINGS  nothing wrong for certain; 54 of 1,000 rows (5.4%) are worth a look
alpaca_zh_demo.json: format alpaca; no splits named

  warning  38    3.8%  refusal     as an AI 24, row 5: 由于我是一个人工智能助手…
  warning   8    0.8%  exact copy  row 517: as row 141

  prompts    17 characters in the middle, 95% up to 53, longest 181
  …
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import islice

import click
from rich.cells import cell_len, set_cell_size

from instructkit.audit.finding import Finding, NamedRow
from instructkit.audit.profile import Lengths
from instructkit.audit.result import Audit
from instructkit.text.terminal import printable

PIPE_WIDTH = 160
"""Columns of what is no terminal."""
FINDINGS = 12
"""Lines of findings, at most."""
EVIDENCE_FROM = 24
"""Columns that must be left for a finding's first row to be shown."""
INDENT = 11
"""Columns before a finding's first row where it stands on a line of its own."""
NAME = 3
"""The part of the evidence's columns that a file's name has at most: a third."""
NAMES_A_ROW = ("leak", "contaminated", "duplicate", "near_duplicate", "same_prompt", "near_prompt")
SAYS_WHERE = re.compile(r"((?:as |begins |[\d.]+ like )?)(.*?)((?::\d+)?(?: of [^/:]+)?(?:, score [\d.]+)?)")
"""How a row is like another, the path of that one's file, and what follows the path."""
LABEL = 10
ADVICE = 2
COLOURS = {"error": "red", "warning": "yellow", "note": "blue", "errors": "red", "warnings": "yellow", "clean": "green"}
LOOK: dict[tuple[str, ...], str] = {
    ("format", "empty"): "`ingest.chat` in a recipe leaves out what is no conversation, each row with its reason",
    ("leak",): "`instructkit verify` shows each pair that stands on both sides of a split",
    ("contaminated",): "`decontaminate` in a recipe leaves out what holds evaluation rows",
    ("duplicate", "near_duplicate"): "`dedupe.minhash` in a recipe leaves out copies and near-duplicates",
    ("near_prompt", "same_prompt"): "`group.near` in a recipe keeps like prompts in one split",
    ("mojibake", "html"): "`clean.text` in a recipe mends texts",
}
"""What helps, by the findings that it helps against."""


def audit_lines(audit: Audit, width: int | None = None, colour: bool = False) -> list[str]:
    """The summary. `width`: columns of the terminal, None where there is none."""
    columns = width or PIPE_WIDTH
    lines = [*_wrapped(_verdict(audit), columns, 10)]
    lines[0] = lines[0].replace(audit.verdict.upper(), _styled(audit.verdict.upper(), audit.verdict, colour), 1)
    lines += _wrapped(_what(audit), columns, 2)
    if audit.findings:
        lines += ["", *_table(audit, columns, colour)]
    if audit.conversations:
        lines.append("")
        for label, text in _profile(audit):
            lines += _wrapped(f"  {label:<{LABEL}} {text}", columns, LABEL + 3)
    look = [*audit.said, *_look(audit)]
    if look:
        lines.append("")
        for text in look:
            lines += _wrapped(f"  {text}", columns, 4)
    return lines


def _verdict(audit: Audit) -> str:
    wrong, doubtful = audit.rows_with["error"], audit.rows_with["warning"]
    rows = f"{audit.rows:,} {_plural(audit.rows, 'row')}"
    if audit.verdict == "errors":
        more = f"; {doubtful:,} more {_are(doubtful)} worth a look" if doubtful else ""
        return f"ERRORS    {wrong:,} of {rows} ({_share(wrong / audit.rows)}) {_are(wrong)} wrong{more}"
    if audit.verdict == "warnings":
        return (
            f"WARNINGS  nothing wrong for certain; {doubtful:,} of {rows} ({_share(doubtful / audit.rows)}) "
            f"{_are(doubtful)} worth a look"
        )
    return f"CLEAN     no errors and no warnings in {rows}"


def _what(audit: Audit) -> str:
    formats = " and ".join(
        name if len(audit.formats) == 1 else f"{name} ({count:,})" for name, count in audit.formats.items()
    )
    named = {name or "none": count for name, count in audit.splits.items()}
    splits = ", ".join(f"{name} {count:,}" for name, count in named.items())
    files = "" if audit.files == 1 else f" in {audit.files:,} files"
    where = ", ".join(audit.paths)
    split = "no splits named" if set(audit.splits) == {""} else f"splits: {splits}"
    return printable(f"{where}: format {formats}{files}; {split}")


def _table(audit: Audit, columns: int, colour: bool) -> Iterator[str]:
    shown = audit.findings[:FINDINGS]
    title = max(len(finding.title) for finding in shown)
    digits = max(len(f"{finding.count:,}") for finding in shown)
    several = audit.files > 1
    for finding in shown:
        severity = _styled(f"{finding.severity:<7}", finding.severity, colour)
        line = f"  {severity}  {finding.count:>{digits},}"
        used = 2 + 7 + 2 + digits
        if columns >= used + 9 + title:
            line += f"  {_share(finding.share):>7}"
            used += 9
        line += f"  {_cut(finding.title, columns - used - 2)}"
        used += 2 + len(finding.title)
        left = columns - used - (title - len(finding.title)) - 2
        if left >= EVIDENCE_FROM:
            line += " " * (title - len(finding.title)) + "  " + _evidence(finding, several, left)
        yield line
        if left < EVIDENCE_FROM <= columns - INDENT - EVIDENCE_FROM:
            yield " " * INDENT + _evidence(finding, several, columns - INDENT)
    if len(audit.findings) > FINDINGS:
        rest = audit.findings[FINDINGS:]
        names = ", ".join(f"{finding.title} {finding.count:,}" for finding in rest)
        yield _cut(f"  and {len(rest)} more: {names}", columns)


def _evidence(finding: Finding, several: bool, columns: int) -> str:
    """The commonest rule, where there are several, and its first row; of an end, the end."""
    first = finding.rows[0] if finding.rows else None
    rule, count = next(iter(finding.rules.items()))
    named = f"{rule} {count:,}, " if len(finding.rules) > 1 else ""
    if finding.check == "format":
        named = f"{rule}, "
    if first is None:
        return _cut(named.rstrip(", "), columns)
    # Who repeats a row of its own file repeats "row 12", not "folder/file.json:12".
    said = printable(first.said or "").replace(f"{first.file}:", "row ")
    head = f"{named}{place(first, several, columns // NAME)}"
    room = columns - cell_len(head) - 2
    if finding.check in NAMES_A_ROW:
        said = _short_path(said, room)
    while said.startswith("…") and cell_len(said) > room > 2:
        said = "…" + said[2:]
    return _cut(f"{head}: {said}" if said else head, columns)


def _short_path(said: str, columns: int) -> str:
    """`as …/data-00003.parquet:96 of train` where the path is too long: its end tells rows apart."""
    found = SAYS_WHERE.fullmatch(said)
    if cell_len(said) <= columns or found is None:
        return said
    how, path, line = found.groups()
    return how + _tail(path, columns - cell_len(how) - cell_len(line)) + line


def place(row: NamedRow, several: bool, columns: int) -> str:
    """Where a row stands; with the end of its file's name, in so many columns, where there are several."""
    name = _tail(row.file.rpartition("/")[2], columns)
    if row.line is None:
        return name
    return f"{name}:{row.line}" if several else f"row {row.line}"


def _profile(audit: Audit) -> Iterator[tuple[str, str]]:
    found = audit.profile
    yield "prompts", _lengths(found.prompt_characters, "characters")
    yield "answers", _lengths(found.response_characters, "characters")
    if found.tokens is not None and found.supervised_tokens is not None:
        share = found.supervised_tokens.sum / max(found.tokens.sum, 1)
        yield "tokens", f"{_lengths(found.tokens, 'a row')}; {_share(share)} of all are trained on"
    if list(found.turns) != ["1"]:
        yield "turns", _ranked({f"{turns} in": rows for turns, rows in found.turns.items()}, audit.conversations)
    if found.system:
        yield "system", f"in {_share(found.system / audit.conversations)} of the rows"
    yield "wordings", _wordings(audit)
    told = {name: count for name, count in found.languages.answers.items() if name != "?"}
    if told:
        yield "languages", _ranked(told, sum(told.values())) + " of answers"


def _wordings(audit: Audit) -> str:
    found = audit.profile.wordings
    if not found.most:
        return "no two prompts are made alike"
    first = found.most[0]
    often = f"the commonest, {_share(first.rows / audit.conversations)}: “{_cut(printable(first.text), 60)}”"
    if found.free > audit.conversations / 2:
        return f"{_share(found.free / audit.conversations)} of the prompts are worded freely; {often}"
    half = f"{found.half:,} {_plural(found.half, 'wording')} {_carry(found.half)}"
    return f"{half} half of the prompts, {found.ninety:,} {_carry(found.ninety)} 90%; {often}"


def _look(audit: Audit) -> Iterator[str]:
    if not audit.findings:
        return
    rules = next((finding.rules for finding in audit.findings if finding.check == "format"), {})
    if rules.get("no_assistant", 0) + rules.get("unrecognised", 0) > audit.rows / 2:
        yield (
            "most rows have no answer: these are questions alone, or their columns have other names, which --column "
            "prompt=NAME --column answer=NAME tell"
        )
    checks = {finding.check for finding in audit.findings}
    if not audit.conversations:  # then nothing is left to be built from
        checks -= {"format", "empty"}
    yield from islice((text for helped, text in LOOK.items() if checks & set(helped)), ADVICE)
    yield "what each kind means, and more rows of it: --json audit.json --rows 20"


def _lengths(found: Lengths, unit: str) -> str:
    return f"{found.median:,} {unit} in the middle, 95% up to {found.p95:,}, longest {found.longest:,}"


def _ranked(counts: Mapping[str, int], total: int) -> str:
    first = sorted(counts.items(), key=lambda item: -item[1])[:5]
    shown = ", ".join(f"{name} {_share(count / total)}" for name, count in first)
    return shown + (f", {len(counts) - 5} more" if len(counts) > 5 else "")


def _share(share: float) -> str:
    """`5.4%`; never 0% of something, never 100% of less than all."""
    if 0 < share < 0.0005:
        return "<0.1%"
    if 0.9995 <= share < 1:
        return ">99.9%"
    return f"{share:.0%}" if share in (0.0, 1.0) else f"{share:.1%}"


def _plural(count: int, word: str) -> str:
    return word if count == 1 else f"{word}s"


def _are(count: int) -> str:
    return "is" if count == 1 else "are"


def _carry(count: int) -> str:
    return "carries" if count == 1 else "carry"


def _cut(text: str, columns: int) -> str:
    """The text in so many columns of a terminal, where a Chinese character takes two."""
    if cell_len(text) <= columns:
        return text
    return set_cell_size(text, max(columns - 1, 0)).rstrip() + "…" if columns > 0 else ""


def _tail(text: str, columns: int) -> str:
    """The end of a text in so many columns, never less than a few."""
    room = max(columns, 8) - 1
    if cell_len(text) <= room + 1:
        return text
    while cell_len(text) > room:
        text = text[1:]
    return "…" + text


def _wrapped(text: str, columns: int, indent: int) -> list[str]:
    from rich.console import Console
    from rich.text import Text

    first = len(text) - len(text.lstrip())
    room = max(10, columns - indent)
    console = Console(width=max(20, columns), legacy_windows=False)
    lines = Text(text).wrap(console, max(20, columns))
    if len(lines) <= 1:
        return [text]
    head = str(lines[0]).rstrip()
    rest = text[first:][len(head) - first :].strip() if head.startswith(" " * first) else text[len(head) :].strip()
    return [head, *(" " * indent + str(line).rstrip() for line in Text(rest).wrap(console, room))]


def _styled(text: str, what: str, colour: bool) -> str:
    return click.style(text, fg=COLOURS[what], bold=what != "note") if colour else text
