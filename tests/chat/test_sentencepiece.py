"""Tokenizers of the SentencePiece kind: a space belongs to the word behind it, decoding drops the first one."""

import pytest
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from instructkit.chat.format import chat_format
from instructkit.chat.labels import Labelled, label

LLAMA_2 = (
    "{% for m in messages %}{% if m.role == 'user' %}{{ bos_token + '[INST] ' + m.content.strip() + ' [/INST]' }}"
    "{% else %}{{ ' ' + m.content.strip() + ' ' + eos_token }}{% endif %}{% endfor %}"
)
ALPACA = (
    "{% for m in messages %}{{ '### ' + m.role + ':\n' + m.content + (eos_token if m.role == 'assistant' else '') }}"
    "{{ '\n\n' }}{% endfor %}{% if add_generation_prompt %}{{ '### assistant:\n' }}{% endif %}"
)
TEXTS = ["The moon pulls the sea.", "Ping? Pong.", "[INST] [/INST]", "### user:\n### assistant:\n"] * 10


@pytest.fixture(scope="module", params=["first", "always"])
def tokenizer(request):
    backend = Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>"))
    backend.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme=request.param, split=True)
    backend.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Metaspace(prepend_scheme=request.param)])
    backend.normalizer = normalizers.NFC()
    special = ["<unk>", "<s>", "</s>"]
    backend.train_from_iterator(TEXTS, trainers.BpeTrainer(vocab_size=600, special_tokens=special, show_progress=False))
    return PreTrainedTokenizerFast(tokenizer_object=backend, bos_token="<s>", eos_token="</s>", unk_token="<unk>")


@pytest.mark.parametrize("template", [LLAMA_2, ALPACA], ids=["llama-2", "alpaca"])
def test_the_answer_and_its_stop_token_are_trained(template, tokenizer, make_example):
    example = make_example(("user", "Ping?"), ("assistant", "The moon."), ("user", "Ping?"), ("assistant", "Pong."))
    (result,) = label([example], chat_format(tokenizer, template))
    assert isinstance(result, Labelled), result
    trained = tokenizer.decode(result.input_ids[result.weights > 0].tolist())
    assert trained.replace(" ", "") == "Themoon.</s>Pong.</s>"


def test_what_the_tokenizer_cannot_write_is_a_drop_not_an_unknown_token(tokenizer, make_example):
    (result,) = label([make_example(("user", "Ping?"), ("assistant", "Ω"))], chat_format(tokenizer, LLAMA_2))
    assert result.rule == "verify"
