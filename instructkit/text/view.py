"""Which text of a record a stage looks at."""

from __future__ import annotations

from typing import Literal

import polars as pl

from instructkit.errors import StageError
from instructkit.text.conversation import LEARNED, PLAIN_TEXT

View = Literal["all", "prompt", "response"]
"""`all`: a document's text, or all messages of an example. `prompt`: the messages of everyone but the assistant.
`response`: the messages of the assistant. A plain text is shown whole by each of them: if its prompt were
nothing, all texts would have the same."""

BETWEEN = "\n\n"
"""Stands between messages that are looked at as one text."""


def view(shard: pl.DataFrame | pl.LazyFrame, of: View) -> pl.Expr:
    """The text that `of` names, as an expression over the shard's columns (String, never null).

    Raises StageError when a document is asked for its prompt or response.
    """
    names = shard.collect_schema().names()
    if "messages" in names:
        return example_text(of)
    if of != "all":
        raise StageError(
            f"a document has no {of}: `of: {of}` needs examples; put the step after `render`, or say `of: all`"
        )
    return pl.col("text").fill_null("")


def shows(role: str, of: View) -> bool:
    """Whether a view shows the messages of a role."""
    return of == "all" or role == PLAIN_TEXT or (role in LEARNED) == (of == "response")


def example_text(of: View) -> pl.Expr:
    """The contents of an example's messages that `of` names, joined by a blank line; "" when there are none."""
    message = pl.element()
    if of == "prompt":
        message = message.filter(message.struct.field("role") != "assistant")
    elif of == "response":
        message = message.filter(message.struct.field("role").is_in(LEARNED))
    contents = pl.col("messages").list.eval(message.struct.field("content"))
    return contents.list.join(BETWEEN, ignore_nulls=True).fill_null("")


def plain_texts() -> pl.Expr:
    """Which rows of a frame of the Example noun are plain texts, not conversations; never null."""
    first = pl.col("messages").list.first().struct.field("role")
    return ((pl.col("messages").list.len() == 1) & (first == PLAIN_TEXT)).fill_null(False)
