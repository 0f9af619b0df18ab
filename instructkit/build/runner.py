"""The runner: walks the steps of a recipe and sees to it that every call has run, once.

    for each step, above to below:
        ingest        read each part
        shard stage   apply to each shard
        corpus stage  sketch each shard ─▶ decide ─▶ cut the decision to each shard ─▶ apply

A call that has run before is not run again; which calls those are is all that `build` and `plan` differ in. A call that
runs again and gives the same bytes stops the ripple: what comes after it is keyed by content and is found done.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import polars as pl

from instructkit import __version__
from instructkit.build.call import Call, Done, perform
from instructkit.build.keys import KeyedStage, input_entries, location_of
from instructkit.build.manifest import CallEntry, InputEntry, Manifest, RunEntry, StepEntry
from instructkit.build.meeting import refuse_divided, refuse_repeated_ids
from instructkit.errors import InstructkitError
from instructkit.executors.local import Executor
from instructkit.recipe.recipe import Recipe
from instructkit.recipe.steps import Step
from instructkit.stages.contract import CorpusStage, IngestStage
from instructkit.store.shards import scan_shards
from instructkit.store.store import CallRecord, ShardRef, Store


@dataclass
class StepProgress:
    """How far a step is; handed to the observer each time it moves."""

    step: str
    stage: str
    total: int = 0
    """Calls known so far."""
    cached: int = 0
    ran: int = 0
    seconds: float = 0.0
    """Spent in calls, summed over workers."""
    rows_in: int = 0
    rows_kept: int = 0
    rows_dropped: int = 0
    unknown: bool = False
    """`plan` only: the calls depend on rows that are not there yet."""
    finished: bool = False
    pending: list[str] = field(default_factory=list)
    """`plan` only: what would run."""


Observer = Callable[[StepProgress], None]
Logger = Callable[[Done], None]


class NotYet(Exception):  # a signal inside `plan`, not an error
    """The step reads rows that have not been built."""


class Runner:
    """Runs, or only plans, the calls of a recipe."""

    def __init__(
        self,
        recipe: Recipe,
        store: Store,
        executor: Executor | None,
        observe: Observer | None = None,
        log: Logger | None = None,
        before: Manifest | None = None,
    ) -> None:
        """`executor` None: plan, run nothing. `before`: the recipe's last build, whose rows have been checked."""
        self.recipe = recipe
        self.store = store
        self.executor = executor
        self.observe = observe or (lambda progress: None)
        self.log = log or (lambda done: None)
        self.progress: dict[str, StepProgress] = {}
        self.before = before.steps if before else {}
        self._entries: dict[str, StepEntry] = {}

    def run(self) -> Manifest:
        """Every step in order. Raises what `perform` raises, and StageError for ids that stand twice and groups that
        branches have divided.
        """
        for step in self.recipe.steps.values():
            self.progress[step.name] = now = StepProgress(step.name, step.stage_name)
            try:
                self._entries[step.name] = self._run_step(step, now)
            except NotYet:
                now.unknown = True
            now.finished = True
            self.observe(now)
        return Manifest(
            instructkit=__version__,
            recipe=self.recipe.name,
            recipe_file=self.recipe.file_in_project,
            recipe_text=self.recipe.file.read_text(encoding="utf-8"),
            seed=self.recipe.seed,
            steps=self._entries,
        )

    def _run_step(self, step: Step, now: StepProgress) -> StepEntry:
        if missing := [name for name in step.upstream if name not in self._entries]:
            raise NotYet(missing)
        shards = [ref for name in step.upstream for ref in self._entries[name].kept]
        now.rows_in = sum(ref.rows for ref in shards)
        inputs: list[InputEntry] = []
        runs: list[RunEntry] = []
        for stage in step.runs:
            keyed = KeyedStage(step.name, step.stage_name, stage, self.recipe.root)
            if isinstance(stage, IngestStage):
                calls, inputs = self._ingest(step, keyed, now)
            elif isinstance(stage, CorpusStage):
                calls = self._corpus(step, keyed, shards, now)
            else:
                calls = self._each("apply", keyed, shards, step, now)
            runs.append(_run_entry(keyed, calls))
        entry = StepEntry(
            stage=step.stage_name,
            upstream=list(step.upstream),
            noun=step.noun.__name__ if step.noun else None,
            rows_in=0,
            rows_kept=0,
            rows_dropped=0,
            location=location_of(step.stage) if not step.upstream else [],
            inputs=inputs,
            runs=runs,
        )
        now.rows_kept = sum(ref.rows for ref in entry.kept)
        now.rows_dropped = sum(ref.rows for ref in entry.dropped)
        if not step.upstream:
            now.rows_in = now.rows_kept + now.rows_dropped
        self._check_meeting(step, entry)
        return msgspec.structs.replace(
            entry, rows_in=now.rows_in, rows_kept=now.rows_kept, rows_dropped=now.rows_dropped
        )

    def _ingest(self, step: Step, keyed: KeyedStage, now: StepProgress) -> tuple[list[CallEntry], list[InputEntry]]:
        try:
            parts = keyed.stage.parts(self.recipe.root)
        except InstructkitError as error:
            raise error.at(f"step '{step.name}'") from error
        calls = [keyed.call("read", part.name, part=part, noun=step.noun) for part in parts]
        inputs = input_entries(parts)
        return self._perform(calls, now), inputs

    def _corpus(self, step: Step, keyed: KeyedStage, shards: list[ShardRef], now: StepProgress) -> list[CallEntry]:
        sketches = self._each("sketch", keyed, shards, step, now)
        sketched = [ref for entry in sketches for ref in entry.kept]
        decided = self._perform([keyed.call("decide", "the corpus", shards=sketched, records=shards)], now)
        (decision,) = decided[0].kept
        if "id" not in scan_shards(self.store.paths([decision]), pl.Schema()).collect_schema():
            cuts, decisions = [], [decision] * len(shards)
        else:
            names = _shard_names(len(shards))
            cuts = self._perform(
                [
                    keyed.call("cut", where, shards=[ref], decision=decision)
                    for where, ref in zip(names, shards, strict=True)
                ],
                now,
            )
            decisions = [entry.kept[0] for entry in cuts]
        applied = self._each("apply", keyed, shards, step, now, decisions)
        return [*sketches, *decided, *cuts, *applied]

    def _each(
        self,
        verb: Any,
        keyed: KeyedStage,
        shards: Sequence[ShardRef],
        step: Step,
        now: StepProgress,
        decisions: Sequence[ShardRef | None] = (),
    ) -> list[CallEntry]:
        """One call for each shard."""
        noun = step.noun if verb == "apply" else None
        same_ids = verb == "apply" and keyed.stage.yields is None
        calls = [
            keyed.call(verb, where, shards=[ref], decision=decision, noun=noun, same_ids=same_ids)
            for where, ref, decision in zip(
                _shard_names(len(shards)), shards, decisions or [None] * len(shards), strict=True
            )
        ]
        return self._perform(calls, now)

    def _perform(self, calls: Sequence[Call], now: StepProgress) -> list[CallEntry]:
        """Results of calls, in their order: found in the store, or made now."""
        found: dict[str, CallRecord] = {}
        missing: dict[str, Call] = {}
        for call in calls:
            record = self.store.get_call(call.key)
            if record is not None:
                found[call.key] = record
            else:
                missing[call.key] = call
        now.total += len(calls)
        now.cached += sum(call.key not in missing for call in calls)
        self.observe(now)
        if missing and self.executor is None:
            now.pending += [f"{call.verb} {call.where}" for call in missing.values()]
            raise NotYet
        if missing:
            assert self.executor is not None
            for done in self.executor.run(partial(timed, self.store.root), list(missing.values())):
                found[done.call.key] = done.record
                now.ran += 1
                now.seconds += done.seconds
                self.log(done)
                self.observe(now)
        return [
            CallEntry(
                key=call.key,
                verb=call.verb,
                where=call.where,
                kept=found[call.key].kept,
                dropped=found[call.key].dropped,
            )
            for call in calls
        ]

    def _check_meeting(self, step: Step, entry: StepEntry) -> None:
        """Rows of several origins meet at an ingest and where a step reads several: ids may collide there, and what
        belongs together may have been divided by each for itself.
        """
        if len(step.upstream) == 1 and len(step.runs) == 1:
            return
        if not entry.kept:
            return
        if step.name in self.before and self.before[step.name].digest == entry.digest:
            return  # the same rows were checked by the build before
        above = [self._entries[name].kept for name in step.upstream]
        shards = [ref for refs in above for ref in refs] if step.noun is None else entry.kept
        refuse_repeated_ids(step.name, self._scan(shards), ingest=not step.upstream)
        if len(step.upstream) > 1:
            refuse_divided(step.name, [self._scan(refs) for refs in above if refs])

    def _scan(self, shards: Sequence[ShardRef]) -> pl.LazyFrame:
        return scan_shards(self.store.paths(list(shards)), pl.Schema())


def timed(store_root: Path, call: Call) -> Done:
    """Perform a call and say how long it took."""
    start = time.perf_counter()
    record = perform(store_root, call)
    return Done(call=call, record=record, seconds=time.perf_counter() - start)


def _shard_names(count: int) -> Iterable[str]:
    return [f"shard {i + 1} of {count}" for i in range(count)]


def _run_entry(keyed: KeyedStage, calls: list[CallEntry]) -> RunEntry:
    return RunEntry(
        stage=keyed.stage_name,
        version=keyed.stage.version,
        packages=keyed.packages,
        fields=keyed.keyed_fields,
        template=getattr(keyed.stage, "template", None),
        template_hash=getattr(keyed.stage, "template_hash", None),
        calls=calls,
    )
