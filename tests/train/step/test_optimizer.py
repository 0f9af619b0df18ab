import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from instructkit.train.step.optimizer import make_optimizer, set_rates


@pytest.fixture
def llama():
    shape = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    return LlamaForCausalLM(LlamaConfig(vocab_size=90, pad_token_id=0, **shape))


def test_norms_biases_and_embeddings_are_not_decayed(small):
    model = torch.nn.Sequential(torch.nn.Embedding(5, 4), torch.nn.Linear(4, 4), torch.nn.LayerNorm(4))
    groups = make_optimizer(model, small(weight_decay=0.5)).param_groups
    decayed = [p for group in groups if group["weight_decay"] for p in group["params"]]
    assert [p is model[1].weight for p in decayed] == [True]
    assert sum(len(group["params"]) for group in groups) == 5


def test_what_is_frozen_is_not_in_the_optimizer(small, llama):
    llama.model.requires_grad_(False)
    (group,) = make_optimizer(llama, small()).param_groups
    assert [p is llama.lm_head.weight for p in group["params"]] == [True]


def test_each_layer_has_its_share_of_the_rate_above(small, llama):
    config = small(layer_decay=0.5, learning_rate=1.0, warmup=0.0)
    optimizer = make_optimizer(llama, config)
    assert set_rates(optimizer, 0, 10, config) == 1.0
    rate = {id(p): group["lr"] for group in optimizer.param_groups for p in group["params"]}
    found = {name: rate[id(p)] for name, p in llama.named_parameters()}
    assert found["lm_head.weight"] == found["model.norm.weight"] == 1.0
    assert {r for n, r in found.items() if ".layers.1." in n} == {1.0}
    assert {r for n, r in found.items() if ".layers.0." in n} == {0.5}
    assert found["model.embed_tokens.weight"] == 0.25


def test_without_layer_decay_all_have_one_rate(small, llama):
    config = small(learning_rate=1.0, warmup=0.0)
    optimizer = make_optimizer(llama, config)
    set_rates(optimizer, 0, 10, config)
    assert {group["lr"] for group in optimizer.param_groups} == {1.0}
