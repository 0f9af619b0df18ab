"""Small models of every kind with a tokenizer, not trained."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    LlamaForSequenceClassification,
    T5Config,
    T5ForConditionalGeneration,
)

from instructkit.chat.format import chat_format
from instructkit.models.batch import Document
from instructkit.train.data.tokenizer import train_tokenizer


@pytest.fixture(scope="session")
def tokenizer_file(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tokenizer")
    train_tokenizer(["The moon pulls the sea.", "A zebra has stripes."] * 3, 300, 64).save_pretrained(folder)
    return folder


@pytest.fixture
def make(tokenizer_file):
    """A model of a kind, fresh, with the chat format that it is used in and documents that it reads."""
    from instructkit.models.load import load_tokenizer

    def made(kind="causal", **fields):
        chat = chat_format(load_tokenizer(str(tokenizer_file)))
        tokens = {
            "vocab_size": len(chat.tokenizer),
            "pad_token_id": chat.tokenizer.pad_token_id,
            "eos_token_id": chat.stop_id,
            "bos_token_id": None,
        }
        shape = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
        torch.manual_seed(0)
        if kind == "causal":
            model = LlamaForCausalLM(LlamaConfig(**tokens, **shape, max_position_embeddings=64, **fields))
        elif kind == "seq2seq":
            start = tokens["pad_token_id"]
            shape = {"d_model": 32, "d_ff": 64, "num_layers": 2, "num_heads": 2, "d_kv": 16}
            model = T5ForConditionalGeneration(T5Config(**tokens, **shape, decoder_start_token_id=start, **fields))
        else:
            names = {0: "night", 1: "day", 2: "dawn"}
            ids = {name: i for i, name in names.items()}
            config = LlamaConfig(**tokens, **shape, id2label=names, label2id=ids, **fields)
            model = LlamaForSequenceClassification(config)
        rng = np.random.default_rng(0)
        documents = []
        for length in (12, 20):
            ids = rng.integers(3, 250, length).astype(np.int32)
            if kind == "classifier":
                ids[-1] = length % 3
            read = {"causal": 0, "seq2seq": length // 2, "classifier": length - 1}[kind]
            weights = np.where(np.arange(length) >= read, 1, 0).astype(np.float32)
            documents.append(Document(ids, weights, read))
        return SimpleNamespace(model=model, chat=chat, documents=documents)

    return made
