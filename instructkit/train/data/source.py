"""The rows of a training and how they become tokens: what the objectives differ in."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl

from instructkit.chat.cut import cut_to
from instructkit.chat.rendering import ChatFormat
from instructkit.chat.shards import hold_texts, read_split
from instructkit.chat.tokenize import tokenize
from instructkit.hashing import key_of
from instructkit.models.load import load_tokenizer
from instructkit.schema import Example, frame, records
from instructkit.train.config.scratch import Scratch
from instructkit.train.config.training import Training
from instructkit.train.data.tokenizer import message_texts, train_tokenizer
from instructkit.train.data.tokens import Tokenize
from instructkit.train.model.prepare import prepare_tokenizer
from instructkit.train.watch.progress import Event, Progress

SPLIT = "train"
Cut = Callable[[pl.DataFrame, int], pl.DataFrame]
"""Rows that are too long, and the tokens they may have, to the same rows shortened; without those that cannot be."""


@dataclass(frozen=True, kw_only=True)
class Source:
    """Where the rows of a training are, and how they become tokens."""

    shards: Sequence[Path]
    key: str
    """Of everything that the tokens are made of: contents of shards, tokenizer, chat template, objective."""
    tokenize: Tokenize
    cut: Cut | None = None
    """None: rows of this kind cannot be shortened."""


def open_source(
    config: Training, shards: Sequence[Path], digests: Sequence[str], cache: Path, progress: Progress
) -> tuple[ChatFormat, Source]:
    """The format that the model of a training reads, and the rows in it. A new model's tokenizer is made, once.

    `digests`: content hashes of the shards. Raises TrainingError.
    """
    chat = prepare_tokenizer(
        config,
        lambda shape: _new_tokenizer(shape, config, shards, digests, cache, progress),
        lambda: read_split(shards, SPLIT),
        texts=hold_texts(shards),
    )
    return chat, conversations(shards, chat, key_of([list(digests), *chat.identity]))


def conversations(shards: Sequence[Path], chat: ChatFormat, key: str) -> Source:
    """Examples (or documents) as a model reads them. `key`: see Source."""
    cut = partial(_cut, chat=chat) if chat.reads == "conversation" else None
    return Source(shards=shards, key=key, tokenize=partial(tokenize, chat=chat), cut=cut)


def _cut(examples: pl.DataFrame, max_tokens: int, chat: ChatFormat) -> pl.DataFrame:
    found = (cut_to(example, max_tokens, chat) for example in records(Example, examples))
    return frame(Example, [cut[0] for cut in found if cut is not None])


def _new_tokenizer(
    shape: Scratch, config: Training, shards: Sequence[Path], digests: Sequence[str], cache: Path, progress: Progress
) -> Any:
    folder = cache / f"tokenizer-{key_of([list(digests), shape.vocab_size, config.sequence_length])}"
    if not folder.exists():
        progress(Event(phase="tokenizer", message=f"training a tokenizer of at most {shape.vocab_size:,} tokens"))
        # Renamed when whole, so that a killed process leaves nothing half.
        beside = folder.with_name(f".{folder.name}.writing")
        shutil.rmtree(beside, ignore_errors=True)
        texts = message_texts(read_split(shards, SPLIT))
        train_tokenizer(texts, shape.vocab_size, config.sequence_length).save_pretrained(beside)
        beside.rename(folder)
    return load_tokenizer(str(folder))
