"""Evaluate a model on shards of examples."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson
import polars as pl

from instructkit.chat.format import chat_format
from instructkit.chat.rendering import ChatFormat
from instructkit.errors import UsageFault, did_you_mean
from instructkit.evaluate.choose import choose
from instructkit.evaluate.generate import reply_to
from instructkit.evaluate.losses import measure, overall, slices
from instructkit.evaluate.result import Evaluation, Generation
from instructkit.models.load import Precision, best_device, load_model, load_tokenizer
from instructkit.models.runner import Runner, make_runner
from instructkit.schema import Example, records

COLUMNS = ("template", "source", "task", "language", "split")
"""What a loss can be taken by."""
REPLY_TOKENS = 96
"""Length of the replies that are shown."""


def evaluate(
    model: str | Path,
    shards: Sequence[Path],
    *,
    split: str = "test",
    by: Sequence[str] = ("template",),
    limit: int | None = None,
    seed: int = 0,
    generations: int = 0,
) -> Evaluation:
    """Losses of a model directory (or hub name) on a split, per value of each column in `by`, and some replies.

    `limit`: examples per template, chosen by seeded hash; None: all. Raises UsageFault for a split without examples
    or an unknown column, TrainingError for a model that cannot be loaded or has no usable chat template.
    """
    examples = choose(shards, split, limit, seed)
    chat = chat_format(load_tokenizer(str(model)))
    loaded = load_model(str(model)).to(best_device())
    longest = model_limit(loaded)
    return evaluate_examples(
        make_runner(loaded, min(longest or 512, 2048)),
        chat,
        examples,
        by=by,
        max_tokens=longest,
        generations=generations,
    )


def evaluate_examples(
    runner: Runner,
    chat: ChatFormat,
    examples: pl.DataFrame,
    *,
    by: Sequence[str],
    max_tokens: int | None,
    generations: int,
    precision: Precision = "auto",
) -> Evaluation:
    """The same for a loaded model and chosen examples. `max_tokens`: longer examples are counted, not measured."""
    for column in by:
        if column not in COLUMNS:
            raise UsageFault(f"no losses by '{column}'{did_you_mean(column, COLUMNS)} (known: {', '.join(COLUMNS)})")
    measured = measure(runner, chat, examples, max_tokens, precision)
    return Evaluation(
        split=examples["split"][0],
        overall=overall(measured.rows),
        slices=slices(measured.rows, by),
        generations=_generations(runner, chat, examples, generations),
        unlabelled=measured.unlabelled,
        overlong=measured.overlong,
    )


def model_limit(model: Any) -> int | None:
    """Longest input of a model, in tokens; None where its config sets none."""
    limit = getattr(model.config, "max_position_embeddings", None)
    return int(limit) if limit else None


def _generations(runner: Runner, chat: ChatFormat, examples: pl.DataFrame, count: int) -> list[Generation]:
    """Replies to `count` examples, taken from the templates in turn."""
    turns = examples.with_columns(round=pl.int_range(pl.len()).over("template"))
    chosen = turns.sort("round", "template", maintain_order=True).drop("round")
    found: list[Generation] = []
    with runner.generating() as model:
        for example in records(Example, chosen):
            if len(found) == count:
                break
            last = example.messages[-1] if example.messages else None
            if last is None or last.role != "assistant" or len(example.messages) < 2:
                continue
            prompt = example.messages[:-1]
            tools = orjson.loads(example.tools) if example.tools else None
            try:
                reply = reply_to(model, chat, prompt, tools, max_new_tokens=REPLY_TOKENS)
            except UsageFault:  # the prompt alone fills the model: nothing to show
                continue
            found.append(
                Generation(
                    example_id=example.id,
                    template=example.template,
                    prompt=prompt,
                    expected=last.content,
                    reply=reply.text,
                    stopped=reply.stopped,
                )
            )
    return found
