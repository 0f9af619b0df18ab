import datetime as dt
import decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from instructkit.dedupe import parquet
from instructkit.errors import InputError, UsageFault


@pytest.fixture
def table(text_of):
    """Twenty rows of types that few formats hold; each text stands twice."""
    n = range(20)
    columns = {
        "text": pa.array([None if i == 7 else text_of(i % 10) for i in n]),
        "messages": pa.array([[{"role": "user", "content": text_of(i // 2)}] for i in n]),
        "kind": pa.array(["a", None] * 10).dictionary_encode(),
        "price": pa.array([decimal.Decimal(i) for i in n], pa.decimal128(38, 2)),
        "at": pa.array([dt.datetime(2020, 1, 1, tzinfo=dt.UTC)] * 20, pa.timestamp("ns", "Europe/Rome")),
        "map": pa.array([[("k", i)] for i in n], pa.map_(pa.string(), pa.int64())),
        "raw": pa.array([b"\xff\x00"] * 20, pa.large_binary()),
        "half": pa.array([1.5] * 20, pa.float32()),
        "small": pa.array([i if i % 3 else None for i in n], pa.uint8()),
        "time": pa.array([dt.time(1, 2, 3)] * 20, pa.time64("us")),
        "none": pa.nulls(20),
        "struct": pa.array([{"a": {"b": None, "c": i}} for i in n]),
    }
    fields = pa.table(columns)
    return fields.replace_schema_metadata({"huggingface": '{"info": {}}', "über": "ä"})


@pytest.fixture
def small_batches(monkeypatch):
    """Batches and row groups of a few rows."""
    monkeypatch.setattr(parquet, "BATCH_ROWS", 3)
    monkeypatch.setattr(parquet, "GROUP_ROWS", 4)


@pytest.mark.parametrize("small", [False, True])
@pytest.mark.parametrize("compression", ["none", "snappy", "zstd"])
def test_rows_schema_metadata_and_compression_stay(tmp_path, run, table, request, small, compression):
    if small:
        request.getfixturevalue("small_batches")
    pq.write_table(table, tmp_path / "in.parquet", row_group_size=5, compression=compression)
    result = run("in.parquet", out="out.parquet")
    out = pq.ParquetFile(tmp_path / "out.parquet")
    kept = [*range(10), 17]  # row 7 has no text, so row 17 is the first of its kind
    assert out.read().equals(pq.read_table(tmp_path / "in.parquet").take(kept), check_metadata=True)
    assert (
        out.metadata.row_group(0).column(0).compression
        == pq.ParquetFile(tmp_path / "in.parquet").metadata.row_group(0).column(0).compression
    )
    assert out.metadata.num_row_groups == (3 if small else 1)
    assert (result.rows, result.without_text, result.copies) == (20, 1, 9)


@pytest.mark.parametrize(
    ("column", "kept"),
    [("messages", 10), ("kind", 11), ("price", 20), ("small", 20), ("time", 1), ("half", 1), ("struct", 20), ("at", 1)],
)
def test_any_column_can_be_compared(tmp_path, run, table, column, kept):
    pq.write_table(table, tmp_path / "in.parquet")
    assert run("in.parquet", out="out.parquet", text=column, threshold=1.0).kept == kept


def test_a_column_that_is_no_text_is_told(tmp_path, run, table):
    pq.write_table(table, tmp_path / "in.parquet")
    with pytest.raises(InputError, match=r"in\.parquet: column 'raw' \(large_binary\) cannot be compared as text"):
        run("in.parquet", out="out.parquet", text="raw")
    assert not (tmp_path / "out.parquet").exists()


def test_tables_of_one_schema_go_into_one_file(tmp_path, run, table, small_batches):
    pq.write_table(table.slice(0, 10), tmp_path / "a.parquet")
    pq.write_table(table.slice(10).replace_schema_metadata({"other": "1"}), tmp_path / "b.parquet")
    result = run("a.parquet", "b.parquet", out="out.parquet", clusters="clusters.parquet")
    first = pq.read_table(tmp_path / "a.parquet")
    rows = pa.concat_tables([first, pq.read_table(tmp_path / "b.parquet").cast(first.schema)]).take([*range(10), 17])
    assert pq.read_table(tmp_path / "out.parquet").equals(rows, check_metadata=True)
    clusters = pq.read_table(tmp_path / "clusters.parquet").to_pylist()
    assert [(row["line"], row["survivor_line"]) for row in clusters] == [
        (line, line) for i in range(10) if i != 7 for line in (i + 1, i + 1)
    ]
    assert result.clusters == 9


def test_tables_and_lines_are_compared_with_one_another(tmp_path, run, write_lines, text_of):
    pq.write_table(pa.table({"text": [text_of(1), text_of(2)]}), tmp_path / "a.parquet")
    write_lines("b.jsonl", [{"text": text_of(2)}, {"text": text_of(3)}])
    run("b.jsonl", "a.parquet", out="out/")
    assert pq.read_table(tmp_path / "out/a.parquet").to_pylist() == [{"text": text_of(1)}]
    assert (tmp_path / "out/b.jsonl").read_bytes() == (tmp_path / "b.jsonl").read_bytes()


def test_a_table_without_rows_stays_one(tmp_path, run):
    pq.write_table(pa.table({"text": pa.array([], pa.string())}), tmp_path / "in.parquet")
    run("in.parquet", out="out.parquet")
    assert pq.read_table(tmp_path / "out.parquet").schema.names == ["text"]


def test_rows_of_a_table_without_the_column_are_kept_and_told(tmp_path, run, text_of):
    pq.write_table(pa.table({"text": [text_of(1), text_of(1)]}), tmp_path / "a.parquet")
    pq.write_table(pa.table({"body": ["x", "x"], "nested": [{"text": "x"}] * 2}), tmp_path / "b.parquet")
    result = run("a.parquet", "b.parquet", out="out/")
    assert (result.kept, result.without_text) == (3, 2)
    assert result.files_without_text == [str(tmp_path / "b.parquet")]
    assert pq.read_table(tmp_path / "out/b.parquet").equals(pq.read_table(tmp_path / "b.parquet"))


def test_a_column_that_no_table_has_is_named(tmp_path, run):
    pq.write_table(pa.table({"txt": ["x", "x"]}), tmp_path / "in.parquet")
    with pytest.raises(UsageFault, match=r"no row has the column 'text'; did you mean 'txt'\?"):
        run("in.parquet", out="out.parquet")


def test_a_column_is_found_by_its_whole_name_beside_a_struct(tmp_path, run, text_of):
    rows = {"a": [{"b": text_of(i)} for i in range(2)], "a.b": [text_of(3), text_of(3)]}
    pq.write_table(pa.table(rows), tmp_path / "in.parquet")
    assert run("in.parquet", out="out.parquet", text="a.b").kept == 1
    assert run("in.parquet", out="out.parquet", text="a", force=True).kept == 2
