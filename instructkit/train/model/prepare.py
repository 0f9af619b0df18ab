"""The model to be trained and its tokenizer: loaded, or new."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import polars as pl
import torch

from instructkit.chat.format import format_for
from instructkit.chat.rendering import ChatFormat, Reads
from instructkit.errors import TrainingError
from instructkit.models.load import Kind, kind_of, load_config, load_model, load_tokenizer
from instructkit.train.config.scratch import Scratch
from instructkit.train.config.training import Training
from instructkit.train.model.adapters import check_adapter, load_in_4_bits
from instructkit.train.model.new import new_model

FEW_CLASSES = 20
"""More classes than this must repeat, each twice on average: else the replies are texts, not classes."""


def prepare_tokenizer(
    config: Training,
    train_one: Callable[[Scratch], Any],
    examples: Callable[[], Iterable[pl.DataFrame]] = tuple,
    texts: bool = False,
) -> ChatFormat:
    """The format of the model to be trained: its tokenizer, and how it reads and writes.

    `train_one` makes the tokenizer of a new model; `examples` gives the training split, which a classifier's classes
    are taken from; `texts`: some of them are plain texts, which are cut into pieces. Raises TrainingError.
    """
    if isinstance(config.model, Scratch):
        tokenizer = train_one(config.model)
        both = is_encoder_decoder(config.model)
        own: list[str] = []
    else:
        tokenizer = load_tokenizer(config.pretrained)
        saved = load_config(config.pretrained)
        check_base(config, saved)
        both = saved.is_encoder_decoder
        own = [saved.id2label[i] for i in sorted(saved.id2label)] if kind_of(saved) == "classifier" else []
    reads = _reads(config, both)
    return format_for(
        tokenizer,
        config.chat_template,
        reads,
        classes=_classes(examples(), own) if reads == "class" else (),
        # None where nothing is cut: then the tokens serve trainings of another length too.
        piece_tokens=config.sequence_length if texts or reads == "document" else 0,
    )


def check_base(config: Training, saved: Any) -> None:
    """Raises TrainingError for a base model that cannot be trained as asked, as far as its config tells."""
    if config.adapter is not None:
        check_adapter(config.adapter)
    if config.objective != "classification" and kind_of(saved) == "classifier":
        raise TrainingError(f"model '{config.pretrained}' is a classifier; set objective: classification")
    longest = getattr(saved.get_text_config(), "max_position_embeddings", None)
    if longest is not None and config.sequence_length > longest:
        raise TrainingError(
            f"model '{config.pretrained}' has positions for {longest} tokens, sequence_length is "
            f"{config.sequence_length}; set sequence_length: {longest} or less"
        )


def is_encoder_decoder(shape: Scratch) -> bool:
    """Whether models of that architecture read with one part and write with another."""
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING

    known = CONFIG_MAPPING[shape.architecture]
    return bool(shape.options.get("is_encoder_decoder", getattr(known, "is_encoder_decoder", False)))


def _reads(config: Training, both: bool) -> Reads:
    if config.objective == "classification":
        return "class"
    if config.objective == "language-modeling":
        if both:
            raise TrainingError("objective: language-modeling is for decoders; the model is an encoder-decoder")
        return "document"
    return "pair" if both else "conversation"


def _classes(frames: Iterable[pl.DataFrame], own: list[str]) -> list[str]:
    """The last replies that occur, sorted; the model's own classes where those are among them. Raises TrainingError."""
    counts: Counter[str] = Counter()
    for frame in frames:
        last = frame["messages"].list.last().struct.unnest()
        counts.update(last.filter(pl.col("role") == "assistant")["content"].str.strip_chars())
    if own and counts.keys() <= set(own):
        return own
    rows = counts.total()
    if len(counts) < 2 or (len(counts) > FEW_CLASSES and len(counts) * 2 > rows):
        shown = ", ".join(repr(name[:30]) for name, _ in counts.most_common(3))
        raise TrainingError(
            f"objective: classification takes the last replies as classes: {len(counts):,} different ones in {rows:,} "
            f"examples ({shown}); it needs two or more that repeat"
        )
    return sorted(counts)


def load_base(config: Training, kind: Kind | None = None, classes: Sequence[str] | None = None) -> Any:
    """The model that a training starts from, as `load_model` loads it; for qlora in 4 bits. Raises TrainingError."""
    if config.adapter is not None and config.adapter.kind == "qlora":
        return load_in_4_bits(config.pretrained)
    return load_model(config.pretrained, kind, classes)


def prepare_model(config: Training, chat: ChatFormat) -> Any:
    """The model, fp32, on the CPU, with a row for every token of the tokenizer. Seeded. Raises TrainingError."""
    torch.manual_seed(config.seed)
    kind: Kind | None = "classifier" if chat.reads == "class" else None
    classes = chat.classes if kind else None
    if isinstance(config.model, Scratch):
        return new_model(config.model, chat, config.sequence_length, kind, classes)
    saved = load_config(config.pretrained)
    same = kind is not None and list(chat.classes) == [saved.id2label[i] for i in sorted(saved.id2label)]
    model = load_base(config, kind, None if same and kind_of(saved) == "classifier" else classes)
    if len(chat.tokenizer) > model.get_input_embeddings().num_embeddings:
        model.resize_token_embeddings(len(chat.tokenizer))
    if kind is not None:  # a decoder's body is read at the last token that is no padding
        pad = chat.tokenizer.pad_token_id
        model.config.get_text_config().pad_token_id = pad if pad is not None else chat.tokenizer.eos_token_id
    return model
