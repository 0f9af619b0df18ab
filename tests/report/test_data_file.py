"""Data files are read as the ingest of their kind reads them."""

import gzip
import json

import polars as pl
import pytest

from instructkit.errors import InputError, UsageFault
from instructkit.report.data_file import nested_records, open_data
from instructkit.stages.ingest.jsonl import IngestJsonl

ROWS = [{"body": "The sea.", "stars": 4}, {"body": "A bridge.", "stars": 2}]
LINES = "".join(json.dumps(row) + "\n" for row in ROWS)


@pytest.fixture
def write(tmp_path):
    def make(name, content):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return str(path)

    return make


@pytest.mark.parametrize(
    ("name", "content", "stage"),
    [
        ("a.jsonl", LINES, "ingest.jsonl"),
        ("a.jsonl.gz", gzip.compress(LINES.encode()), "ingest.jsonl"),
        ("a.json", json.dumps(ROWS), "ingest.json"),
        ("lines.json", LINES, "ingest.jsonl"),
        ("pretty.json", json.dumps(ROWS, indent=1), "ingest.json"),
    ],
)
def test_each_kind_is_told_by_its_name_and_beginning(write, name, content, stage):
    data = open_data(write(name, content))
    assert (data.stage_name, data.head(5)) == (stage, ROWS)


def test_tables_are_read_too(write, tmp_path):
    assert open_data(write("a.csv", "body,stars\nThe sea.,4\n")).head(5) == [{"body": "The sea.", "stars": "4"}]
    pl.DataFrame(ROWS).write_parquet(tmp_path / "a.parquet")
    assert open_data(str(tmp_path / "a.parquet")).head(1) == ROWS[:1]


def test_documents_have_the_ids_of_a_build(write, tmp_path):
    path = write("a.jsonl", LINES)
    (outcome,) = open_data(path).documents("body", source="raw")

    stage = IngestJsonl(path=path, text="body", source="raw")
    (part,) = stage.parts(tmp_path)
    (built,) = stage.read(part)
    assert outcome.kept.equals(built.kept)


def test_records_below_keys_are_found_and_carry_what_stands_above(write):
    answers = [{"text": "5 m", "start": 3}]
    questions = [{"question": f"How tall {n}?", "id": str(n), "answers": answers} for n in range(3)]
    held = {"version": "1", "data": [{"title": "Giraffes", "paragraphs": [{"context": "Tall.", "qas": questions}] * 2}]}
    data = nested_records(open_data(write("a.json", json.dumps(held))))
    assert data.records == "data.paragraphs.qas"
    assert data.head(1) == [{"title": "Giraffes", "context": "Tall.", **questions[0]}]


def test_an_array_at_the_top_is_left_alone(write):
    assert nested_records(open_data(write("a.json", json.dumps(ROWS)))).records is None


def test_other_files_are_refused_with_the_kinds_there_are(write):
    with pytest.raises(UsageFault, match=r"not a data file of a known kind \(\.jsonl"):
        open_data(write("a.txt", "words"))
    with pytest.raises(InputError, match=r"did you mean 'reviews\.csv'"):
        open_data(write("reviews.csv", "a\n").replace("reviews", "review"))
