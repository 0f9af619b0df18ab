"""The benchmark of decontamination runs, and its peer does what it is said to do."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from benchmarks.decontaminate.__main__ import main, write_corpus
from benchmarks.decontaminate.thirteen import SIZE, found_in, known_runs
from benchmarks.decontaminate.ways import PEER, READ_AND_WRITE, WAYS, measure
from benchmarks.parts import read


@pytest.mark.slow
def test_the_command_writes_its_part_without_places_of_this_machine(tmp_path):
    out = tmp_path / "page.md"
    done = CliRunner().invoke(main, ["--documents", "40", "--rows", "20", "--rounds", "1", "--out", str(out)])
    assert done.exit_code == 0, done.output
    text = read(out.read_text(encoding="utf-8"))["decontaminate"]
    assert "`python -m benchmarks.decontaminate --documents 40 --rows 20 --rounds 1`" in text
    assert "Target: at most 60 µs" in text
    assert "| verbatim | 84 of 84 (100.0%)" in text
    assert str(tmp_path) not in text
    assert str(Path.home()) not in text


def test_every_way_runs_on_the_same_documents(tmp_path):
    write_corpus(tmp_path, 30, 10)
    took = {way: measure(way, tmp_path) for way in WAYS}
    assert {each.documents for each in took.values()} == {30}
    assert [each.rows for way, each in took.items() if way != READ_AND_WRITE] == [10, 10, 10]
    assert took[PEER].found >= 0


def test_the_peer_takes_one_run_of_13_words_for_a_leak():
    words = [f"w{n}" for n in range(40)]
    known = known_runs([(" ".join(words[:20]), None), (" ".join(words[20:]), "short")])
    assert found_in([" ".join(words[5 : 5 + SIZE])], known) == {0}
    assert found_in([" ".join(words[5 : 4 + SIZE])], known) == set()
    assert found_in(["short"], known) == set()
