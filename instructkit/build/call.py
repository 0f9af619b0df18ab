"""One call of a stage, as it travels to a worker and is performed there.

A call names its stage by module and class and carries the stage's fields as plain data, so that a worker imports what
it needs and nothing is pickled but strings and numbers.
"""

from __future__ import annotations

import tempfile
import traceback
from collections.abc import Iterator
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

import msgspec
import polars as pl

from instructkit.errors import InstructkitError, StageError
from instructkit.hashing import canonical_json
from instructkit.schema import NOUNS, Drop, check, empty
from instructkit.stages.contract import Outcome, Part
from instructkit.store.shards import scan_shards
from instructkit.store.store import CallRecord, ShardRef, Store

Verb = Literal["read", "apply", "sketch", "decide", "cut"]


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """One call of one stage; `key` is the hash of all that its result depends on."""

    key: str
    verb: Verb
    step: str
    where: str
    """What it is about, for progress and errors: a part or the number of a shard."""
    stage: str
    """"module:Class"."""
    fields: str
    """The stage's fields as JSON."""
    noun: str | None = None
    """Name of the noun of the result's rows; None: whatever the stage says (sketches, decisions, exported rows)."""
    same_ids: bool = False
    """The law of counts covers ids too: the stage gives the noun that it reads."""
    part: Part | None = None
    shards: list[ShardRef] = []
    records: list[ShardRef] = []
    """`decide` only: the rows that were sketched."""
    decision: ShardRef | None = None


class Done(msgspec.Struct, frozen=True, kw_only=True):
    """A performed call, with what it cost: that goes to the log, never into the store."""

    call: Call
    record: CallRecord
    seconds: float


def load_stage(stage: str, fields: str) -> Any:
    """A stage from its class and fields."""
    module, _, name = stage.partition(":")
    return _load(module, name, fields)


@lru_cache(maxsize=64)
def _load(module: str, name: str, fields: str) -> Any:
    return msgspec.json.decode(fields, type=getattr(import_module(module), name))


def dump_fields(values: dict[str, Any]) -> str:
    """A stage's fields as canonical JSON text."""
    return canonical_json(msgspec.to_builtins(values))


def perform(store_root: Path, call: Call) -> CallRecord:
    """Run a call and keep its result. Raises StageError, naming step and place, for whatever the stage raises."""
    store = Store(store_root)
    # Temporary files go where the results go: the system's folder may be small, or memory.
    store_root.mkdir(parents=True, exist_ok=True)
    before, tempfile.tempdir = tempfile.tempdir, str(store_root)
    try:
        record = CallRecord(key=call.key, **_results(store, call))
    except InstructkitError as error:
        raise error.at(f"step '{call.step}', {call.where}") from error
    except Exception as error:
        raise StageError(
            f"step '{call.step}', {call.where}: {call.stage} failed in {call.verb}: {type(error).__name__}: {error}\n"
            f"{traceback.format_exc(limit=-6)}"
        ) from None
    finally:
        tempfile.tempdir = before
    return store.put_call(record)


def _results(store: Store, call: Call) -> dict[str, list[ShardRef]]:
    if call.verb == "cut":
        return {"kept": [store.put_shard(_cut(store, call))], "dropped": []}
    stage = load_stage(call.stage, call.fields)
    if call.verb == "sketch":
        (ref,) = call.shards
        return {"kept": [store.put_shard(stage.sketch(store.get_shard(ref)))], "dropped": []}
    if call.verb == "decide":
        decision = stage.decide(_scan(store, call.shards), _scan(store, call.records))
        if "id" in decision.columns:
            decision = decision.sort("id")
        return {"kept": [store.put_shard(decision)], "dropped": []}
    kept, dropped = [], []
    for outcome in _outcomes(store, stage, call):
        kept.append(store.put_shard(outcome.kept))
        if outcome.dropped.height:
            dropped.append(store.put_shard(outcome.dropped))
    return {"kept": kept, "dropped": dropped}


def _outcomes(store: Store, stage: Any, call: Call) -> Iterator[Outcome]:
    if call.verb == "read":
        assert call.part is not None
        for outcome in stage.read(call.part):
            yield _checked(outcome, call, None)
        return
    (ref,) = call.shards
    shard = store.get_shard(ref)
    if call.decision is None:
        yield _checked(stage.apply(shard), call, shard)
    else:
        yield _checked(stage.apply(shard, store.get_shard(call.decision)), call, shard)


def _checked(outcome: Outcome, call: Call, shard: pl.DataFrame | None) -> Outcome:
    """The outcome with columns in order, once the law of counts holds."""
    kept, dropped = outcome
    noun = next((noun for noun in NOUNS if noun.__name__ == call.noun), None)
    if noun is not None:
        kept = check(noun, kept, call.stage)
    dropped = check(Drop, dropped, call.stage) if dropped.width else empty(Drop)
    if shard is None:
        return Outcome(kept, dropped)
    if shard.height != kept.height + dropped.height:
        raise StageError(
            f"{call.stage} was given {shard.height} rows, kept {kept.height} and dropped {dropped.height}: "
            f"{shard.height - kept.height - dropped.height} unaccounted for; a stage gives each row a place or a reason"
        )
    if call.same_ids and not pl.concat([kept["id"], dropped["id"]]).sort().equals(shard["id"].sort()):
        raise StageError(f"{call.stage} changed, repeated or swapped ids; a record keeps its id through every stage")
    return Outcome(kept, dropped)


def _cut(store: Store, call: Call) -> pl.DataFrame:
    """The rows of a decision that are about one shard."""
    assert call.decision is not None
    (ref,) = call.shards
    shard, decision = (scan_shards([path], pl.Schema()) for path in store.paths([ref, call.decision]))
    return decision.join(shard.select("id"), on="id", how="semi").sort("id").collect()


def _scan(store: Store, refs: list[ShardRef]) -> pl.LazyFrame:
    return scan_shards(store.paths(refs), pl.Schema())
