"""The examples that a model does worst on."""

from __future__ import annotations

from typing import NamedTuple

import polars as pl

from instructkit.evaluate.result import Evaluation, Generation
from instructkit.schema import Message


class Worst(NamedTuple):
    """An example, and how bad it is."""

    example_id: str
    why: str
    prompt: list[Message]
    expected: str
    reply: str | None


def worst_replies(found: Evaluation, count: int) -> list[Worst]:
    """Replies with the lowest scores: by the first metric of their template, then by the mean of all; from 0 to 1."""
    scored = [(_unit_scores(g), g) for g in found.generations if g.scores]
    scored.sort(key=lambda pair: (pair[0][0], sum(pair[0]) / len(pair[0]), pair[1].example_id, pair[1].sample))
    return [Worst(g.example_id, _why(g), g.prompt, g.expected, g.reply) for _, g in scored[:count]]


def worst_losses(rows: pl.DataFrame, examples: pl.DataFrame, count: int) -> list[Worst]:
    """Examples with the highest loss per token. `rows` as `losses.measure` gives them."""
    mean = (pl.col("loss") / pl.col("weight")).alias("mean")
    top = rows.filter(pl.col("weight") > 0).select("id", mean).sort("mean", "id", descending=[True, False]).head(count)
    messages = dict(examples.filter(pl.col("id").is_in(top["id"].to_list())).select("id", "messages").iter_rows())
    found = []
    for example_id, loss in top.iter_rows():
        spoken = [Message(role=m["role"], content=m["content"]) for m in messages[example_id]]
        last = spoken[-1].content if spoken else ""
        found.append(Worst(example_id, f"loss {loss:.2f}", spoken[:-1], last, None))
    return found


def _unit_scores(reply: Generation) -> list[float]:
    return [value / 100 if metric in ("bleu", "chrf") else value for metric, value in reply.scores.items()]


def _why(reply: Generation) -> str:
    scores = ", ".join(f"{metric} {value:.2f}" for metric, value in reply.scores.items())
    return scores if reply.stopped else f"{scores}, not ended"
