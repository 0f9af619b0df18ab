"""The part of docs/benchmarks.md on splits: what crosses, divided by group and at random."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.page import machine, table
from benchmarks.splits.judge import ALIKE, RAPIDFUZZ_VERSION, Judgement

KINDS = {
    "same_conversation": "same conversation",
    "same_prompt": "same prompt, other answer",
    "same_exchange": "same turn and answer",
    "near_conversation": "near-duplicate",
    "near_prompt": "near-duplicate prompt",
    "same_answer": "same long answer",
    "shared_text": "shares most of its text",
    "same_document": "same document",
    "same_group": "same group",
}
SHOWN = 3
"""Pairs of the judge that are printed, of those that are alike."""
EXCERPT = 160


@dataclass(frozen=True, kw_only=True)
class Division:
    """One way to divide the rows, and what crosses."""

    what: str
    command: str
    verified: dict[str, Any]
    """A dataset of `instructkit verify --json`."""
    judgement: Judgement | None


def part(*, recipe: str, date: str, divisions: Sequence[Division], dropped: int, held: tuple[int, int]) -> str:
    """The part as Markdown; `held`: rows of the evaluation that training no longer holds, of how many."""
    found, whole = held
    return "\n".join(
        [
            "## Splits",
            "",
            f"* Command: `python -m benchmarks.splits`, on {date}; the sets are named in the recipe",
            f"* Machine: {machine()}",
            "",
            "The same rows, divided by group and by lot, as `instructkit verify` finds them: rows of the later split "
            "that stand in the earlier one. A row counts once, in the first line that holds; documents and groups "
            "apart.",
            "",
            *_crossings(divisions),
            "",
            f"Decontamination: {whole:,} problems that the evaluation holds back stand in the training data as well, "
            f"each in six wordings. {dropped:,} examples were dropped; of {found:,} of the {whole:,} problems none is "
            "left.",
            "",
            *_judged(divisions),
            "",
            "<details><summary>The recipe</summary>",
            "",
            f"```yaml\n{recipe.rstrip()}\n```",
            "",
            "</details>",
        ]
    )


def _crossings(divisions: Sequence[Division]) -> list[str]:
    pairs = [(d, pair) for d in divisions for pair in d.verified["pairs"] if pair["earlier"] == "train"]
    head = ("rows of", *(f"{pair['later']}, {d.what}" for d, pair in pairs))
    rows = [(name, *(f"{pair['counts'][kind]:,}" for _, pair in pairs)) for kind, name in KINDS.items()]
    shares = (f"{p['crossing']:,} of {p['rows']:,} ({p['crossing'] / max(1, p['rows']):.2%})" for _, p in pairs)
    return table(head, [*rows, ("rows that stand in train", *shares)])


def _judged(divisions: Sequence[Division]) -> list[str]:
    if any(d.judgement is None for d in divisions):
        return ["The outside judge (rapidfuzz) could not be installed."]
    lines = [
        f"An outside judge, rapidfuzz {RAPIDFUZZ_VERSION}, compares prompts of the test split character by character "
        f"with all of the training split (`fuzz.ratio`, {ALIKE:g} or more). What is alike only by words that many "
        "prompts share, or says less than a few words, is counted apart.",
        "",
    ]
    rows, shown = [], []
    for d in divisions:
        said = d.judgement
        assert said is not None
        rows.append(
            (d.what, f"{said.judged:,}", f"{said.found:,}", f"{said.found - len(said.alike):,}", f"{len(said.alike):,}")
        )
        shown += [f"* {d.what}, {ratio:.0f}: “{_excerpt(a)}” — “{_excerpt(b)}”" for ratio, a, b in said.alike[:SHOWN]]
    return lines + table(("divided", "judged", "found", "by shared words", "alike"), rows) + ["", *shown]


def _excerpt(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= EXCERPT else f"{flat[:EXCERPT]}…"
