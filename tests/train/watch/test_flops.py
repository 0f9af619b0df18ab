import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode
from transformers import LlamaConfig, LlamaForCausalLM

from instructkit.train.watch.flops import model_costs
from instructkit.train.watch.peak import device_peak


@pytest.fixture
def model():
    shape = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 1}
    return LlamaForCausalLM(LlamaConfig(vocab_size=100, intermediate_size=48, **shape, attn_implementation="eager"))


def counted(model, length, backward=True):
    """What PyTorch counts itself, with full logits and with the whole square of attention."""
    ids = torch.arange(length)[None] % 100
    with FlopCounterMode(display=False) as counter:
        loss = model(ids).logits.sum()
        if backward:
            loss.backward()
    return counter.get_total_flops()


def test_flops_are_those_that_pytorch_counts_but_for_the_causal_half(model):
    costs = model_costs(model, head_on_supervised=False)
    half = 2 * 2 * 32 * 7**2 * 3  # layers, d, the half that no token may look at; both products, three passes
    assert costs.useful(np.array([7]), 0) + half == counted(model, 7)
    assert costs.token_forward * 7 + costs.row / 3 * 7 + (costs.pair * 49 + half) / 3 == counted(model, 7, False)


def test_frozen_weights_need_no_gradient_of_their_own(model):
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    model.model.layers[1].mlp.down_proj.weight.requires_grad_(True)
    costs = model_costs(model, head_on_supervised=True)
    matrices = {n: p.numel() for n, p in model.named_parameters() if p.ndim == 2 and "layers" in n}
    whole, last = sum(matrices.values()), matrices["model.layers.1.mlp.down_proj.weight"]
    assert costs.token_forward == 2 * whole
    # The gradient of what comes before it is never asked for.
    assert costs.token == 2 * whole + 2 * last * 2
    assert costs.row == 2 * 100 * 32 * 2


def test_documents_attend_to_themselves_and_the_head_sees_supervised_rows_only(model):
    costs = model_costs(model, head_on_supervised=True)
    apart, together = costs.useful(np.array([4, 4]), 3), costs.useful(np.array([8]), 3)
    assert together - apart == costs.pair * (64 - 32)
    assert costs.useful(np.array([8]), 5) - together == 2 * costs.row
    assert costs.executed(np.array([8]), 3, 8, recomputed=False) == together
    assert costs.executed(np.array([8]), 3, 12, recomputed=False) == together + 4 * costs.token
    assert costs.executed(np.array([8]), 3, 8, recomputed=True) > together


def test_only_the_experts_that_a_token_meets_count():
    from transformers import MixtralConfig, MixtralForCausalLM

    shape = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 24}
    two, four = (
        model_costs(
            MixtralForCausalLM(MixtralConfig(vocab_size=50, num_local_experts=n, num_experts_per_tok=2, **shape)),
            head_on_supervised=True,
        )
        for n in (2, 4)
    )
    router = 2 * 16 * 2 * 3
    assert four.token - two.token == router


def test_a_device_without_a_data_sheet_is_measured_and_leaves_the_random_state_alone():
    state = torch.get_rng_state()
    peak = device_peak(torch.device("cpu"), torch.float32)
    assert peak.flops > 1e8
    assert "measured" in peak.source
    assert torch.equal(torch.get_rng_state(), state)
