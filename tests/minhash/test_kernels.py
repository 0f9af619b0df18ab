"""The compiled kernels: compiled once for all callers, and safely by several processes at once."""

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from instructkit.contamination.find import find
from instructkit.contamination.index import Index
from instructkit.hashing import key_of
from instructkit.minhash.clusters import clusters
from instructkit.minhash.duplicates import Standing, near_duplicates
from instructkit.minhash.sketcher import Sketcher

numba = pytest.importorskip("numba")
kernels = pytest.importorskip("instructkit.minhash.kernels")

SMALL = """
import numpy as np
from instructkit.minhash import kernels
result = np.empty(2, np.bool_)
kernels.plausible(np.array([[1, 3, 7]], np.uint64), np.array([0, 0]), np.array([1, 2]), 1, result)
print(result.tolist(), sum(kernels.plausible.stats.cache_hits.values()))
"""


def test_several_processes_may_compile_at_once(tmp_path):
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)}

    def start():
        return subprocess.Popen([sys.executable, "-c", SMALL], env=environment, stdout=subprocess.PIPE, text=True)

    said = [process.communicate()[0].strip() for process in [start() for _ in range(3)]]
    expected = "[True, False]"
    assert all(line.startswith(expected) for line in said)
    assert start().communicate()[0].strip() == f"{expected} 1"  # the next finds it compiled


def test_without_a_folder_to_write_to_each_process_compiles_for_itself(tmp_path):
    package = tmp_path / "instructkit"
    shutil.copytree(Path(kernels.__file__).parents[1], package, ignore=shutil.ignore_patterns("__pycache__"))
    (package / "minhash/__pycache__").touch()
    environment = {k: v for k, v in os.environ.items() if k not in ("NUMBA_CACHE_DIR", "XDG_CACHE_HOME")}
    environment |= {"HOME": os.devnull, "PYTHONPATH": str(tmp_path)}
    ran = subprocess.run(
        [sys.executable, "-c", SMALL], env=environment, cwd=tmp_path, check=True, capture_output=True, text=True
    )
    assert ran.stdout.strip() == "[True, False] 0"


# numba numbers a kernel's files on disk by kind of arguments, and two processes that compile the first two kinds at
# once give both the same number: the one then runs what the other compiled. So there may be one kind only.
@pytest.mark.parametrize("sizes", [(8, 4), (20, 7)], ids=["one word of bits", "two words of bits"])
@pytest.mark.parametrize("threshold", [0.5, 1])
def test_each_kernel_is_compiled_for_one_kind_of_arguments(sizes, threshold):
    texts = pl.concat(
        [pl.Series(["the tide comes in", "the tide comes in again", "a"]), pl.Series(["a", "cafe\u0301", None])],
        rechunk=False,
    )
    for unit in ("words", "characters"):
        sketcher = Sketcher(unit=unit, shingle=1, ignore=(), bands=sizes[0], rows=sizes[1], seed=0)
        sketcher.signatures(texts)
        for some in (texts, texts[1:], texts[:0], texts.filter(np.array([1, 0, 1, 0, 1, 0], bool))):
            made = sketcher.sketch(some)
            standing = Standing(made.units, made.fingerprints, made.bits)
            found = near_duplicates(
                sketcher,
                standing,
                made.bands,
                lambda rows, some=some, sketcher=sketcher: [(rows, sketcher.shingle_sets(some.gather(rows)))],
                threshold,
            )
            clusters(found.edges)
    index = Index.of(pl.DataFrame({"prompt": texts, "answers": [["a"]] * len(texts)}).select(
        pl.lit("e").alias("file"), pl.lit(1).alias("line"), pl.lit(None).alias("id"), "prompt", "answers",
        pl.lit(None).alias("passage"),
    ))  # fmt: skip
    for some in (texts, texts[1:], texts[:0]):
        index.hits(some)
        find(index, some, pl.Series(range(len(some))))
    data = np.frombuffer(b"a\nb\n", np.uint8)
    kernels.line_starts(data, data[:0].view(np.uint64), np.empty(3, np.uint32))
    for name in (
        "sketch",
        "shingle_sets",
        "shared",
        "plausible",
        "join",
        "line_starts",
        "shingle_runs",
        "look_up",
        "candidates",
        "cover",
    ):
        assert len(getattr(kernels, name).signatures) <= 1, name


def test_a_change_of_numbers_from_other_files_is_a_change_of_the_compiled_file():
    """Else numba would take kernels with the old numbers from its cache."""
    tree = ast.parse(Path(kernels.__file__).read_text(encoding="utf-8"))
    names = sorted(
        alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("instructkit.")
        for alias in node.names
    )
    assert {"BASE", "CHUNK", "WORD"} <= set(names)
    assert key_of([[name, str(getattr(kernels, name))] for name in names]) == kernels.NUMBERS
