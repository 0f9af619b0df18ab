"""How many tokens a model's tokenizer makes of examples, counted as a training would."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import polars as pl

from instructkit.chat.format import chat_format
from instructkit.chat.rendering import ChatFormat
from instructkit.chat.tokenize import tokenize
from instructkit.errors import InputError, InstructkitError, first_line
from instructkit.hashing import file_digest

FILES = ("tokenizer*", "special_tokens_map.json", "added_tokens.json", "vocab*", "merges.txt", "*.model",
         "chat_template*", "config.json")  # fmt: skip
"""What a model's folder holds of its tokenizer, beside weights that do not matter here."""


def tokenizer_files(folder: Path) -> list[tuple[str, str]]:
    """(name, content hash) of the files of a tokenizer. Raises InputError where there are none."""
    found = sorted({path for pattern in FILES for path in folder.glob(pattern) if path.is_file()})
    if not any(path.name.startswith("tokenizer") for path in found):
        raise InputError(
            f"tokenizer: {folder}: not a folder with a tokenizer (tokenizer.json, tokenizer_config.json); name the "
            "folder of a model or tokenizer that was saved by transformers"
        )
    return [(path.name, file_digest(path)) for path in found]


def token_counts(examples: pl.DataFrame, folder: str) -> pl.Series:
    """Tokens of each example, written by the folder's chat template; a plain text as a text. Int64, never null.

    0 for one that the template cannot write or whose labels cannot be proven: a training leaves it out.
    """
    rows = tokenize(examples, _chat(folder)).rows
    counts = rows.group_by("id").agg(tokens=pl.col("input_ids").list.len().sum().cast(pl.Int64))
    joined = examples.select("id").join(counts, on="id", how="left", maintain_order="left")
    return joined["tokens"].fill_null(0)


@lru_cache(maxsize=2)
def _chat(folder: str) -> ChatFormat:
    try:
        from transformers import AutoTokenizer
    except ModuleNotFoundError as error:
        raise InputError(f"a budget in tokens needs the package {error.name}; pip install transformers") from error
    try:
        return chat_format(AutoTokenizer.from_pretrained(Path(folder).expanduser(), local_files_only=True))
    except InstructkitError as error:
        raise InputError(f"tokenizer: {folder}: {error}") from error
    except (OSError, ValueError, KeyError) as error:
        raise InputError(f"tokenizer: {folder}: cannot be loaded: {first_line(error)}") from error
