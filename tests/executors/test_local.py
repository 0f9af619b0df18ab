"""The local executor, with real processes: what comes back does not depend on where it ran."""

import os
import pickle
import signal
import subprocess
import sys
import time
from functools import partial

import msgspec
import polars as pl
import psutil
import pytest

from instructkit import errors
from instructkit.build.call import Call, perform
from instructkit.errors import Fault, FaultList, InstructkitError, RecipeFault, RunError, StageError, TemplateFault
from instructkit.executors.local import LocalExecutor
from instructkit.hashing import canonical_json
from instructkit.store.store import Store

CALLS = """\
import os, time

def raise_it(error):
    raise error

def process_and_threads(_):
    time.sleep(0.05)  # long enough that one worker does not take every call
    return os.getpid(), os.environ.get("POLARS_MAX_THREADS")
"""
FAULTS = [Fault("a.yaml", 3, 5, "no such key"), Fault("a.yaml", 1, 0, "not YAML")]


def subclasses(cls):
    return [cls, *(found for sub in cls.__subclasses__() for found in subclasses(sub))]


OURS = sorted(
    (cls for cls in subclasses(InstructkitError) if cls.__module__ == errors.__name__), key=lambda cls: cls.__name__
)


def made(cls):
    return cls(FAULTS) if issubclass(cls, FaultList) else cls("data/a.jsonl:3: not JSON")


@pytest.fixture
def calls(tmp_path, monkeypatch):
    """Functions in a module that a spawned process can import."""
    (tmp_path / "calls_of_a_test.py").write_text(CALLS)
    monkeypatch.syspath_prepend(tmp_path)
    import calls_of_a_test

    return calls_of_a_test


@pytest.mark.parametrize("workers", [1, 2, 3])
@pytest.mark.parametrize("count", [0, 1, 25])
def test_every_call_gives_its_result_whatever_the_worker_count(workers, count):
    with LocalExecutor(workers) as executor:
        assert sorted(executor.run(abs, [-n for n in range(count)])) == list(range(count))


def test_one_worker_or_one_call_starts_no_process(calls):
    with LocalExecutor(1) as executor:
        assert {pid for pid, _ in executor.run(calls.process_and_threads, [1, 2])} == {os.getpid()}
    with LocalExecutor(2) as executor:
        assert {pid for pid, _ in executor.run(calls.process_and_threads, [1])} == {os.getpid()}


def test_workers_stay_for_the_whole_build_and_share_the_cores(calls, monkeypatch):
    monkeypatch.setattr("instructkit.executors.local.cores", lambda: 6)
    with LocalExecutor(2) as executor:
        first = set(executor.run(calls.process_and_threads, range(12)))
        second = set(executor.run(calls.process_and_threads, range(12)))
    pids = {pid for pid, _ in first | second}
    assert os.getpid() not in pids
    assert len(pids) <= 2  # new ones for each run would be four
    assert {threads for _, threads in first | second} == {"3"}


@pytest.mark.parametrize("cls", OURS, ids=lambda cls: cls.__name__)
def test_every_error_of_ours_pickles_to_an_equal_one(cls):
    error = made(cls)
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is cls
    assert str(again) == str(error)
    assert getattr(again, "faults", None) == getattr(error, "faults", None)


@pytest.mark.parametrize("cls", OURS, ids=lambda cls: cls.__name__)
def test_an_error_told_where_it_happened_stays_of_its_kind(cls):
    error = made(cls).at("step 'raw', part 1")
    assert type(error) is cls
    assert str(error).count("step 'raw', part 1: ") == (2 if issubclass(cls, FaultList) else 1)
    assert [fault.line for fault in getattr(error, "faults", [])] == ([1, 3] if issubclass(cls, FaultList) else [])


@pytest.mark.parametrize("workers", [1, 2])
def test_an_error_of_a_call_arrives_as_it_was_raised(calls, workers):
    with LocalExecutor(workers) as executor:
        with pytest.raises(StageError, match=r"^lost 3 rows$"):
            list(executor.run(calls.raise_it, [StageError("lost 3 rows")] * 2))
        with pytest.raises(RecipeFault, match="2 problems") as caught:
            list(executor.run(calls.raise_it, [RecipeFault(FAULTS)] * 2))
        assert caught.value.faults == sorted(FAULTS)
        assert sorted(executor.run(abs, [-1, -2, -3])) == [1, 2, 3]


@pytest.mark.parametrize("workers", [1, 2])
def test_a_broken_template_found_in_a_worker_is_told_with_its_step(tmp_path, workers):
    shard = Store(tmp_path).put_shard(pl.DataFrame({"id": ["a"]}))
    source = "---\nsummary: x\ntask: x\ninputs: [text]\n---\n{% block user %}{{ text }"
    fields = {"template": "t", "template_hash": "0", "sources": {"t.jinja": source}}
    call = Call(
        key="00",
        verb="apply",
        step="pairs",
        where="shard 1 of 2",
        stage="instructkit.stages.render.template:RenderTemplate",
        fields=canonical_json(fields),
        shards=[shard],
    )
    calls = [call, msgspec.structs.replace(call, key="01")]
    with LocalExecutor(workers) as executor, pytest.raises(TemplateFault, match="step 'pairs', shard 1 of 2"):
        list(executor.run(partial(perform, tmp_path), calls))


def test_a_killed_worker_is_reported_with_the_way_out_and_another_run_starts_new_ones():
    with LocalExecutor(4) as executor:
        with pytest.raises(RunError, match=r"worker process was killed.*--workers 2"):
            list(executor.run(signal.raise_signal, [signal.SIGKILL] * 8))
        assert sorted(executor.run(abs, [-1, -2, -3])) == [1, 2, 3]


def test_workers_leave_when_the_process_that_started_them_is_killed(environment):
    code = (
        "import os, sys, time\n"
        "from instructkit.executors.local import LocalExecutor\n"
        "if __name__ == '__main__':\n"
        "    with LocalExecutor(2) as executor:\n"
        "        print(*executor.run(os.getenv, ['HOME', 'PATH']), file=sys.stderr)\n"
        "        print(*executor._pool._processes, flush=True)\n"
        "        time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, env=environment) as parent:
        workers = [int(pid) for pid in parent.stdout.readline().split()]
        parent.kill()
    assert workers
    deadline = time.monotonic() + 30
    while (left := [pid for pid in workers if lives(pid)]) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not left


def lives(pid):
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
