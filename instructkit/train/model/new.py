"""A model with random weights, of any architecture that transformers knows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from instructkit.chat.rendering import ChatFormat
from instructkit.errors import TrainingError
from instructkit.models.load import Kind, auto_class
from instructkit.train.config.scratch import Scratch


def new_config(shape: Scratch, chat: ChatFormat, sequence_length: int) -> Any:
    """The config of a new model for a tokenizer. Raises TrainingError for a shape that its architecture refuses."""
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING

    pad = chat.tokenizer.pad_token_id
    tokens = {
        "vocab_size": len(chat.tokenizer),
        "bos_token_id": None,
        "eos_token_id": chat.stop_id,
        "pad_token_id": pad,
    }
    try:
        cls = CONFIG_MAPPING[shape.architecture]
        config = cls(**{**tokens, **shape.settings(cls, sequence_length)})
    except Exception as error:  # each architecture checks its config with errors of its own
        raise _refused(shape, error) from error
    if config.is_encoder_decoder:
        config.decoder_start_token_id = pad
    return config


def new_model(
    shape: Scratch,
    chat: ChatFormat,
    sequence_length: int,
    kind: Kind | None = None,
    classes: Sequence[str] | None = None,
) -> Any:
    """A model of that shape with random weights. `kind` None: a decoder or encoder-decoder, as the architecture is."""
    config = new_config(shape, chat, sequence_length)
    if classes is not None:
        config.id2label = dict(enumerate(classes))
        config.label2id = {name: i for i, name in enumerate(classes)}
    try:
        return auto_class(kind or ("seq2seq" if config.is_encoder_decoder else "causal")).from_config(config)
    except Exception as error:
        raise _refused(shape, error) from error


def _refused(shape: Scratch, error: Exception) -> TrainingError:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    said = lines[-1] if lines else type(error).__name__  # the first lines of a validation name the validator
    return TrainingError(
        f"a new model of architecture '{shape.architecture}' cannot be made: {said}; change its shape or options"
    )
