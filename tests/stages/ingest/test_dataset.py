"""Any dataset is opened by its path: files, splits and rows, none lost."""

import gzip
import json

import polars as pl
import pytest

from instructkit.errors import InputError
from instructkit.stages.ingest.dataset import BadRow, RawRow, open_dataset

ROWS = [{"question": "Why tides?", "answer": "The moon."}, {"question": "Why wind?", "answer": "The sun."}]
LINES = "".join(json.dumps(row) + "\n" for row in ROWS)


@pytest.fixture
def write(tmp_path):
    def make(name, content):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, pl.DataFrame):
            {".parquet": content.write_parquet, ".arrow": content.write_ipc_stream, ".feather": content.write_ipc}[
                path.suffix
            ](path)
        else:
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return make


def values(dataset):
    rows = list(dataset.rows())
    assert all(isinstance(row, RawRow) for row in rows)
    return [row.value for row in rows]


@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [
        ("a.jsonl", LINES, "lines"),
        ("a.jsonl.gz", gzip.compress(LINES.encode(), mtime=0), "lines"),
        ("a.json", json.dumps(ROWS, indent=1), "json"),
        ("a.json", LINES, "lines"),
        ("a.jsonl", LINES.encode("utf-16"), "lines"),
        ("a.csv", "question,answer\nWhy tides?,The moon.\nWhy wind?,The sun.\n", "csv"),
        ("a.csv", "question;answer\nWhy tides?;The moon.\nWhy wind?;The sun.\n", "csv"),
        ("a.tsv", "question\tanswer\nWhy tides?\tThe moon.\nWhy wind?\tThe sun.\n", "csv"),
        ("a.parquet", pl.DataFrame(ROWS), "parquet"),
        ("a.arrow", pl.DataFrame(ROWS), "arrow"),
        ("a.feather", pl.DataFrame(ROWS), "arrow"),
        ("a", LINES, "lines"),
        ("a.data", json.dumps(ROWS), "json"),
    ],
)
def test_each_kind_of_file_gives_the_same_rows(write, tmp_path, name, content, kind):
    write(name, content)
    dataset = open_dataset(name, tmp_path)
    assert [file.kind for file in dataset.files] == [kind]
    assert values(dataset) == ROWS


def test_a_folder_of_files_called_as_splits_gives_each_row_its_split(write, tmp_path):
    for name in ("data/train-00000-of-00001.jsonl", "data/test-00000-of-00001.jsonl", "dev/a.jsonl", "README.md"):
        write(f"set/{name}", LINES)
    write("set/dataset_infos.json", "{}")
    dataset = open_dataset("set", tmp_path)
    assert dataset.splits == ["train", "validation", "test"]
    assert [file.name for file in dataset.files] == [
        "set/data/test-00000-of-00001.jsonl",
        "set/data/train-00000-of-00001.jsonl",
        "set/dev/a.jsonl",
    ]
    assert [row.split for row in dataset.rows()] == ["test"] * 2 + ["train"] * 2 + ["validation"] * 2


def test_the_folder_above_says_nothing_about_the_split(write, tmp_path):
    write("test/notes.jsonl", LINES)
    assert open_dataset("test", tmp_path).splits == []
    assert open_dataset("test/notes.jsonl", tmp_path).splits == []


def test_an_absolute_path_is_shown_by_its_last_names(write, tmp_path):
    path = write("deep/set/train.jsonl", LINES)
    assert [file.name for file in open_dataset(str(path)).files] == ["set/train.jsonl"]
    assert [file.name for file in open_dataset(str(path.parent)).files] == ["set/train.jsonl"]


def test_a_column_says_the_split_where_the_file_does_not(write, tmp_path):
    rows = [{"text": "a", "split": "train"}, {"text": "b", "split": "dev"}, {"text": "c"}, {"text": "d", "split": 3}]
    write("all.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    assert [row.split for row in open_dataset("all.jsonl", tmp_path).rows()] == ["train", "validation", None, None]
    write("test.jsonl", json.dumps(rows[0]))
    assert [row.split for row in open_dataset("test.jsonl", tmp_path).rows()] == ["train"]
    write("test.jsonl", json.dumps({"text": "a", "split": "en-fr"}))
    assert [row.split for row in open_dataset("test.jsonl", tmp_path).rows()] == ["test"]


def test_white_space_around_a_split_in_a_column_is_none_of_its_name(write, tmp_path):
    said = ["train", " Train ", "test\n", "  ", ""]
    write("all.jsonl", "".join(json.dumps({"text": "a", "split": each}) + "\n" for each in said))
    assert [row.split for row in open_dataset("all.jsonl", tmp_path).rows()] == ["train", "train", "test", None, None]


def test_records_below_the_top_of_a_json_file_are_found(write, tmp_path):
    asked = [{"question": "Q", "id": "1"}, {"question": "R", "id": "2"}]
    paragraphs = [{"context": "Tides.", "qas": asked}, {"context": "Waves.", "qas": asked[:1]}]
    write("squad.json", json.dumps({"version": "1", "data": [{"title": "Sea", "paragraphs": paragraphs}]}))
    found = [(row["context"], row["question"], row["title"]) for row in values(open_dataset("squad.json", tmp_path))]
    assert found == [("Tides.", "Q", "Sea"), ("Tides.", "R", "Sea"), ("Waves.", "Q", "Sea")]


def test_splits_side_by_side_in_one_json_file_are_read_as_such(write, tmp_path):
    write("both.json", json.dumps({"train": ROWS[:1], "dev": ROWS[1:]}))
    found = [(row.split, row.value) for row in open_dataset("both.json", tmp_path).rows()]
    assert found == [("train", ROWS[0]), ("validation", ROWS[1])]


def test_a_json_file_that_is_one_conversation_is_one_row(write, tmp_path):
    one = {"messages": [{"role": "user", "content": "Q"}, {"role": "assistant", "content": "A"}]}
    write("one.json", json.dumps(one))
    assert values(open_dataset("one.json", tmp_path)) == [one]


def test_what_save_to_disk_wrote_is_read_with_its_splits(tmp_path):
    datasets = pytest.importorskip("datasets")
    parts = {"train": datasets.Dataset.from_list(ROWS[:1]), "test": datasets.Dataset.from_list(ROWS[1:])}
    datasets.DatasetDict(parts).save_to_disk(str(tmp_path / "saved"))
    dataset = open_dataset("saved", tmp_path)
    assert [(row.split, row.value) for row in dataset.rows()] == [("train", ROWS[0]), ("test", ROWS[1])]
    assert {file.kind for file in dataset.files} == {"arrow"}
    parts["train"].save_to_disk(str(tmp_path / "one"))
    assert values(open_dataset("one", tmp_path)) == ROWS[:1]


def test_a_bad_row_is_named_and_the_others_are_read(write, tmp_path):
    write("a.jsonl", json.dumps(ROWS[0]) + "\n{broken\n\n" + json.dumps(ROWS[1]) + "\n")
    good, bad, last = open_dataset("a.jsonl", tmp_path).rows()
    assert isinstance(bad, BadRow)
    assert (bad.file.name, bad.line, bad.rule) == ("a.jsonl", 2, "not_json")
    assert (good.line, last.line) == (1, 4)


def test_a_truncated_file_is_an_error_with_its_name(write, tmp_path):
    write("a.jsonl.gz", gzip.compress(LINES.encode() * 500, mtime=0)[:-20])
    with pytest.raises(InputError, match=r"a\.jsonl\.gz: the gzip file is truncated"):
        list(open_dataset("a.jsonl.gz", tmp_path).rows())
    write("b.arrow", b"\xff\xff\xff\xff\x10\x00\x00\x00nonsense")
    with pytest.raises(InputError, match=r"b\.arrow: cannot be read on after row 0"):
        list(open_dataset("b.arrow", tmp_path).rows())


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("nosuch", "no such file or folder"),
        ("texts", "no file ends in"),
        ("texts/a.txt", "not a data file of a known kind"),
        ("about", "only files about a dataset"),
    ],
)
def test_where_nothing_can_be_read_the_error_says_why(write, tmp_path, path, message):
    write("texts/a.txt", "plain words")
    write("about/dataset_info.json", "{}")
    with pytest.raises(InputError, match=message):
        open_dataset(path, tmp_path)


def test_a_build_gives_its_export_else_its_last_rows_and_any_step_by_name(built):
    build = built
    dataset = open_dataset(str(build.folder))
    assert dataset.step == "chat"
    assert {"train", "test"} <= set(dataset.splits)
    ids = {row.value["id"]: row.split for row in dataset.rows()}
    examples = dict(build.rows("final").select("id", "split").collect().iter_rows())
    assert ids == examples
    final = open_dataset(str(build.folder), step="final")
    assert {row.value["id"]: row.split for row in final.rows()} == examples
    with pytest.raises(InputError, match=r"no step 'finale'.*did you mean 'final'"):
        open_dataset(str(build.folder), step="finale")


def test_the_folder_of_builds_is_no_dataset(built):
    with pytest.raises(InputError, match=r"holds builds, not rows; name one: .*build/notes"):
        open_dataset(str(built.folder.parent))


def test_a_step_of_what_is_no_build_is_an_error(write, tmp_path):
    write("a.jsonl", LINES)
    with pytest.raises(InputError, match="only the folder of a build"):
        open_dataset("a.jsonl", tmp_path, step="final")


def test_the_digest_is_of_the_bytes(write, tmp_path):
    write("a.jsonl", LINES)
    write("b.jsonl", LINES)
    digests = {open_dataset(name, tmp_path).files[0].digest for name in ("a.jsonl", "b.jsonl")}
    assert len(digests) == 1
