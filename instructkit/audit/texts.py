"""The texts of a row that checks look at."""

from __future__ import annotations

import polars as pl

from instructkit.text.view import BETWEEN

FENCED = r"(?s)```.*?(?:```|\z)"
FILLED = ("question", "opening", "answer", "asked", "replied", "said", "prompt", "response")
INLINE = r"`[^`\n]+`"


def with_texts(rows: pl.DataFrame) -> pl.DataFrame:
    """Rows (schema ROWS) that are conversations, with more columns, all String and never null.

    question: what the user says last; opening: what the user says first. answer: what the assistant says last; prose:
    that without its code. asked: all that is said by others than the assistant and the system, which may say the same
    in every row; replied: all that the assistant says, calls of tools as well. said: who says what, all of it, as one
    text. whole: prompt and response as one text.
    """
    message = pl.element()
    role, content = message.struct.field("role"), message.struct.field("content")
    calls = message.struct.field("tool_calls")
    messages = pl.col("messages")
    return (
        rows.filter(pl.col("fault").is_null())
        .with_columns(
            question=messages.list.eval(content.filter(role == "user")).list.last(),
            opening=messages.list.eval(content.filter(role.is_in(["user", "text"]))).list.first(),
            answer=messages.list.eval(content.filter(role == "assistant")).list.last(),
            asked=messages.list.eval(content.filter(~role.is_in(["assistant", "system"]))).list.join(BETWEEN),
            replied=messages.list.eval(
                pl.concat_str(content, calls, separator="\n", ignore_nulls=True).filter(role == "assistant")
            ).list.join(BETWEEN),
            said=messages.list.eval(
                pl.concat_str(role, content.fill_null(""), calls.fill_null(""), separator="\x1f")
            ).list.join("\x1e"),
        )
        .with_columns(pl.col(FILLED).fill_null(""))
        .with_columns(
            prose=without_code(pl.col("answer")),
            whole=pl.concat_str("prompt", "response", separator=BETWEEN),
        )
    )


def without_code(text: pl.Expr) -> pl.Expr:
    """The text without fenced blocks and words between backticks."""
    return text.str.replace_all(FENCED, " ").str.replace_all(INLINE, " ")
