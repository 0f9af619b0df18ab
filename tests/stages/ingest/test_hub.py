import json

import datasets
import pytest

from instructkit.errors import InputError
from instructkit.stages.ingest.hub import IngestHub

ROWS = [{"text": f"hello {n % 3}", "n": n, "x": {"a": [n]}} for n in range(10)]


@pytest.fixture(autouse=True)
def quiet(monkeypatch, tmp_path):
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    datasets.disable_progress_bars()


def saved(folder, shards=2):
    datasets.Dataset.from_list(ROWS).save_to_disk(str(folder), num_shards=shards)


def test_a_saved_dataset_is_read_shard_by_shard(read, tmp_path):
    saved(tmp_path / "d")
    kept, dropped = read("ingest.hub", folder="d", key="n")
    assert kept["id"].to_list() == [f"src-{n}" for n in range(10)]
    assert json.loads(kept["fields"][9]) == {"n": 9, "x": {"a": [9]}}
    assert kept["origin"].to_list()[5] == {"file": "data-00001-of-00002.arrow", "line": 1}
    assert dropped.is_empty()
    assert len(IngestHub(folder="d").parts(tmp_path)) == 2


def test_a_split_of_a_saved_dict_is_read(read, tmp_path):
    both = datasets.DatasetDict(train=datasets.Dataset.from_list(ROWS), test=datasets.Dataset.from_list(ROWS[:1]))
    both.save_to_disk(str(tmp_path / "d"))
    assert read("ingest.hub", folder="d", split="test")[0]["text"].to_list() == ["hello 0"]
    with pytest.raises(InputError, match=r"no split 'tests'; did you mean 'test'\? \(splits found: train, test\)"):
        read("ingest.hub", folder="d", split="tests")


@pytest.mark.parametrize("suffix", ["jsonl", "parquet", "csv"])
def test_a_folder_of_data_files_is_read_as_its_dataset_says(read, tmp_path, suffix):
    (tmp_path / "d/data").mkdir(parents=True)
    for split, rows in (("train", ROWS), ("test", ROWS[:2])):
        data = datasets.Dataset.from_list([{"text": row["text"], "n": row["n"]} for row in rows])
        write = {"jsonl": data.to_json, "parquet": data.to_parquet, "csv": data.to_csv}[suffix]
        write(str(tmp_path / f"d/data/{split}-0.{suffix}"))
    kept, _ = read("ingest.hub", folder="d")
    assert kept["text"].to_list() == [row["text"] for row in ROWS]
    assert kept["origin"].to_list()[1] == {"file": f"data/train-0.{suffix}", "line": 2}
    assert read("ingest.hub", folder="d", split="test")[0].height == 2
    assert read("ingest.hub", folder="d", data_files=f"data/*.{suffix}")[0].height == 12
    with pytest.raises(InputError, match=r"no split 'dev' \(splits found: train, test\)"):
        read("ingest.hub", folder="d", split="dev")


def test_wildcard_characters_in_names_of_files_are_no_wildcards(read, write):
    write("d/train[1].jsonl", [{"text": "a"}])
    assert read("ingest.hub", folder="d")[0]["text"].to_list() == ["a"]


def test_a_folder_that_would_be_taken_for_a_pattern_is_refused(read, write):
    write("d[1]/train.jsonl", [{"text": "a"}])
    write("d1/train.jsonl", [{"text": "of another folder"}])
    with pytest.raises(InputError, match=r"d\[1\]: .* for wildcards, .*rename"):
        read("ingest.hub", folder="d[1]")


def test_parts_are_keyed_by_content_and_not_by_place(tmp_path):
    for home in ("one", "two"):
        saved(tmp_path / home / "d")
    told = [
        [
            (p.name, p.options, [(f.name, f.digest) for f in p.files])
            for p in IngestHub(folder="d").parts(tmp_path / home)
        ]
        for home in ("one", "two")
    ]
    assert told[0] == told[1]


def test_a_missing_column_of_a_saved_dataset_is_named(read, tmp_path):
    saved(tmp_path / "d", 1)
    with pytest.raises(InputError, match=r"no column 'txt' .*did you mean 'text'"):
        read("ingest.hub", folder="d", text="txt")


def test_a_truncated_shard_is_named_with_its_row(read, tmp_path):
    saved(tmp_path / "d", 1)
    path = tmp_path / "d/data-00000-of-00001.arrow"
    path.write_bytes(path.read_bytes()[:-300])
    with pytest.raises(InputError, match=r"arrow: cannot be read on after row"):
        read("ingest.hub", folder="d")


def test_a_folder_that_is_none_or_holds_nothing_is_an_error(read, tmp_path):
    with pytest.raises(InputError, match="is no folder"):
        read("ingest.hub", folder="none")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="cannot be opened as a dataset"):
        read("ingest.hub", folder="empty")


@pytest.fixture
def offline(monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)


def test_a_hub_out_of_reach_says_the_way_out(read, offline):
    with pytest.raises(InputError, match=r"someone/data: the hub does not answer .*give that as folder"):
        read("ingest.hub", path="someone/data")


COMMIT_HASH = "0123456789abcdef0123456789abcdef01234567"


def test_files_of_a_commit_that_are_named_in_full_are_planned_without_a_network(offline, tmp_path):
    files = ["data/train-0.jsonl", "data/train-1.jsonl"]
    stage = IngestHub(path="someone/data", revision=COMMIT_HASH, data_files=files)
    parts = stage.parts(tmp_path)
    assert [part.name for part in parts] == [f"someone/data: {name}" for name in files]
    assert [[(file.name, file.digest) for file in part.files] for part in parts] == [
        [(name, COMMIT_HASH)] for name in files
    ]
    (one,) = IngestHub(path="someone/data", revision=COMMIT_HASH, data_files=files[1]).parts(tmp_path)
    assert one == parts[1]
    with pytest.raises(InputError, match=r"train-0\.jsonl: cannot be read on after row 0: .*give that as folder"):
        list(IngestHub(source="src", path="someone/data", revision=COMMIT_HASH, data_files=files).read(parts[0]))


@pytest.mark.parametrize(
    "data_files", [None, "data/*.jsonl", ["a.jsonl", "data"], "hf://datasets/x/y/a.jsonl", "./a.jsonl"]
)
def test_a_full_commit_is_not_asked_for_but_files_that_are_not_named_are(offline, read, data_files):
    with pytest.raises(InputError, match=r"someone/data: cannot be opened as a dataset: .*give that as folder"):
        read("ingest.hub", path="someone/data", revision=COMMIT_HASH, data_files=data_files)


@pytest.mark.parametrize("revision", [None, "main", COMMIT_HASH[:12]])
def test_a_revision_that_can_move_is_asked_for_even_where_files_are_named(offline, read, revision):
    with pytest.raises(InputError, match="the hub does not answer"):
        read("ingest.hub", path="someone/data", revision=revision, data_files="a.jsonl")


def test_path_or_folder_but_not_both():
    assert IngestHub().faults()
    assert IngestHub(path="a", folder="b").faults()
    assert IngestHub(folder="b", revision="main").faults()
    assert not IngestHub(path="a", revision="main").faults()
