import os

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from instructkit.dedupe.files import plan
from instructkit.errors import InputError, UsageFault


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with files of both formats, and the current one."""
    for name in ("a.jsonl", "b.ndjson.gz", "more/a.jsonl", "more/.hidden.jsonl", "notes.txt", "list.json"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("")
    pq.write_table(pa.table({"text": ["a"], "n": [1]}), tmp_path / "t.parquet")
    pq.write_table(pa.table({"text": ["a"], "n": ["1"]}), tmp_path / "u.parquet")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def paths(inputs: list[str], out: str) -> list[tuple[str, str]]:
    found = plan(inputs, out, None, force=False)
    return [(str(source.path), str(target)) for source, target in zip(found.sources, found.targets, strict=True)]


def test_inputs_come_in_the_order_given_each_once(here):
    assert paths(["more", "*.jsonl", "more/a.jsonl", "b.ndjson.gz", "./a.jsonl", "list.json"], "out.jsonl") == [
        (name, "out.jsonl") for name in ("more/a.jsonl", "a.jsonl", "b.ndjson.gz", "list.json")
    ]


def test_a_folder_as_output_takes_each_name(here):
    assert paths(["a.jsonl", "t.parquet", "b.ndjson.gz"], "out/") == [
        ("a.jsonl", "out/a.jsonl"),
        ("t.parquet", "out/t.parquet"),
        ("b.ndjson.gz", "out/b.ndjson.gz"),
    ]
    (here / "there").mkdir()
    assert paths(["more"], "there") == [("more/a.jsonl", "there/a.jsonl")]


@pytest.mark.parametrize(
    ("inputs", "out", "said"),
    [
        (["a.jsnl"], "out.jsonl", "a.jsnl: no such file or folder .* did you mean 'a.jsonl'?"),
        (["*.csv"], "out.jsonl", "matches no file"),
        (["notes.txt"], "out.jsonl", "'.txt' is not read here, expected .jsonl, .* or .parquet"),
        (["a.jsonl"], "out", "out: expected a name that ends in .jsonl, .* or for a file of each input a folder"),
        (["a.jsonl"], "out.parquet", "a.jsonl and out.parquet: rows are written in the format they came in"),
        (["t.parquet", "a.jsonl"], "out.parquet", "a.jsonl and out.parquet"),
        (["t.parquet"], "out.parquet.gz", "Parquet is packed inside"),
        (["a.jsonl"], "./a.jsonl", "is an input too"),
        (["more"], "more/../more/a.jsonl", "is an input too"),
        (["a.jsonl"], "list.json", "exists already; --force replaces it"),
        (["a.jsonl", "more/a.jsonl"], "out/", "out/a.jsonl: would be made of a.jsonl and of more/a.jsonl"),
        (["t.parquet", "u.parquet"], "out.parquet", r"their columns differ \(n: int64, n: string\)"),
    ],
)
def test_what_cannot_be_is_told_before_any_work(here, inputs, out, said):
    with pytest.raises(UsageFault, match=said):
        plan(inputs, out, None, force=False)


def test_force_replaces_outputs_but_never_inputs(here):
    assert plan(["a.jsonl"], "list.json", None, force=True).targets
    os.link(here / "a.jsonl", here / "same.jsonl")
    (here / "link.jsonl").symlink_to("a.jsonl")
    for out in ("a.jsonl", "link.jsonl"):
        with pytest.raises(UsageFault, match="is an input too"):
            plan(["a.jsonl"], out, None, force=True)


def test_clusters_have_a_place_of_their_own(here):
    for name, said in (
        ("c.csv", "ends in .jsonl or .parquet"),
        ("c.jsonl.gz", "ends in .jsonl or .parquet"),
        ("out.jsonl", "both the rows and the clusters"),
    ):
        with pytest.raises(UsageFault, match=said):
            plan(["a.jsonl"], "out.jsonl", here / name, force=False)


def test_a_pipe_is_no_input(here):
    os.mkfifo(here / "pipe.jsonl")
    with pytest.raises(UsageFault, match="is a pipe or device, expected a file"):
        plan(["pipe.jsonl"], "out.jsonl", None, force=False)


def test_a_broken_table_is_named(here):
    (here / "broken.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(InputError, match=r"broken\.parquet: not a whole Parquet file"):
        plan(["broken.parquet"], "out.parquet", None, force=False)
