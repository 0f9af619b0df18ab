"""Run a whole command on some of the cores, and say what it took: wall, CPU, and memory summed over its processes."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile

PAUSE_S = 0.02
"""Between two looks at memory, at least."""
PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h
GRACE_S = 10
"""What a command leaves behind may go on for so long."""
PART = 10
"""A look costs the kernel time that grows with memory: the pause is at least that many times the last look."""


@dataclass(frozen=True, kw_only=True)
class Watched:
    """What a command and all its processes took, start-up included."""

    seconds: float
    cpu_s: float
    """User and system time, also of processes that outlived their parents."""
    peak_mb: float
    """Largest sum of proportional set sizes at one time, in 10^6 bytes: shared pages count once."""


def watch(command: Sequence[str | Path], cores: Sequence[int]) -> Watched:
    """Run a command on these cores. Raises SystemExit with its words when it fails.

    Linux only: memory is read from /proc/*/smaps_rollup.
    """
    all_cores = os.sched_getaffinity(0)
    peak = Peak()
    with TemporaryFile() as said, _adopting():
        # A process inherits the cores of the thread that starts it.
        os.sched_setaffinity(0, cores)
        try:
            start = time.perf_counter()
            process = subprocess.Popen(command, stdout=said, stderr=said, start_new_session=True)
        finally:
            os.sched_setaffinity(0, all_cores)
        watcher = threading.Thread(target=peak.follow, args=(process.pid, all_cores - set(cores) or all_cores))
        watcher.start()
        _, status, used = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        peak.over.set()
        watcher.join()
        cpu_s = used.ru_utime + used.ru_stime + _rest_cpu_s(process.pid)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            said.seek(0)
            raise SystemExit(f"{' '.join(map(str, command))} failed:\n{said.read().decode(errors='replace')}")
    return Watched(seconds=seconds, cpu_s=cpu_s, peak_mb=peak.bytes / 1e6)


@contextmanager
def _adopting() -> Iterator[None]:
    """Processes whose parent has ended become ours: a fork server outlives the command, and its workers are its own.

    Nobody else would wait for them, and their CPU time would be in no account.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    try:
        yield
    finally:
        libc.prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)


def _rest_cpu_s(group: int) -> float:
    """CPU time of what is left of a process group, once it has ended; what will not end is killed."""
    cpu_s, killed, deadline = 0.0, False, time.monotonic() + GRACE_S
    while True:
        try:
            pid, _, used = os.wait4(-group, os.WNOHANG)
        except ChildProcessError:
            return cpu_s
        if pid:
            cpu_s += used.ru_utime + used.ru_stime
        elif time.monotonic() > deadline and not killed:
            os.killpg(group, signal.SIGKILL)
            killed = True
        else:
            time.sleep(PAUSE_S)


class Peak:
    """The most memory that the processes of a session had together."""

    def __init__(self) -> None:
        self.bytes = 0
        self.over = threading.Event()

    def follow(self, session: int, cores: set[int]) -> None:
        """Look again and again until it is over, from cores that the session does not use where there are any."""
        os.sched_setaffinity(0, cores)
        pause = PAUSE_S
        while not self.over.wait(pause):
            start = time.perf_counter()
            self.bytes = max(self.bytes, session_bytes(session))
            pause = max(PAUSE_S, PART * (time.perf_counter() - start))


def session_bytes(session: int) -> int:
    """Proportional set size of all processes of a session, in bytes; those that end meanwhile count nothing."""
    total = 0
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal():
            try:
                if os.getsid(int(folder.name)) == session:
                    total += _pss_bytes(folder)
            except OSError:
                continue
    return total


def _pss_bytes(folder: Path) -> int:
    lines = (folder / "smaps_rollup").read_text(encoding="ascii").splitlines()
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:")), 0)
