from itertools import pairwise

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from instructkit.build import split_files
from instructkit.build.split_files import write_split_files
from instructkit.errors import StageError
from instructkit.hashing import file_digest
from instructkit.schema import Document, Origin, frame
from instructkit.stages.export.openai import ExportOpenai
from instructkit.stages.export.parquet import ExportParquet


def lines(*rows):
    return pl.DataFrame(list(rows), schema={"id": pl.String, "split": pl.String, "line": pl.String}, orient="row")


def test_each_split_has_its_file_and_rows_keep_their_order(tmp_path):
    shards = [lines(("a", "train", "1"), ("b", None, "2")), lines(("c", "train", "é"))]
    files = write_split_files(shards, tmp_path, ExportOpenai())
    assert (tmp_path / "train.jsonl").read_text() == "1\né\n"
    assert (tmp_path / "all.jsonl").read_text() == "2\n"
    info = files["train.jsonl"]
    assert (info.split, info.rows, info.size_bytes) == ("train", 2, 5)
    assert info.digest == file_digest(tmp_path / "train.jsonl")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["all.jsonl", "train.jsonl"]


def test_an_error_on_the_way_changes_no_file(tmp_path):
    (tmp_path / "train.jsonl").write_text("before\n")

    def shards():
        yield lines(("a", "train", "1"))
        raise OSError("disk gone")

    with pytest.raises(OSError, match="disk gone"):
        write_split_files(shards(), tmp_path, ExportOpenai())
    assert [path.name for path in tmp_path.iterdir()] == ["train.jsonl"]
    assert (tmp_path / "train.jsonl").read_text() == "before\n"


@pytest.mark.parametrize("split", ["../train", "a/b", "", ".hidden", "a\nb"])
def test_a_split_cannot_leave_the_folder(tmp_path, split):
    with pytest.raises(StageError, match="cannot name a file"):
        write_split_files([lines(("a", split, "1"))], tmp_path, ExportOpenai())
    assert list(tmp_path.iterdir()) == []


def test_a_file_of_an_earlier_export_does_not_pass_for_a_part_of_this_one(tmp_path):
    write_split_files([lines(("a", "train", "1"), ("b", "test", "2"))], tmp_path, ExportOpenai())
    with pytest.raises(StageError, match=r"test\.jsonl: left from an earlier export"):
        write_split_files([lines(("a", "train", "3"))], tmp_path, ExportOpenai())
    assert (tmp_path / "train.jsonl").read_text() == "1\n"


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.integers(0, 9), st.lists(st.integers(0, 9), max_size=3))
def test_parquet_bytes_do_not_depend_on_how_rows_were_cut(tmp_path_factory, monkeypatch, rows, cuts):
    monkeypatch.setattr(split_files, "ROWS_PER_GROUP", 3)
    made = [
        Document(id=f"d{n}", source="s", origin=Origin(file="f", line=n + 1), text=f"text {n}", group=f"g{n}")
        for n in range(rows)
    ]
    shard = frame(Document, made)
    edges = sorted({0, rows, *(min(cut, rows) for cut in cuts)})
    parts = [shard[start:end] for start, end in pairwise(edges)]
    folder = tmp_path_factory.mktemp("out")
    whole = write_split_files([shard], folder / "whole", ExportParquet())
    assert write_split_files(parts, folder / "parts", ExportParquet()) == whole
    if rows:
        assert pl.read_parquet(folder / "whole" / "all.parquet").equals(shard)
