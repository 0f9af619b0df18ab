import pytest

from instructkit.build.card import dataset_card
from instructkit.build.split_files import write_split_files
from instructkit.schema import Example, records
from instructkit.stages.export.huggingface import ExportHuggingface


@pytest.fixture
def folder(tmp_path, examples):
    stage = ExportHuggingface()
    rows = [
        {"messages": [("user", f"q{n}"), ("assistant", f"a{n}")], "split": split, "document_ids": [f"d{n}"]}
        for n, split in enumerate(["train", "test", "train", "validation"])
    ]
    files = write_split_files([stage.apply(examples(*rows)).kept], tmp_path / "out", stage)
    card = dataset_card(
        name="demo", files=list(files.values()), counts={}, drops={}, recipe="recipe: demo", lock_digest="0"
    )
    (tmp_path / "out" / "README.md").write_text(card)
    return tmp_path / "out"


@pytest.mark.parametrize("with_card", [True, False])
def test_datasets_loads_the_folder_with_its_splits(folder, tmp_path, with_card):
    import datasets

    if not with_card:
        (folder / "README.md").unlink()
    loaded = datasets.load_dataset(str(folder), cache_dir=str(tmp_path / "cache"))
    assert {split: rows.num_rows for split, rows in loaded.items()} == {"train": 2, "test": 1, "validation": 1}
    turns = [(turn["role"], turn["content"]) for turn in loaded["train"][1]["messages"]]
    assert turns == [("user", "q2"), ("assistant", "a2")]
    assert loaded["test"][0]["document_ids"] == ["d1"]


def test_nothing_of_an_example_is_lost(tmp_path, examples):
    import polars as pl

    shard = examples({"messages": [("user", "q")], "weight": 0.5, "meta": '{"a":1}'})
    stage = ExportHuggingface()
    (file,) = write_split_files([stage.apply(shard).kept], tmp_path, stage).values()
    assert file.name == "data/train-00000-of-00001.parquet"
    assert list(records(Example, pl.read_parquet(tmp_path / file.name))) == list(records(Example, shard))
