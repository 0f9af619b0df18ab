"""Which text of a record a stage looks at."""

from __future__ import annotations

from typing import Literal

import polars as pl

from instructkit.errors import StageError

View = Literal["all", "prompt", "response"]
"""`all`: a document's text, or all messages of an example. `prompt`: the messages of everyone but the assistant.
`response`: the messages of the assistant."""

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


def example_text(of: View) -> pl.Expr:
    """The contents of an example's messages that `of` names, joined by a blank line; "" when there are none."""
    message = pl.element()
    if of == "prompt":
        message = message.filter(message.struct.field("role") != "assistant")
    elif of == "response":
        message = message.filter(message.struct.field("role") == "assistant")
    contents = pl.col("messages").list.eval(message.struct.field("content"))
    return contents.list.join(BETWEEN, ignore_nulls=True).fill_null("")
