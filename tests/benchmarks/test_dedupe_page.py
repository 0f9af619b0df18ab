"""The comparison runs, at a size that measures nothing, and leaves the other parts of the page alone."""

import sys

from click.testing import CliRunner

from benchmarks.dedupe.__main__ import main
from benchmarks.dedupe.page import Corpus, Row, part
from benchmarks.dedupe.tools import OTHERS, OURS, environment
from benchmarks.dedupe.watch import Watched
from benchmarks.parts import put, read


def test_the_command_writes_its_part_and_no_other(tmp_path):
    page = tmp_path / "page.md"
    put(page, "stages", "## Stages\n\nas they were")
    words = ["--sizes", "60,120", "--thresholds", "0.8", "--only", "read and write", "--cache", str(tmp_path / "c")]
    done = CliRunner().invoke(main, [*words, "--out", str(page)])
    assert done.exit_code == 0, done.output
    parts = read(page.read_text(encoding="utf-8"))
    assert parts["stages"] == "## Stages\n\nas they were"
    assert "--sizes 60,120 --thresholds 0.8 --only 'read and write'`" in parts["dedupe"]
    assert parts["dedupe"].count("\n| 120 | 0.8 | read and write |") == 1
    assert str(tmp_path) not in page.read_text(encoding="utf-8")


def test_each_part_can_be_written_first_and_again(tmp_path):
    page = tmp_path / "page.md"
    put(page, "dedupe", "new")
    put(page, "stages", "first")
    put(page, "dedupe", "newer\n")
    assert read(page.read_text()) == {"stages": "first", "dedupe": "newer"}
    once = page.read_text()
    put(page, "stages", "first")
    assert page.read_text() == once


def test_the_ratios_are_those_of_cpu_time_on_one_core():
    def row(tool, documents, cores, seconds, cpu_s):
        took = Watched(seconds=seconds, cpu_s=cpu_s, peak_mb=1)
        return Row(tool=tool, documents=documents, threshold=0.8, cores=cores, took=took, accuracy=None)

    rows = [
        *(row("instructkit", 10, 1, 2.0, 2.0), row("instructkit", 10, 2, 1.2, 2.2)),
        *(row("other", 10, 1, 9.0, 9.0), row("read and write", 10, 1, 0.5, 0.5)),
        *(row("instructkit", 40, 1, 10.0, 10.0), row("read and write", 40, 1, 2.0, 2.0)),
    ]
    corpus = Corpus(documents=10, megabytes=1, copies=1, pairs={("white space", 0.8): (1, 1)})
    text = part(command="c", date="d", load=0, corpora=[corpus], rows=rows, left_out=[], tools=[])
    assert "| 10 | 0.8 | 4.5 | 4.0 | 0.60 |  |" in text
    assert "| 40 | 0.8 |  | 5.0 |  | 1.25 |" in text


def test_every_other_library_has_its_program_and_exact_versions():
    for peer in OTHERS:
        assert peer.script.is_file()
        assert all("==" in requirement for requirement in peer.requires)
    assert OURS.name not in {peer.name for peer in OTHERS}


def test_an_environment_is_made_once(tmp_path):
    python = environment("pip", ("pip",), tmp_path)
    assert python.exists()
    made = python.lstat().st_ctime_ns
    assert environment("pip", ("pip",), tmp_path) == python
    assert python.lstat().st_ctime_ns == made
    assert str(python) != sys.executable
