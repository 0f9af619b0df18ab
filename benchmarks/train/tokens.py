"""From examples to labelled tokens, in a process of its own: `python -m benchmarks.train.tokens PROJECT ROWS`.

Beside it the tokenizer library alone, which is given the rendered texts: its `encode_batch`, and the call of a
transformers tokenizer, which most programs make.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import polars as pl

from benchmarks.train.project import SEQUENCE_LENGTH, TOKENS_PER_STEP

ROUNDS = 3


class Timed(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds of each way, the best of several that take turns."""

    rows: int
    tokens: int
    ours_s: float
    """`tokenize`: rendered, tokenised, labelled, verified."""
    encode_batch_s: float
    """The library alone, with offsets, given the texts."""
    call_s: float
    """`tokenizer(texts)` of transformers."""
    plan_s: float
    """The plan of one epoch over these rows."""


def timed(project: Path, rows: int) -> Timed:
    """Measure so many rows, which are the project's over and over with a number in front."""
    from instructkit.chat.format import chat_format
    from instructkit.chat.tokenize import tokenize
    from instructkit.models.load import load_tokenizer
    from instructkit.schema import Example, records
    from instructkit.train.data.plan import make_plan

    chat = chat_format(load_tokenizer(str(project / "model")))
    examples = repeated(pl.read_parquet(project / "examples/0.parquet"), rows)
    texts = [
        chat.render([{"role": m.role, "content": m.content} for m in e.messages])[0] for e in records(Example, examples)
    ]
    ways: dict[str, Callable[[], object]] = {
        "ours": lambda: tokenize(examples, chat),
        "encode_batch": lambda: chat.tokenizer.backend_tokenizer.encode_batch(texts, add_special_tokens=False),
        "call": lambda: chat.tokenizer(texts, add_special_tokens=False),
    }
    best = dict.fromkeys(ways, float("inf"))
    for name in list(ways) * ROUNDS:
        start = time.perf_counter()
        ways[name]()
        best[name] = min(best[name], time.perf_counter() - start)
    lengths = np.array([len(ids) for ids in chat.tokenizer(texts, add_special_tokens=False)["input_ids"]])
    start = time.perf_counter()
    make_plan(
        np.minimum(lengths, SEQUENCE_LENGTH),
        np.ones(rows),
        capacity=SEQUENCE_LENGTH,
        rows_per_step=TOKENS_PER_STEP // SEQUENCE_LENGTH,
        epochs=1,
        max_steps=None,
        seed=17,
    )
    return Timed(
        rows=rows,
        tokens=int(lengths.sum()),
        ours_s=best["ours"],
        encode_batch_s=best["encode_batch"],
        call_s=best["call"],
        plan_s=time.perf_counter() - start,
    )


def repeated(examples: pl.DataFrame, rows: int) -> pl.DataFrame:
    """The examples over and over, each time with another id and another first word."""
    times = -(-rows // examples.height)
    parts = []
    for turn in range(times):
        renamed = pl.concat_str(pl.lit(f"{turn}: "), pl.element().struct.field("content"))
        parts.append(
            examples.with_columns(
                id=pl.concat_str("id", pl.lit(f"-{turn}")),
                messages=pl.col("messages").list.eval(pl.element().struct.with_fields(content=renamed)),
            )
        )
    return pl.concat(parts).head(rows)


if __name__ == "__main__":
    print(msgspec.json.encode(timed(Path(sys.argv[1]), int(sys.argv[2]))).decode())
