"""Rows for a person to read: documents, conversations, drops, and the tokens a model would be trained on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import click
import polars as pl

from instructkit.build.manifest import Build
from instructkit.errors import UsageFault
from instructkit.report.duplicates import clusters, origins
from instructkit.report.lineage import place
from instructkit.schema import Document, Drop, Example, Message, records

ROLE_COLOURS = {"system": "magenta", "user": "cyan", "assistant": "green", "tool": "yellow", "text": "green"}


MOST_MEMBERS = 20
"""Records of a cluster that are shown."""


def pick(build: Build, step: str, rows: int, where: str | None = None, record_id: str | None = None) -> pl.DataFrame:
    """Some rows of a step: the first that match, spread evenly over the step when nothing narrows them down."""
    frame = build.rows(step)
    if record_id is not None:
        frame = frame.filter(pl.col("id") == record_id)
    if where is not None:
        try:
            return frame.sql(f"SELECT * FROM self WHERE {where}").head(rows).collect()
        except pl.exceptions.PolarsError as error:
            raise UsageFault(
                f"--where {where!r}: {error}; columns: {', '.join(frame.collect_schema().names())}"
            ) from None
    if record_id is None:
        total = build.step(step).rows_kept
        # Neighbours in a file are alike: show some from all over it.
        stride = max(1, total // max(1, rows))
        frame = frame.with_row_index("_row").filter(pl.col("_row") % stride == stride // 2).drop("_row")
    return frame.head(rows).collect()


def matching(frame: pl.LazyFrame, where: str) -> pl.LazyFrame:
    """The rows for which a SQL condition holds. Raises UsageFault with the columns there are."""
    try:
        found = frame.sql(f"SELECT * FROM self WHERE {where}")
        found.collect_schema()
    except pl.exceptions.PolarsError as error:
        said = str(error).strip().partition("\n")[0]
        raise UsageFault(f"--where {where!r}: {said}; columns: {', '.join(frame.collect_schema().names())}") from None
    return found


def row_lines(noun: type, frame: pl.DataFrame, full: bool = False) -> Iterator[str]:
    """Rows as text, coloured where the terminal has colours."""
    if noun is Example:
        for example in records(Example, frame):
            yield from _example_lines(example, full)
    else:
        for document in records(Document, frame):
            yield from _document_lines(document, full)


def export_lines(frame: pl.DataFrame) -> Iterator[str]:
    """Rows of an export step, as they stand in the file."""
    for row in frame.iter_rows(named=True):
        yield row["line"] if "line" in row else str(row)


def drop_lines(drops: pl.DataFrame) -> Iterator[str]:
    """Drops as text, one a line, with their reason."""
    for drop in records(Drop, drops):
        facts = [
            f"value {drop.value}" if drop.value is not None else "",
            f"threshold {drop.threshold}" if drop.threshold else "",
        ]
        said = ", ".join(fact for fact in facts if fact)
        name = drop.id or "(no id)"
        yield click.style(name, bold=True) + f"  {place(drop.origin)}"
        template = f" template {drop.template}" if drop.template else ""
        yield f"  {drop.step}{template}: {click.style(drop.rule, fg='red')}" + (f" ({said})" if said else "")
        if drop.detail:
            yield f"  {drop.detail}"


def token_lines(example: Example, tokens: Sequence[tuple[str, float]]) -> Iterator[str]:
    """A conversation as the model sees it; trained tokens green, with brackets where there are no colours."""
    yield click.style(example.id, bold=True)
    trained = sum(weight > 0 for _, weight in tokens)
    yield f"  {len(tokens)} tokens, {trained} of them trained on (green, between ⟦ and ⟧)"
    text, on = "", False
    for token, weight in tokens:
        if (weight > 0) != on:
            text += "⟦" if weight > 0 else "⟧"
            on = weight > 0
        text += click.style(token, fg="green") if weight > 0 else token
    yield text + ("⟧" if on else "")


def _head(record: Document | Example) -> str:
    repeats = f"repeats {record.repeats:g}" if isinstance(record, Example) and record.repeats != 1 else None
    facts = [place(record.origin), record.language, record.split, repeats]
    return click.style(record.id, bold=True) + "  " + "  ".join(fact for fact in facts if fact)


def _document_lines(document: Document, full: bool) -> Iterator[str]:
    yield _head(document)
    if document.fields != "{}":
        yield f"  fields {_clip(document.fields, full)}"
    yield from ("  " + line for line in _clip(document.text, full).splitlines())
    yield ""


def _example_lines(example: Example, full: bool) -> Iterator[str]:
    yield _head(example)
    for message in example.messages:
        yield click.style(f"  {message.role}", fg=ROLE_COLOURS.get(message.role), bold=True) + _weight(message)
        yield from ("    " + line for line in _clip(message.content, full).splitlines())
        if message.tool_calls:
            yield f"    calls {_clip(message.tool_calls, full)}"
    yield ""


def _weight(message: Message) -> str:
    return f" (weight {message.weight:g})" if message.weight is not None else ""


def _clip(text: str, full: bool, limit: int = 800) -> str:
    if full or len(text) <= limit:
        return text
    return f"{text[:limit]}… ({len(text) - limit:,} more characters; --full shows them)"


def cluster_lines(build: Build, step: str, count: int) -> list[str]:
    """The first `count` clusters of `duplicates.clusters`, each with its records, where they come from, and how much
    each is like the record that it is most like.
    """
    members = clusters(build, step)
    sizes = members.group_by("cluster", maintain_order=True).len()
    many = f"{sizes.height:,} clusters, the largest first" if sizes.height > 1 else "1 cluster"
    lines = [f"{members.height:,} records in {many}"] if sizes.height else []
    if members["nearest"].count():
        lines[0] += "; beside each record, how much it is like which other"
    shown = members.head(int(sizes["len"].head(count).sum())).partition_by("cluster", maintain_order=True)
    ids = [name for cluster in shown for name in cluster["id"].head(MOST_MEMBERS)]
    from_where = origins(build, step, ids) if ids else {}
    for cluster in shown:
        lines += ["", f"cluster of {cluster.height:,}"]
        for row in cluster.head(MOST_MEMBERS).iter_rows(named=True):
            like = f"  {row['similarity']:.3f} to {row['nearest']}" if row["nearest"] else ""
            verdict = "kept   " if row["survivor"] is None else "dropped"
            lines.append(f"  {verdict}  {row['id']}  {place(from_where[row['id']])}{like}")
        if cluster.height > MOST_MEMBERS:
            lines.append(f"  and {cluster.height - MOST_MEMBERS:,} more; --json lists all")
    return lines
