import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import AutoModelForCausalLM, AutoTokenizer, GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

from instructkit.chat.format import chat_format
from instructkit.train.config.scratch import Scratch
from instructkit.train.data.tokenizer import train_tokenizer
from instructkit.train.model.new import new_model
from instructkit.train.model.prepare import prepare_model, prepare_tokenizer
from instructkit.train.run import train


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """A GPT-2 as it is published: half precision, no chat template, no padding token."""
    folder = tmp_path_factory.mktemp("base")
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    backend = Tokenizer(models.BPE(vocab={c: i for i, c in enumerate([*alphabet, "<|endoftext|>"])}, merges=[]))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    end = "<|endoftext|>"
    PreTrainedTokenizerFast(tokenizer_object=backend, eos_token=end, bos_token=end).save_pretrained(folder)
    torch.manual_seed(0)
    config = GPT2Config(
        n_embd=32, n_layer=2, n_head=2, vocab_size=257, n_positions=128, bos_token_id=256, eos_token_id=256
    )
    GPT2LMHeadModel(config).to(torch.bfloat16).save_pretrained(folder)
    return folder


def test_a_half_precision_base_model_is_trained_in_fp32_with_rows_for_the_new_tokens(small, base):
    config = small(model=str(base))
    chat = prepare_tokenizer(config, lambda shape: None)
    model = prepare_model(config, chat)
    assert {p.dtype for p in model.parameters()} == {torch.float32}
    assert model.get_input_embeddings().num_embeddings == len(chat.tokenizer) == 259


def test_a_base_model_learns_chatml_and_keeps_it_in_the_export(small, base, shards, tmp_path):
    result = train(small(model=str(base), max_steps=3), shards, tmp_path / "run", dataset_hash="d")
    tokenizer = AutoTokenizer.from_pretrained(result.model)
    model = AutoModelForCausalLM.from_pretrained(result.model)
    stop = tokenizer.convert_tokens_to_ids("<|im_end|>")
    assert tokenizer.eos_token_id == tokenizer.pad_token_id == stop
    # The base model's own end token still ends a reply, behind the one that training used.
    assert model.generation_config.eos_token_id == [stop, 256]
    assert chat_format(tokenizer).stop == "<|im_end|>"


def test_a_new_model_has_the_shape_that_was_asked_for():
    tokenizer = train_tokenizer(["some text"] * 3, 300, 64)
    model = new_model(Scratch(hidden_size=48, layers=3, heads=4, kv_heads=2), chat_format(tokenizer), 64)
    config = model.config
    assert (config.num_hidden_layers, config.num_key_value_heads, config.intermediate_size) == (3, 2, 128)
    assert config.vocab_size == len(tokenizer)
    assert config.eos_token_id == tokenizer.eos_token_id


def test_the_seed_decides_the_weights_of_a_new_model(small):
    chat = chat_format(train_tokenizer(["some text"] * 3, 300, 64))
    one, two, other = (prepare_model(small(seed=s), chat).lm_head.weight for s in (1, 1, 2))
    assert torch.equal(one, two)
    assert not torch.equal(one, other)
