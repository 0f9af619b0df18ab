"""A file's name or folder says its split, as dataset repositories have it."""

import pytest

from instructkit.stages.ingest.split_names import in_order, split_of_path, split_word


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("alpaca-train-00000-of-00002.arrow", "train"),
        ("alpaca-train_sft-00000-of-00002.arrow", "train_sft"),
        ("train.jsonl", "train"),
        ("TRAIN.jsonl.gz", "train"),
        ("gsm8k_train.csv", "train"),
        ("train/part-00000-of-00010.parquet", "train"),
        ("data/train-00000-of-00001.parquet", "train"),
        ("data/train_sft-00000-of-00002.parquet", "train_sft"),
        ("data/challenge-00000-of-00001.parquet", "challenge"),
        ("main/test-00000-of-00001.parquet", "test"),
        ("dev.json", "validation"),
        ("valid/a.json", "validation"),
        ("squad-validation.arrow", "validation"),
        ("holdout.csv", "test"),
        ("test/train_notes.jsonl", "train"),
        ("data/data-00000-of-00001.arrow", None),
        ("part-00000-of-00010.parquet", None),
        ("train1.jsonl", "train"),
        ("test-2024v2.csv", "test"),
        ("contest.jsonl", None),
        ("latest/trainer.jsonl", None),
        ("notes.jsonl", None),
    ],
)
def test_a_path_says_its_split_by_whole_words_name_before_folder(name, split):
    assert split_of_path(name) == split


def test_usual_splits_come_first_and_in_the_usual_order():
    assert in_order(["test", "zebra", "train", "challenge", "test", "validation"]) == [
        "train",
        "validation",
        "test",
        "challenge",
        "zebra",
    ]


def test_dev_is_called_validation_and_an_unknown_word_keeps_its_name():
    assert [split_word(word) for word in ("Dev", "val", "hidden")] == ["validation", "validation", "hidden"]
