"""Replies measured: per slice, with intervals, and against another model's replies to the same prompts."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import polars as pl

from instructkit.evaluate.bootstrap import estimate, numbered, paired, ratio
from instructkit.evaluate.metrics.answer import Answer, Measured
from instructkit.evaluate.metrics.measures import measures, unmeasured
from instructkit.evaluate.metrics.texts import tokens
from instructkit.evaluate.result import Change, Generation, Score
from instructkit.evaluate.slices import changes_of, number, parts

_REASONING = re.compile(r"\s*<think>.*?</think>\s*", re.DOTALL)
Places = npt.NDArray[np.int64]
ALWAYS = "stopped"
"""Measured on every reply: whether the model ended it, and its length."""


class Replies:
    """Replies with what is known of their examples, measured once for all slices."""

    def __init__(self, replies: Sequence[Generation], rows: pl.DataFrame) -> None:
        """`rows`: as `losses.measure` gives them; replies to examples that are not among them are left out."""
        about = {row[0]: row[1:] for row in rows.select("id", "group", "language").iter_rows()}
        self.all = [reply for reply in replies if reply.example_id in about]
        self._about = [about[reply.example_id] for reply in self.all]
        self._rows = rows.filter(pl.col("id").is_in({reply.example_id for reply in self.all}))
        self._whole: dict[str, Measured] = {}

    def parts(self, by: Sequence[str]) -> Iterator[tuple[str, str, Places]]:
        """(column, value, places of the replies that have it)."""
        for column, name, part in parts(self._rows, by) if self.all else ():
            ids = set(part["id"])
            yield column, name, np.asarray([i for i, reply in enumerate(self.all) if reply.example_id in ids])

    def metrics(self, places: Places) -> dict[str, Places]:
        """The metrics that apply to some of these replies, and to which."""
        found: dict[str, list[int]] = {}
        for i in places.tolist():
            for metric in (*self.all[i].metrics, ALWAYS):
                if metric not in unmeasured():
                    found.setdefault(metric, []).append(i)
        return {metric: np.asarray(those) for metric, those in found.items()}

    def measured(self, metric: str, places: Places) -> Measured:
        """These replies by that metric. What is a class is told from these alone, all else from each by itself."""
        if metric == "accuracy":
            return measures(metric)([self._answer(i) for i in places.tolist()])
        if metric not in self._whole:
            self._whole[metric] = self._measure(metric)
        whole = self._whole[metric]
        return whole._replace(statistics=whole.statistics[places])

    def groups(self, places: Places) -> Places:
        """Their groups, numbered."""
        return numbered([self._about[i][0] for i in places.tolist()])

    def examples(self, places: Places) -> int:
        """How many examples they answer."""
        return len({self.all[i].example_id for i in places.tolist()})

    def _measure(self, metric: str) -> Measured:
        if metric == ALWAYS:
            counts = [(reply.stopped, reply.tokens, 1, 1) for reply in self.all]
            return Measured(("stopped", "tokens"), np.asarray(counts, dtype=np.float64), ratio)
        those = self.metrics(np.arange(len(self.all)))[metric]
        found = measures(metric)([self._answer(i) for i in those.tolist()])
        statistics = np.zeros((len(self.all), found.statistics.shape[1]))
        statistics[those] = found.statistics
        return found._replace(statistics=statistics)

    def _answer(self, i: int) -> Answer:
        reply = self.all[i]
        # What is compared is the answer, not the way to it.
        return Answer(
            _REASONING.sub("", reply.reply, count=1), [reply.expected, *reply.also_accepted], self._about[i][1]
        )


def with_scores(replies: Sequence[Generation], rows: pl.DataFrame) -> list[Generation]:
    """The replies with the scores of each alone. Without BLEU, which says little of a sentence, and macro averages."""
    known = Replies(replies, rows)
    scores: list[dict[str, float]] = [{} for _ in known.all]
    for metric, places in known.metrics(np.arange(len(known.all))).items():
        if metric in ("bleu", ALWAYS):
            continue
        measured = known.measured(metric, places)
        values = measured.value(measured.statistics)
        for name, column in zip(measured.names, values.T.tolist(), strict=True):
            for i, value in zip(places.tolist(), column, strict=True):
                if math.isfinite(value) and not name.startswith("macro_"):
                    scores[i][name] = value
    return [msgspec.structs.replace(reply, scores=each) for reply, each in zip(known.all, scores, strict=True)]


def reply_scores(replies: Sequence[Generation], rows: pl.DataFrame, by: Sequence[str], seed: int = 0) -> list[Score]:
    """Scores of everything, then of each slice by each column; each metric over the replies that it applies to."""
    known, found = Replies(replies, rows), []
    for column, name, part in known.parts(by):
        for metric, places in known.metrics(part).items():
            measured = known.measured(metric, places)
            result = estimate(measured.statistics, known.groups(places), measured.value, seed)
            taken = known.examples(places[measured.statistics.any(axis=1)])
            found += [
                Score(
                    by=column, name=name, metric=m, examples=taken, value=number(v), low=number(low), high=number(high)
                )
                for m, v, low, high in zip(measured.names, *result, strict=True)
            ]
        given = [known.all[i] for i in part.tolist()]
        found += [
            Score(by=column, name=name, metric=f"distinct_{n}", value=distinct(given, n), examples=known.examples(part))
            for n in (1, 2)
        ]
    return found


def reply_changes(
    before: Sequence[Generation], after: Sequence[Generation], rows: pl.DataFrame, by: Sequence[str], seed: int = 0
) -> list[Change]:
    """The change of each score on the examples that both answered, with the same prompt and expected answer."""
    firsts = {_key(reply): reply for reply in before}
    last = Replies([reply for reply in after if _key(reply) in firsts], rows)
    # Measured by what the later one is measured by: a template's metrics may have been edited in between.
    first = Replies([msgspec.structs.replace(firsts[_key(r)], metrics=r.metrics) for r in last.all], rows)
    found = []
    for column, name, part in last.parts(by):
        for metric, places in last.metrics(part).items():
            ours, theirs = last.measured(metric, places), first.measured(metric, places)
            difference = paired(theirs.statistics, ours.statistics, last.groups(places), ours.value, seed)
            found += changes_of(column, name, ours.names, last.examples(places), difference)
    return found


def distinct(replies: Sequence[Generation], n: int) -> float | None:
    """Different n-grams by all n-grams of the replies. Source: Li et al. 2016, arXiv:1510.03055, section 5.2.

    It falls with the number and length of replies: compare it between models on the same prompts only.
    """
    words = [tokens(reply.reply) for reply in replies]
    found = [gram for reply in words for gram in zip(*(reply[i:] for i in range(n)), strict=False)]
    return len(set(found)) / len(found) if found else None


def _key(reply: Generation) -> tuple[Any, ...]:
    prompt = tuple((message.role, message.content) for message in reply.prompt)
    return reply.example_id, reply.sample, reply.expected, prompt
