"""A preview as lines for a terminal of some width, or plain ones for a pipe.

reviews-0a1b  reviews.csv:12  phrasing=2          id, place, what was drawn
user
│ How does the author feel about this?          a line of the message
┆ wrapped by the terminal                       no line end in the message
│ ↵                                             a blank line
│ The staff·                                    a space at the end of a line
assistant  trained, 1 word, 8 characters        trained on: green
│ positive
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import click
import orjson
import polars as pl

from instructkit.errors import did_you_mean
from instructkit.report.lineage import place
from instructkit.report.preview.rendering import Refused, Rendered, refused
from instructkit.report.preview.rows import Rows
from instructkit.report.preview.tokens import Tokens
from instructkit.report.preview.whitespace import MARK, Mode, Piece, marked, wrapped
from instructkit.report.show import ROLE_COLOURS
from instructkit.schema import Drop, Example, Message
from instructkit.stages.render.values import OWN_FIELDS
from instructkit.templates.rendering import OF_THE_DOCUMENT
from instructkit.text.conversation import trained_weight
from instructkit.text.words import word_count

FOLDED = 1_600
"""Characters of a message from which on its middle is folded."""
BEGINNING, END = 800, 500
"""Characters that stay of a folded one."""
TRAINED = "trained"
STYLES: dict[str, dict[str, Any]] = {MARK: {"dim": True}, TRAINED: {"fg": "green"}, "": {}}


@dataclass(frozen=True, kw_only=True)
class Look:
    """How a preview is drawn."""

    width: int | None = None
    """Columns of the terminal; None: nothing is wrapped."""
    colour: bool = False
    whitespace: Mode = "ends"
    full: bool = False
    """Long messages whole."""

    def style(self, text: str, **style: Any) -> str:
        """The text in a style, where there are colours."""
        return click.style(text, **style) if self.colour and text and style else text


def heading_lines(rows: Rows, look: Look) -> Iterator[str]:
    """Where the rows come from."""
    yield from _filled(f"rows: {rows.said}", look)
    if rows.read_by is not None:
        yield from _filled(f"as a recipe reads them with {_yaml(rows.read_by)}", look)
    if rows.read_from:
        yield from _filled(f"and renders them with columns: {_yaml(rows.read_from)}", look)
        yield from _unknown_lines(rows, look)
    for reason in refused(rows.unread):
        yield from _filled(f"not read: {_reason(reason)}", look)
    yield ""


def _unknown_lines(rows: Rows, look: Look) -> Iterator[str]:
    """Columns that a file does not seem to have."""
    for column in rows.read_from.values() if rows.columns else ():
        name = column.removeprefix(OWN_FIELDS)
        if column not in OF_THE_DOCUMENT and not {name, name.partition(".")[0]} & {*rows.columns}:
            hint = did_you_mean(name, rows.columns)
            yield from _filled(f"no column '{name}' in the first rows{hint}", look, fg="yellow")


def template_lines(result: Rendered, rows: Rows, look: Look, tokens: Tokens | None = None) -> Iterator[str]:
    """One template on the rows: a head, the conversations and drops that are shown, and the counts of all rows."""
    front = result.template.front
    wording = f"  phrasing {result.phrasing}" if result.phrasing else ""
    yield look.style(f"{result.template.name}{wording}", bold=True) + "  " + look.style(front.summary, dim=True)
    yield ""
    views = tokens.views([row for row in result.shown if isinstance(row, Example)]) if tokens else {}
    for row in result.shown:
        facts = [place(row.origin), getattr(row, "variant", None) or ""]
        document = row.document_ids[0] if isinstance(row, Example) else str(row.id)
        yield look.style(document, bold=True) + "".join(f"  {fact}" for fact in facts if fact)
        if isinstance(row, Drop):
            yield from _drop_lines(row, look)
        elif row.id in views:
            yield from _token_lines(views[row.id], look)
        else:
            for message in row.messages:
                yield from _message_lines(message, look)
            yield from _tool_lines(row, look)
        yield ""
    yield from _count_lines(result, rows, look)


def fault_lines(name: str, fault: Exception, look: Look) -> Iterator[str]:
    """A template that cannot be loaded: its faults with their places."""
    yield look.style(name, bold=True) + "  " + look.style("at fault", fg="red", bold=True)
    for line in str(fault).splitlines():
        indent = line[: len(line) - len(line.lstrip())]
        yield from _filled(line.lstrip(), look, indent=indent, fg="red")


def _message_lines(message: Message, look: Look) -> Iterator[str]:
    weight = trained_weight(message)
    said = ""
    if weight > 0:
        words = pl.select(word_count(pl.lit(message.content))).item()
        at = f", weight {weight:g}" if weight != 1 else ""
        said = f"trained{at}, {_number(words, 'word')}, {_number(len(message.content), 'character')}"
    elif message.role == "assistant":
        said = "not trained on"
    name = f" {message.name}" if message.name else ""
    colour = ROLE_COLOURS.get(message.role)
    yield (
        "  "
        + look.style(message.role + name, fg=colour, bold=True)
        + (f"  {look.style(said, dim=True)}" if said else "")
    )
    style = TRAINED if weight > 0 else ""
    if message.content:
        yield from _body([(message.content, style)], look)
    for call in orjson.loads(message.tool_calls or "[]"):
        function = call["function"]
        shown = f"→ {function['name']}({orjson.dumps(function['arguments']).decode()})"
        yield from _body([(shown, style)], look)


def _tool_lines(example: Example, look: Look) -> Iterator[str]:
    if example.tools:
        named = [tool.get("function", tool).get("name", "?") for tool in orjson.loads(example.tools)]
        yield from _filled(f"tools: {', '.join(named)}", look, indent="  ")


def _token_lines(view: list[tuple[str, float]] | str, look: Look) -> Iterator[str]:
    if isinstance(view, str):
        yield from _filled(view, look, indent="  ", fg="red")
        return
    trained = sum(weight > 0 for _, weight in view)
    yield "  " + look.style(f"{_number(len(view), 'token')}, {trained:,} trained on", dim=True)
    pieces: list[Piece] = []
    for text, weight in view:
        style = TRAINED if weight > 0 else ""
        before = pieces[-1][1] if pieces else ""
        if style != before and not look.colour:
            pieces.append(("⟦" if style else "⟧", style))
        if pieces and pieces[-1][1] == style:
            pieces[-1] = (pieces[-1][0] + text, style)
        else:
            pieces.append((text, style))
    if pieces and pieces[-1][1] and not look.colour:
        pieces.append(("⟧", ""))
    yield from _body(pieces, look)


def _body(pieces: Sequence[Piece], look: Look) -> Iterator[str]:
    length = sum(len(text) for text, _ in pieces)
    if look.full or length <= FOLDED:
        yield from _gutter(pieces, look)
        return
    head, tail = _cut(pieces, 0, BEGINNING), _cut(pieces, length - END, length)
    yield from _gutter(head, look)
    folded = length - sum(len(text) for text, _ in [*head, *tail])
    yield "  " + look.style(f"│ … {folded:,} characters folded; --full shows them …", dim=True)
    yield from _gutter(tail, look)


def _cut(pieces: Sequence[Piece], start: int, end: int) -> list[Piece]:
    """The pieces between two places, without white space where they are cut."""
    found, at = list[Piece](), 0
    for text, style in pieces:
        part = text[max(start - at, 0) : max(end - at, 0)]
        if part:
            found.append((part, style))
        at += len(text)
    if found and start:
        found[0] = (found[0][0].lstrip(), found[0][1])
    elif found:
        found[-1] = (found[-1][0].rstrip(), found[-1][1])
    return found


def _gutter(pieces: Sequence[Piece], look: Look) -> Iterator[str]:
    for line in marked(pieces, look.whitespace):
        rows = [line] if look.width is None else wrapped(line, max(look.width - 4, 20))
        for number, row in enumerate(rows):
            text = "".join(
                look.style(part, **STYLES[style]) for part, style in _without_end(row, number < len(rows) - 1)
            )
            yield ("  " + look.style("┆" if number else "│", dim=True) + " " + text).rstrip(" ")


def _without_end(row: list[Piece], is_cut: bool) -> list[Piece]:
    """A row without the space that it was cut at, which may lie outside of the terminal."""
    if not is_cut or not row:
        return row
    return [*row[:-1], (row[-1][0].rstrip(" "), row[-1][1])]


def _drop_lines(drop: Drop, look: Look) -> Iterator[str]:
    value = f" ({drop.value})" if drop.value else ""
    yield "  " + look.style("dropped", fg="red", bold=True) + f": {drop.rule}{value}"
    if drop.detail:
        yield from _filled(drop.detail, look, indent="  ")


def _count_lines(result: Rendered, rows: Rows, look: Look) -> Iterator[str]:
    dropped = sum(reason.rows for reason in result.refused)
    shown = f"; {len(result.shown):,} of them shown" if len(result.shown) < result.rows else ""
    said = f"{_number(result.rows, 'row')}: {_number(result.kept, 'example')}, {dropped:,} dropped{shown}"
    yield look.style(f"{result.template.name}: {said}", bold=True)
    for reason in result.refused:
        yield from _filled(_reason(reason), look, indent="  ")
    text = (rows.read_by or {}).get("text")
    missing = [str(reason.value) for reason in result.refused if reason.rule == "missing_input"]
    for name in missing:
        if rows.columns and name not in {*rows.columns, *rows.read_from, *OF_THE_DOCUMENT}:
            yield from _filled(
                f"the file has no column '{name}' (it has {', '.join(rows.columns)}); --column {name}=COLUMN reads "
                "the input from another",
                look,
                indent="  ",
                fg="yellow",
            )
    for name in [name for name in missing if text and rows.read_from.get(name, name) == text][:1]:
        yield from _filled(
            f"column '{text}' is the document's text here, so it is no field: read '{name}' from the text (--column "
            f"{name}=text, in a recipe columns: {_yaml({name: 'text'})}), or list the column under `fields` in the "
            "recipe",
            look,
            indent="  ",
            fg="yellow",
        )


def _reason(reason: Refused) -> str:
    about = f" ({reason.value})" if reason.value else ""
    return f"{reason.rows:,} {reason.rule}{about}, first {place(reason.first.origin)}: {reason.first.detail or ''}"


def _filled(text: str, look: Look, indent: str = "", **style: Any) -> Iterator[str]:
    """A sentence in the terminal's width."""
    line = [(part, s) for pieces in marked(text, "off") for part, s in pieces]
    for number, row in enumerate(
        [line] if look.width is None else wrapped(line, max(look.width - len(indent) - 2, 20))
    ):
        said = "".join(part for part, _ in row).rstrip()
        yield indent + ("  " if number else "") + look.style(said, **style)


def _number(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _yaml(keys: dict[str, Any]) -> str:
    """The keys of a recipe step on one line."""
    from instructkit.report.yaml_text import flow

    return flow(keys)
