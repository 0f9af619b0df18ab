"""What a command took: the memory of all its processes, its time, its cores."""

import os
import sys
import time

import pytest

from benchmarks.dedupe.watch import watch

pytestmark = pytest.mark.skipif(not os.path.exists("/proc/self/smaps_rollup"), reason="memory is read from /proc")
CORES = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []

HOLD = "import time; data = bytearray(b'x') * {size}; time.sleep(0.4)"


def took(program, cores=CORES):
    return watch([sys.executable, "-c", program], cores)


def test_memory_that_is_held_is_seen():
    small, large = took(HOLD.format(size=1)), took(HOLD.format(size=100_000_000))
    assert 95 < large.peak_mb - small.peak_mb < 110


def test_memory_of_several_processes_is_summed_and_what_they_share_counts_once():
    program = (
        "import os\ndata = bytearray(b'x') * 50_000_000\nchild = os.fork()\n"
        "own = bytearray(b'x') * 40_000_000\nimport time; time.sleep(0.5)\nif child: os.wait()"
    )
    base = took(HOLD.format(size=1)).peak_mb
    assert 125 < took(program).peak_mb - base < 145


def test_time_of_children_counts():
    burn = "import time\nwhile time.process_time() < 0.3: pass"
    program = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {burn!r}], check=True)"
    assert 0.3 < took(program).cpu_s < 3


def test_time_of_processes_that_outlive_the_command_counts():
    burn = "import time\nwhile time.process_time() < 0.5: pass"
    program = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {burn!r}])"
    watched = took(program)
    assert watched.cpu_s > 0.5


def test_a_process_that_never_ends_is_ended(monkeypatch):
    monkeypatch.setattr("benchmarks.dedupe.watch.GRACE_S", 0.1)
    start = time.monotonic()
    took("import subprocess; subprocess.Popen(['sleep', '60'])")
    assert time.monotonic() - start < 30


def test_a_command_gets_the_cores_it_was_given_and_we_keep_ours():
    took(f"import os, sys; sys.exit(os.sched_getaffinity(0) != {{{CORES[0]}}})", CORES[:1])
    assert sorted(os.sched_getaffinity(0)) == CORES


def test_a_command_that_fails_is_told_with_its_words():
    with pytest.raises(SystemExit, match="no such luck"):
        took("raise ValueError('no such luck')")
