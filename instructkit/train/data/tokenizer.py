"""A byte-level BPE tokenizer trained on the messages of the training split, with ChatML's control tokens.

Byte-level: every text can be written, and decodes to itself. Source: Radford et al., Language Models are Unsupervised
Multitask Learners (GPT-2), section 2.2; the split into words is GPT-2's.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import polars as pl

from instructkit.chat.chatml import CHATML, PAD, START, STOP
from instructkit.errors import TrainingError


def message_texts(shards: Iterable[pl.DataFrame]) -> Iterator[str]:
    """Contents and reasonings of all messages, in order."""
    for shard in shards:
        messages = shard["messages"].explode(empty_as_null=False).struct.unnest()
        for column in ("content", "reasoning"):
            yield from messages[column].drop_nulls()


def train_tokenizer(texts: Iterable[str], vocab_size: int, max_length: int) -> Any:
    """A Hugging Face tokenizer. The same texts in the same order give the same tokenizer.

    Raises TrainingError when there are no texts.
    """
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    seen = 0

    def counted() -> Iterator[str]:
        nonlocal seen
        for text in texts:
            seen += 1
            yield text

    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=[PAD, START, STOP],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        min_frequency=2,
        show_progress=False,
    )
    # Role names stand in every prompt without standing in any message.
    backend.train_from_iterator(
        (text for source in (["system\n", "user\n", "assistant\n", "tool\n"] * 2, counted()) for text in source),
        trainer,
    )
    if not seen:
        raise TrainingError("no messages to train a tokenizer on: the train split is empty")
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend,
        pad_token=PAD,
        eos_token=STOP,
        additional_special_tokens=[START],
        model_max_length=max_length,
        clean_up_tokenization_spaces=False,
    )
    tokenizer.chat_template = CHATML
    return tokenizer
