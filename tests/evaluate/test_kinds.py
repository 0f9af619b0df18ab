"""Encoder-decoders, classifiers and texts, measured and asked like decoders."""

import msgspec
import polars as pl
import pytest
import torch
from click.testing import CliRunner
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import (
    DistilBertConfig,
    DistilBertForSequenceClassification,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
    T5Config,
    T5ForConditionalGeneration,
)

from instructkit.cli.generate import generate
from instructkit.evaluate.base import comparable
from instructkit.evaluate.decode import Decoding
from instructkit.evaluate.generate import generate_all
from instructkit.evaluate.run import Answering, measure_model
from instructkit.evaluate.subject import open_model
from instructkit.schema import Example, Message, frame, records

CLASSES = ("cold", "mild", "warm")


@pytest.fixture(scope="module")
def save(chat, tmp_path_factory):
    def save_one(model):
        folder = tmp_path_factory.mktemp("model")
        model.save_pretrained(folder)
        chat.tokenizer.save_pretrained(folder)
        return folder

    return save_one


@pytest.fixture(scope="module")
def tokens(chat):
    return {"vocab_size": len(chat.tokenizer), "pad_token_id": chat.tokenizer.pad_token_id}


def test_an_encoder_decoder_is_measured_and_answers(save, tokens, chat, examples):
    torch.manual_seed(0)
    shape = {"d_model": 32, "d_kv": 16, "d_ff": 64, "num_layers": 2, "num_heads": 2, "decoder_start_token_id": 0}
    folder = save(T5ForConditionalGeneration(T5Config(**shape, **tokens, eos_token_id=chat.stop_id)))
    answering = Answering(decoding=Decoding(max_new_tokens=4))
    found = measure_model(folder, examples, by=["template"], answering=answering).evaluation
    assert found.overall.examples == len(found.generations) == 40
    # Only the reply is written: its tokens and the end, none of the prompt's.
    assert found.overall.tokens < 40 * 40
    assert found.score("all", "all", "tokens").value <= 4


def test_a_classifier_is_measured_by_accuracy(save, tokens, examples, saved):
    torch.manual_seed(0)
    config = DistilBertConfig(dim=32, n_layers=1, n_heads=2, hidden_dim=64, max_position_embeddings=128, **tokens)
    config.id2label, config.label2id = dict(enumerate(CLASSES)), {c: i for i, c in enumerate(CLASSES)}
    folder = save(DistilBertForSequenceClassification(config))
    named = [
        msgspec.structs.replace(e, messages=[e.messages[0], Message(role="assistant", content=CLASSES[i % 3])])
        for i, e in enumerate(records(Example, examples))
    ]
    found = measure_model(folder, frame(Example, named), by=[], answering=Answering()).evaluation
    right = sum(g.reply == g.expected for g in found.generations) / 40
    assert found.score("all", "all", "accuracy").value == right
    assert {g.reply for g in found.generations} <= set(CLASSES)
    assert found.overall.tokens == 40
    assert generate_all(open_model(folder), ["Count 0"], Decoding())[0][0].text in CLASSES
    assert comparable(str(folder), str(folder))
    assert not comparable(str(folder), str(saved))  # a decoder's losses are of other things


def test_texts_are_measured_whole(saved, examples):
    texts = examples.with_columns(messages=pl.col("messages").list.tail(1))
    found = measure_model(saved, texts, by=[], documents=True, answering=Answering()).evaluation
    assert found.overall.examples == 40
    assert found.generations == []  # there is nothing to answer
    # Conversations that are read as texts have no prompt that could be answered.
    found = measure_model(saved, examples, by=[], documents=True, answering=Answering()).evaluation
    assert (found.overall.examples, found.generations) == (40, [])


def test_a_model_without_a_chat_template_says_what_it_is_measured_with(tmp_path, model, examples):
    known = ["<unk>", "\n", *map(chr, range(32, 127))]
    letters = Tokenizer(models.WordLevel({c: i for i, c in enumerate(known)}, unk_token="<unk>"))
    letters.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    letters.decoder = decoders.Fuse()
    PreTrainedTokenizerFast(tokenizer_object=letters, unk_token="<unk>").save_pretrained(tmp_path)
    config = type(model.config)(**{**model.config.to_dict(), "vocab_size": letters.get_vocab_size()})
    LlamaForCausalLM(config).save_pretrained(tmp_path)
    first, again = (measure_model(tmp_path, examples, by=[]).evaluation for _ in range(2))
    assert first.overall.examples > 0
    assert first.overall == again.overall
    assert "never seen" in first.notes[0]
    said = CliRunner().invoke(generate, [str(tmp_path), "Count 0", "--max-new-tokens", "1"])
    assert "never seen" in said.stderr
    assert "never seen" not in said.stdout
