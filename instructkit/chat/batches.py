"""Many conversations labelled at once, by array arithmetic; what that cannot prove is left to `labels`.

    row 0   text  ⋯user⏎Ping?<|im_end|>⏎<|im_start|>assistant⏎Pong.<|im_end|>⏎        target 71 to 86
    bytes of the batch, row behind row      ├──────────┤├──────────┤⋯
    tokens of the batch                     ├┤├──┤├┤├──┤├─┤├───────┤⋯                 each begins at a byte

A row is labelled here when all of this holds, which together proves its labels: its tokens, spelled, are its text byte
for byte; each target begins and ends between two tokens; and the last token of each is its stop token. `labels` does
the rest, one by one: edges that tokens reach across, spans, tokenizers that spell in another way.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from instructkit.chat.labels import tools_of
from instructkit.chat.locate import locate
from instructkit.chat.rendering import ChatFormat
from instructkit.chat.scaffold import Scaffolds
from instructkit.chat.search import FAILURES, Target, Unlabelled
from instructkit.chat.spelling import Spelling
from instructkit.schema import Example, records

_PLAIN = ("name", "tool_calls", "tool_call_id", "reasoning", "spans", "media")
"""What a plain message has not."""

Indices = npt.NDArray[np.int64]


@dataclass
class Found:
    """Rendered conversations of a batch whose targets are known; the three lists have one length."""

    rows: list[int] = field(default_factory=list)
    """Their rows in the batch."""
    texts: list[str] = field(default_factory=list)
    targets: list[tuple[Target, ...]] = field(default_factory=list)
    """With the example's weight in theirs."""

    def add(self, row: int, text: str, targets: Iterable[Target]) -> None:
        """One conversation more."""
        self.rows.append(row)
        self.texts.append(text)
        self.targets.append(tuple(targets))

    def only(self, wanted: npt.NDArray[np.bool_]) -> Found:
        """Those of the conversations that are wanted."""
        kept = np.flatnonzero(wanted).tolist()
        return Found([self.rows[i] for i in kept], [self.texts[i] for i in kept], [self.targets[i] for i in kept])


@dataclass(frozen=True)
class Exact:
    """The conversations whose labels are proven. n rows, t tokens."""

    rows: list[int]
    input_ids: npt.NDArray[np.int32]
    weights: npt.NDArray[np.float32]
    lengths: Indices


def find(batch: pl.DataFrame, chat: ChatFormat, scaffolds: Scaffolds) -> tuple[Found, dict[int, Unlabelled]]:
    """The conversations of a batch (a frame of the Example noun), rendered and located; and those that cannot be."""
    found = Found()
    _add_plain(found, batch, chat, scaffolds)
    explained = set(found.rows)
    rest = [row for row in range(batch.height) if row not in explained]
    faults = {}
    for row, example in zip(rest, records(Example, batch[rest]), strict=True):
        try:
            located = locate(example.messages, tools_of(example), chat, scaffolds)
        except Unlabelled as fault:
            faults[row] = fault
            continue
        if not any(target.spans for target in located.targets):
            weighted = (t._replace(weight=t.weight * example.weight) for t in located.targets)
            found.add(row, located.text, weighted)
    return found, faults


def _add_plain(found: Found, batch: pl.DataFrame, chat: ChatFormat, scaffolds: Scaffolds) -> None:
    """Add the conversations that a scaffold explains, without an object for each of them and their messages."""
    lists = batch["messages"]
    sizes = lists.list.len().fill_null(0).to_list()
    messages = lists.explode(empty_as_null=False).struct.unnest()
    odd = messages.select(pl.any_horizontal(pl.col(*_PLAIN).is_not_null())).to_series().to_list()
    roles, contents, weights = (messages[name].to_list() for name in ("role", "content", "weight"))
    toolless = batch["tools"].is_null().to_list()
    example_weights = batch["weight"].to_list()
    end = 0
    for row, size in enumerate(sizes):
        start, end = end, end + size
        if not size or not toolless[row] or any(odd[start:end]):
            continue
        said, spoken = contents[start:end], roles[start:end]
        scaffold = scaffolds.of(spoken, weights[start:end])
        if scaffold is None or any(map(chat.special.search, said)):
            continue
        try:
            text, _ = chat.render([{"role": r, "content": c} for r, c in zip(spoken, said, strict=True)], marks=False)
        except FAILURES:
            continue
        if scaffold.explains(text, said):
            found.add(row, text, scaffold.targets(said, example_weights[row]))


def exact(found: Found, encodings: Sequence[Any], spelling: Spelling | None, stop_ids: Mapping[str, int]) -> Exact:
    """Those of the conversations whose labels their tokens prove. `stop_ids`: id of each control token."""
    if spelling is None or not found.rows:
        return Exact([], np.zeros(0, np.int32), np.zeros(0, np.float32), np.zeros(0, np.int64))
    counts = np.array([len(encoding) for encoding in encodings], dtype=np.int64)
    ids = np.fromiter(chain.from_iterable(e.ids for e in encodings), dtype=np.int32, count=int(counts.sum()))
    written = [text.encode() for text in found.texts]
    sizes = np.array([len(text) for text in written], dtype=np.int64)
    firsts = np.cumsum(counts) - counts

    starts, lengths = spelling.places(ids, firsts[counts > 0])
    proven = _sums(lengths, counts) == sizes
    if not proven.all():
        encodings = [encoding for encoding, ok in zip(encodings, proven.tolist(), strict=True) if ok]
        return exact(found.only(proven), encodings, spelling, stop_ids)
    differs = spelling.spell(starts, lengths) != np.frombuffer(b"".join(written), dtype=np.uint8)
    proven &= _sums(differs, sizes) == 0

    ends = np.cumsum(lengths)
    targets = [(row, target) for row, targets in enumerate(found.targets) for target in targets]
    first_bytes = (np.cumsum(sizes) - sizes).tolist()
    places = np.array([_in_bytes(found.texts[r], t, first_bytes[r]) for r, t in targets], dtype=np.int64).reshape(-1, 2)
    begin = np.searchsorted(ends, places[:, 0], side="right")  # a token begins where the one before it ends
    last = np.searchsorted(ends, places[:, 1])
    stops = np.array([stop_ids.get(t.stop, -1) if t.stop else -2 for _, t in targets], dtype=np.int64)
    aligned = (ends[begin] - lengths[begin] == places[:, 0]) & (ends[last] == places[:, 1]) & (begin <= last)
    aligned &= (stops == ids[last]) | (stops == -2)
    weights = np.zeros(len(ids), dtype=np.float32)
    for (row, target), first, final, ok in zip(targets, begin.tolist(), last.tolist(), aligned.tolist(), strict=True):
        weights[first : final + 1] = target.weight
        proven[row] &= ok
    kept = np.repeat(proven, counts)
    return Exact(found.only(proven).rows, ids[kept], weights[kept], counts[proven])


def _sums(values: npt.NDArray[Any], lengths: Indices) -> Indices:
    """[n] sums of values that lie one row behind the other."""
    running = np.concatenate([[0], np.cumsum(values, dtype=np.int64)])
    ends = np.cumsum(lengths)
    sums: Indices = running[ends] - running[ends - lengths]
    return sums


def _in_bytes(text: str, target: Target, offset: int) -> tuple[int, int]:
    if text.isascii():
        return offset + target.start, offset + target.end
    start = offset + len(text[: target.start].encode())
    return start, start + len(text[target.start : target.end].encode())
