import json
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from instructkit.errors import InputError
from instructkit.stages.ingest import limits
from instructkit.stages.ingest.parquet import IngestParquet

TYPES = {
    "decimal": pa.array([Decimal("1.10")], pa.decimal128(10, 2)),
    "date": pa.array([date(2024, 2, 29)]),
    "time": pa.array([time(1, 2, 3)]),
    "moment": pa.array([datetime(2024, 2, 29, 1, tzinfo=UTC)]),
    "span": pa.array([timedelta(seconds=1, microseconds=5)]),
    "bytes": pa.array([b"\xff\x00"]),
    "big": pa.array([2**64 - 1], pa.uint64()),
    "nan": pa.array([float("nan")]),
    "infinite": pa.array([float("-inf")]),
    "list": pa.array([[1, None]]),
    "struct": pa.array([{"a": "x", "b": None}]),
    "map": pa.array([[("k", 1)]], pa.map_(pa.string(), pa.int64())),
    "category": pa.array(["c"]).dictionary_encode(),
    "none": pa.nulls(1),
}


def test_every_type_of_column_has_its_json(read, tmp_path):
    pq.write_table(pa.table({"text": ["a"], **TYPES}), tmp_path / "a.parquet")
    kept, dropped = read("ingest.parquet", path="a.parquet")
    assert dropped.is_empty()
    assert json.loads(kept["fields"][0]) == {
        "decimal": "1.10",
        "date": "2024-02-29",
        "time": "01:02:03",
        "moment": "2024-02-29T01:00:00+00:00",
        "span": "1.000005",
        "bytes": "/wA=",
        "big": 2**64 - 1,
        "nan": None,
        "infinite": "-inf",
        "list": [1, None],
        "struct": {"a": "x", "b": None},
        "map": {"k": 1},
        "category": "c",
        "none": None,
    }


def test_columns_are_picked_with_dotted_paths(read, tmp_path):
    rows = [{"meta": {"by": "A", "n": 1}, "body": {"text": "one"}, "id": 5, "rest": "r"}]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "a.parquet")
    kept, _ = read("ingest.parquet", path="a.parquet", text="body.text", fields=["meta.by"], key="id")
    row = kept.row(0, named=True)
    assert (row["id"], row["text"], row["fields"]) == ("src-5", "one", '{"meta":{"by":"A"}}')


def test_a_binary_text_column_is_read_as_utf8_or_dropped(read, tmp_path):
    pq.write_table(pa.table({"text": [b"caf\xc3\xa9", b"caf\xe9", None]}), tmp_path / "a.parquet")
    kept, dropped = read("ingest.parquet", path="a.parquet")
    assert kept["text"].to_list() == ["café"]
    assert dropped["rule"].to_list() == ["undecodable", "null_text"]
    assert dropped["origin"].struct["line"].to_list() == [2, 3]


def test_a_text_column_of_numbers_is_dropped_row_by_row(read, tmp_path):
    pq.write_table(pa.table({"text": [1, 2]}), tmp_path / "a.parquet")
    _, dropped = read("ingest.parquet", path="a.parquet")
    assert dropped["rule"].to_list() == ["text_not_text"] * 2


def test_row_groups_are_parts_where_a_key_is_declared_and_change_nothing(read, tmp_path, monkeypatch):
    table = pa.table({"text": [f"t{n % 3}" for n in range(100)], "id": range(100)})
    pq.write_table(table, tmp_path / "a.parquet", row_group_size=9)
    whole = read("ingest.parquet", path="a.parquet", key="id")[0]
    monkeypatch.setattr(limits, "PART_BYTES", 10)
    monkeypatch.setattr(limits, "SMALL_FILE_BYTES", 10)
    parts = IngestParquet(path="a.parquet", key="id").parts(tmp_path)
    assert [part.files[0].first_line for part in parts] == list(range(1, 101, 9))
    assert len({part.files[0].digest for part in parts}) == len(parts)
    assert read("ingest.parquet", path="a.parquet", key="id")[0].equals(whole)
    assert len(IngestParquet(path="a.parquet").parts(tmp_path)) == 1
    assert read("ingest.parquet", path="a.parquet")[0].height == 100


def test_a_missing_column_says_which_there_are(read, tmp_path):
    pq.write_table(pa.table({"text": ["a"], "title": ["b"]}), tmp_path / "a.parquet")
    for fields in ({"text": "txt"}, {"key": "ids"}, {"fields": ["titel"]}):
        with pytest.raises(InputError, match=r"a\.parquet: no column .*columns found: text, title"):
            read("ingest.parquet", path="a.parquet", **fields)


def test_a_truncated_or_foreign_file_is_named(read, write, tmp_path):
    pq.write_table(pa.table({"text": ["a"] * 1000}), tmp_path / "a.parquet")
    data = (tmp_path / "a.parquet").read_bytes()
    for broken in (data[:-10], b"", b'{"text": "a"}\n', b"PAR1" + b"x" * 100 + b"PAR1"):
        write("a.parquet", broken)
        with pytest.raises(InputError, match=r"a\.parquet: not a whole Parquet file"):
            read("ingest.parquet", path="a.parquet")
    write("a.parquet", data[:4] + b"\xff" * 40 + data[44:])
    with pytest.raises(InputError, match=r"a\.parquet: cannot be read to its end"):
        read("ingest.parquet", path="a.parquet")
