"""The part of docs/benchmarks.md on training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version

from benchmarks.page import machine, table
from benchmarks.process import Run
from benchmarks.train.overhead import Overhead
from benchmarks.train.tokens import Timed
from benchmarks.train.ways import WAYS, Took

OURS, BF16, PADDED, GROUPED, TRL = WAYS
FASTER = {TRL: 2.2, GROUPED: 1.2}
"""Real tokens a second of ours over those of another way, on the first shape: what is meant to be reached at least."""
MEMORY = {TRL: 0.65}
"""Peak memory of ours over another's: at most."""
LOSS_APART = 0.005
TOKENISING = 0.9
PLAN_S = 1.0
OVERHEAD = 0.03
PACKAGES = ("torch", "transformers", "tokenizers", "accelerate", "polars", "numpy")
TEXT = (
    "Each line is one run in a process of its own, on 2 threads, from the same random weights over the same chats, "
    "but for some 3 % that each leaves out by its own order: AdamW, one constant rate, about 8,192 tokens a step, the "
    "loss on answers only. *tokens/s* counts real tokens, no padding, over all steps but the first, which lays memory "
    "out. *peak MB* is the process's largest resident memory, imports and saving included. *loss* is that of the "
    "saved model on chats that nobody trained on, in nats per trained token, by plain transformers. Ways take turns "
    "where there are several rounds; each line is the fastest."
)
NOT_YET = (
    "Not yet measured, for want of a GPU: attention of variable length on CUDA, bf16 and fp16 there, compiled layers, "
    "the share of a GPU's peak (MFU), FSDP2 and DDP over NCCL. They are built; tests marked `gpu` wait for a device."
)


@dataclass(frozen=True, kw_only=True)
class Trained:
    """A way on a shape."""

    took: Took
    run: Run
    loss: float

    @property
    def rate(self) -> float:
        """Real tokens a second."""
        return self.took.tokens / self.took.seconds


def part(
    command: str,
    date: str,
    load: float,
    trained: Mapping[str, Mapping[str, Trained]],
    tokens: Timed,
    overheads: Mapping[str, Overhead],
    left_out: Sequence[str],
    chats: Mapping[str, str],
    versions: Mapping[str, str],
) -> str:
    """The part as Markdown; `trained` by shape and way."""
    named = {name: version(name) for name in PACKAGES} | dict(versions)
    lines = [
        "## Training",
        "",
        f"* Command: `{command}`, on {date}",
        f"* Machine: {machine()}; load before the run {load:.1f}",
        f"* Versions: {', '.join(f'{name} {number}' for name, number in named.items())}",
        "",
        TEXT,
        "",
    ]
    for shape, ways in trained.items():
        lines += [
            f"### A Llama shape of {shape}",
            "",
            f"{chats[shape]}.",
            "",
            *_table(ways),
            "",
            *_verdicts(shape, ways, trained),
            "",
        ]
        if shape in overheads:
            found = overheads[shape]
            share = found.step_s / found.bare_s - 1
            lines += [
                f"* A whole step over bare forward and backward of its batches: {share:+.1%}. "
                f"Target: at most {OVERHEAD:.0%}. {_reached(share <= OVERHEAD)}.",
                "",
            ]
    if left_out:
        lines += [f"Not installed, so left out: {', '.join(left_out)}.", ""]
    return "\n".join([*lines, *_tokens(tokens), "", NOT_YET])


def _table(ways: Mapping[str, Trained]) -> list[str]:
    ours = ways[OURS]
    rows = [
        (
            way,
            f"{each.rate:,.0f}",
            "" if way == OURS else f"{ours.rate / each.rate:.2f}×",
            f"{each.run.peak_mb:,.0f}",
            "" if way == OURS else f"{ours.run.peak_mb / each.run.peak_mb:.2f}×",
            f"{each.loss:.4f}",
            f"{each.took.steps:,}",
            f"{each.run.seconds:,.0f}",
        )
        for way, each in ways.items()
    ]
    heads = ("way", "tokens/s", "ours", "peak MB", "ours", "loss", "steps timed", "whole s")
    return table(heads, rows, words=1)


def _verdicts(shape: str, ways: Mapping[str, Trained], trained: Mapping[str, object]) -> list[str]:
    ours, lines = ways[OURS], []
    if shape == next(iter(trained)):
        for way, least in FASTER.items():
            if way in ways:
                found = ours.rate / ways[way].rate
                lines.append(f"* Target: at least {least:g}× {way}. {_reached(found >= least)}: {found:.2f}×.")
        for way, most in MEMORY.items():
            if way in ways:
                found = ours.run.peak_mb / ways[way].run.peak_mb
                lines.append(f"* Target: peak memory at most {most:g}× {way}. {_reached(found <= most)}: {found:.2f}×.")
    for way in (TRL, GROUPED, PADDED):
        if way in ways:
            apart = ours.loss / ways[way].loss - 1
            verdict = _reached(abs(apart) <= LOSS_APART)
            lines.append(f"* Target: loss within {LOSS_APART:.1%} of {way}. {verdict}: {apart:+.2%}.")
    return lines


def _tokens(timed: Timed) -> list[str]:
    rows = [
        (what, f"{seconds:.2f}", f"{timed.rows / seconds:,.0f}", f"{timed.tokens / seconds:,.0f}")
        for what, seconds in (
            ("instructkit: rendered, tokenised, labelled, verified", timed.ours_s),
            ("tokenizers, `encode_batch` of the rendered texts", timed.encode_batch_s),
            ("transformers, `tokenizer(texts)` of the rendered texts", timed.call_s),
        )
    ]
    library, call = timed.encode_batch_s / timed.ours_s, timed.call_s / timed.ours_s
    return [
        "### From examples to tokens",
        "",
        f"{timed.rows:,} chats in ChatML, the best of several runs that take turns; both cores for everybody.",
        "",
        *table(("way", "seconds", "chats/s", "tokens/s"), rows, words=1),
        "",
        f"* Target: at least {TOKENISING:g}× the library's own batched speed. {_reached(library >= TOKENISING)}: "
        f"{library:.2f}× `encode_batch`, {call:.2f}× the call of a transformers tokenizer.",
        f"* Target: the plan of an epoch under {PLAN_S:g} s. {_reached(timed.plan_s < PLAN_S)}: {timed.plan_s:.2f} s.",
    ]


def _reached(yes: bool) -> str:
    return "Reached" if yes else "Missed"
