"""Which split a file belongs to, as its name or its folder says.

train.jsonl  gsm8k_train.csv  train/a.json                    train
val.jsonl    valid/…  dev.json  eval.parquet                  validation
test.jsonl   squad-test.arrow  holdout.csv                    test
data/train_sft-00000-of-00002.parquet                         train_sft: the hub's own way to name a split
data/challenge-00000-of-00001.parquet                         challenge: there, any name
notes.jsonl  protest.csv  part-00000-of-00010.parquet         none

Words are looked for between characters that are no letters (train1, test-2024), as `datasets` does
(huggingface.co/docs/hub/datasets-file-names-and-splits), in the file's name first, then in its folders from the
innermost out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import PurePosixPath

from instructkit.stages.ingest.find import plain_name

WORDS = {
    "train": "train",
    "training": "train",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
    "dev": "validation",
    "development": "validation",
    "eval": "validation",
    "evaluation": "validation",
    "test": "test",
    "testing": "test",
    "holdout": "test",
    "heldout": "test",
}
"""`datasets` knows the same but for the last two, and takes eval for test. Of a name with several the first counts."""

ORDER = ("train", "validation", "test")
NUMBERED = re.compile(r"(.+?)[-_.]\d{5}-of-\d{5}")
BETWEEN = re.compile(r"[^A-Za-z]+")
NO_SPLIT = frozenset({"data", "part", "shard", "chunk", "file"})
"""What writers call the pieces of a table that has no splits."""


def split_word(word: str) -> str:
    """A split's usual name: `validation` for `dev`; other words stay as they are."""
    return WORDS.get(word.lower(), word)


def split_of_path(name: str) -> str | None:
    """The split that a file belongs to by its path inside the dataset; None where the path says nothing."""
    path = PurePosixPath(plain_name(name))
    numbered = NUMBERED.match(path.name)
    if numbered and (said := numbered[1]).lower() not in NO_SPLIT:
        if said.lower() in WORDS:
            return WORDS[said.lower()]
        # The name of a split has no hyphen; what `datasets` keeps of one is called alpaca-train-00000-of-00002.arrow.
        last = said.rpartition("-")[2]
        if last != said and _first_word(last):
            return split_word(last)
        if _first_word(said) or path.parent.name == "data":
            return said
    stem = numbered[1] if numbered else path.name.partition(".")[0] or path.name
    folders = [part for part in reversed(path.parts[:-1]) if part not in (".", "..")]
    return next((split for part in (stem, *folders) if (split := _first_word(part))), None)


def in_order(splits: Iterable[str]) -> list[str]:
    """Distinct splits: train, validation, test, then others by name."""
    distinct = set(splits)
    return [name for name in ORDER if name in distinct] + sorted(distinct - set(ORDER))


def _first_word(text: str) -> str | None:
    return next((WORDS[word] for word in BETWEEN.split(text.lower()) if word in WORDS), None)
