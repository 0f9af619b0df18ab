"""A build killed at any moment and run again gives the same bytes, and repeats no finished shard."""

import os
import random
import signal
import subprocess
import sys
import time

import pytest

from instructkit.build.build import read_log


def start(project, environment):
    command = [sys.executable, "-m", "instructkit", "build", "recipes/notes.yaml", "--workers", "2"]
    return subprocess.Popen(
        command,
        cwd=project,
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env=environment,
    )


@pytest.mark.parametrize("seed", range(2))
def test_a_build_killed_at_random_moments_ends_in_the_same_bytes(
    project, tmp_path, run_build, snapshot, environment, seed
):
    import shutil

    whole = shutil.copytree(project, tmp_path / "whole")
    run_build(whole)
    moments = random.Random(seed)
    kills = 0
    for _ in range(20):
        process = start(project, environment)
        # Kill after some more work has been logged, so that every try gets further, somewhere inside the next call.
        finished = len(read_log(project / "build/notes"))
        wanted = finished + moments.randint(0, 12)
        while process.poll() is None and len(read_log_safely(project)) < wanted:
            time.sleep(0.002)
        time.sleep(moments.random() * 0.02)
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            kills += 1
        _, said = process.communicate()
        if process.returncode == 0:
            break
        assert process.returncode == -signal.SIGKILL, said.decode()
    else:
        process = start(project, environment)
        _, said = process.communicate()
        assert process.returncode == 0, said.decode()
    assert kills > 0
    log = read_log(project / "build/notes")
    keys = [line["key"] for line in log if "key" in line]
    assert len(keys) == len(set(keys)), "a finished call ran again"
    run_build(project)  # sweeps what the killed processes were writing
    found, expected = snapshot(project / "build"), snapshot(whole / "build")
    # A kill between a shard's bytes and its record leaves litter for gc; every file of the whole build is there.
    assert {name: found.get(name) for name in expected} == expected
    assert not list((project / "build/.store/tmp").glob("*"))


def read_log_safely(project):
    try:
        return read_log(project / "build/notes")
    except Exception:  # a line half written: look again
        return []
