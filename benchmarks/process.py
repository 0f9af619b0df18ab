"""Run Python in a process of its own, and say what that took."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RSS_UNIT_BYTES = 1 if sys.platform == "darwin" else 1024
"""Of `ru_maxrss`."""

# A process inherits the peak memory of the one that starts it, up to the moment it becomes another program. So what is
# measured is started by this small one, never by the benchmarks themselves with all that they have imported.
LAUNCHER = """
import json, os, sys, time
start = time.perf_counter()
pid = os.posix_spawn(sys.executable, [sys.executable, *sys.argv[1:]], os.environ)
status, used = os.wait4(pid, 0)[1:]
took = [time.perf_counter() - start, used.ru_utime + used.ru_stime, used.ru_maxrss]
print(json.dumps([os.waitstatus_to_exitcode(status), *took]))
"""


@dataclass(frozen=True, kw_only=True)
class Run:
    """What a process and its children took."""

    seconds: float
    cpu_s: float
    """User and system time, of its children too."""
    peak_mb: float
    """Resident memory of the largest of these processes, in 10^6 bytes."""
    output: str = ""


def run(words: Sequence[str]) -> Run:
    """Run Python with these words at the top of the checkout. Raises SystemExit with its words when it fails."""
    command = [sys.executable, "-S", "-E", "-c", LAUNCHER, *words]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    output, _, last = done.stdout.rstrip("\n").rpartition("\n")
    code, seconds, cpu_s, peak = json.loads(last or "[-1, 0, 0, 0]")
    if code:
        raise SystemExit(f"{' '.join(words)} failed:\n{done.stderr}")
    return Run(seconds=seconds, cpu_s=cpu_s, peak_mb=megabytes(peak), output=output)


def megabytes(maxrss: int) -> float:
    """`ru_maxrss` in 10^6 bytes."""
    return maxrss * RSS_UNIT_BYTES / 1e6
