import pytest
from transformers import LlamaConfig, LlamaForCausalLM, T5Config, T5ForConditionalGeneration

from instructkit.errors import TrainingError
from instructkit.train.config.freeze import Freeze
from instructkit.train.model.freeze import freeze, trained_share


def llama(**fields):
    shape = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 3, "num_attention_heads": 2}
    return LlamaForCausalLM(LlamaConfig(vocab_size=90, pad_token_id=0, **{**shape, **fields}))


def trained(model):
    return {name for name, p in model.named_parameters() if p.requires_grad}


def test_the_lowest_layers_are_frozen_and_no_others():
    model = llama()
    before = trained(model)
    freeze(model, Freeze(layers=2))
    assert before - trained(model) == {n for n in before if ".layers.0." in n or ".layers.1." in n}


def test_top_layers_only_leaves_them_the_last_norm_and_the_head():
    model = llama()
    freeze(model, Freeze(top_layers_only=1))
    outside = {n for n in trained(model) if ".layers." not in n}
    assert outside == {"model.norm.weight", "lm_head.weight"}
    assert {n.split(".")[2] for n in trained(model) - outside} == {"2"}


def test_a_head_that_shares_the_embeddings_is_frozen_with_them():
    model = llama(tie_word_embeddings=True)
    freeze(model, Freeze(embeddings=True))
    assert not model.lm_head.weight.requires_grad


def test_both_stacks_of_an_encoder_decoder_are_frozen_to_the_same_depth():
    model = T5ForConditionalGeneration(T5Config(d_model=16, d_ff=32, num_layers=2, num_heads=2, d_kv=8, vocab_size=90))
    before = trained(model)
    freeze(model, Freeze(layers=1))
    assert before - trained(model) == {n for n in before if n.startswith(("encoder.block.0.", "decoder.block.0."))}


def test_patterns_are_searched_in_names():
    model = llama()
    freeze(model, Freeze(patterns=("self_attn", r"layers\.1\.mlp")))
    assert not [n for n in trained(model) if "self_attn" in n or ".layers.1.mlp." in n]
    assert [n for n in trained(model) if ".layers.0.mlp." in n]


def test_a_pattern_that_matches_nothing_is_told_with_what_was_meant():
    with pytest.raises(TrainingError, match="'self_atn' matches no weight of the model; did you mean 'self_attn'"):
        freeze(llama(), Freeze(patterns=("self_atn",)))


def test_more_layers_than_there_are_is_told_with_how_many_there_are():
    with pytest.raises(TrainingError, match=r"layers is 4, but model\.layers has 3"):
        freeze(llama(), Freeze(layers=4))


def test_nothing_left_to_train_is_refused():
    with pytest.raises(TrainingError, match="nothing is left to train"):
        freeze(llama(), Freeze(patterns=(".",)))


def test_the_share_that_is_trained_is_said_and_only_where_it_is_not_all():
    model = llama()
    assert trained_share(model) == ""
    freeze(model, Freeze(top_layers_only=1))
    count = sum(p.numel() for p in model.parameters() if p.requires_grad)
    assert trained_share(model).startswith(f"{count:,} of ")


def test_keys_that_say_the_same_and_broken_patterns_are_faults():
    assert Freeze(layers=1, top_layers_only=1).faults() == [
        "layers and top_layers_only say the same from two ends; give one of them"
    ]
    assert "'(' is no regular expression" in Freeze(patterns=("(",)).faults()[0]
