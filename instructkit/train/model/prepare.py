"""The model to be trained and its tokenizer: loaded, or new."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from instructkit.chat.format import chat_format
from instructkit.chat.rendering import ChatFormat
from instructkit.errors import TrainingError
from instructkit.models.load import load_model, load_tokenizer
from instructkit.train.config.scratch import Scratch
from instructkit.train.config.training import Training


def prepare_tokenizer(config: Training, train_one: Callable[[Scratch], Any]) -> ChatFormat:
    """The chat format of the model to be trained; `train_one` makes the tokenizer of a new model."""
    tokenizer = train_one(config.model) if isinstance(config.model, Scratch) else load_tokenizer(config.model)
    return chat_format(tokenizer, config.chat_template)


def prepare_model(config: Training, chat: ChatFormat) -> Any:
    """The model, fp32, on the CPU, with a row for every token of the tokenizer. Seeded."""
    torch.manual_seed(config.seed)
    tokens = len(chat.tokenizer)
    if isinstance(config.model, Scratch):
        return new_model(config.model, chat, config.sequence_length)
    model = load_model(config.model)
    if model.config.is_encoder_decoder:
        raise TrainingError(f"model '{config.model}': an encoder-decoder; only decoders can be trained so far")
    longest = getattr(model.config, "max_position_embeddings", None)
    if longest is not None and config.sequence_length > longest:
        raise TrainingError(
            f"model '{config.model}' has positions for {longest} tokens, sequence_length is "
            f"{config.sequence_length}; set sequence_length: {longest} or less"
        )
    if tokens > model.get_input_embeddings().num_embeddings:
        model.resize_token_embeddings(tokens)
    return model


def new_model(shape: Scratch, chat: ChatFormat, sequence_length: int) -> Any:
    """A Llama of that shape with random weights."""
    from transformers import LlamaConfig, LlamaForCausalLM

    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(chat.tokenizer),
            hidden_size=shape.hidden_size,
            intermediate_size=shape.intermediate_size or -(-shape.hidden_size * 8 // 3 // 32) * 32,
            num_hidden_layers=shape.layers,
            num_attention_heads=shape.heads,
            num_key_value_heads=shape.kv_heads or shape.heads,
            max_position_embeddings=sequence_length,
            tie_word_embeddings=shape.tie_embeddings,
            bos_token_id=None,
            eos_token_id=chat.stop_id,
            pad_token_id=chat.tokenizer.pad_token_id,
        )
    )
