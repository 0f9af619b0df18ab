import pytest
import torch
from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM

from instructkit.errors import TrainingError
from instructkit.train.model.dropout import set_dropout


def gpt2():
    return GPT2LMHeadModel(GPT2Config(n_embd=16, n_layer=1, n_head=2, vocab_size=30, bos_token_id=0, eos_token_id=0))


def llama():
    return LlamaForCausalLM(
        LlamaConfig(
            hidden_size=16,
            intermediate_size=32,
            num_hidden_layers=1,
            num_attention_heads=2,
            vocab_size=30,
            eos_token_id=1,
        )
    )


@pytest.mark.parametrize("make", [gpt2, llama])
def test_dropout_acts_in_training_only_and_is_not_saved(make, tmp_path):
    model, ids = make(), torch.arange(12)[None]
    set_dropout(model, 0.0)
    model.train()
    plain = model(ids).logits
    assert torch.equal(model(ids).logits, plain)
    set_dropout(model, 0.5)
    assert not torch.equal(model(ids).logits, plain)
    assert torch.equal(model.eval()(ids).logits, plain)
    before = make().config.to_dict()
    assert {k: v for k, v in model.config.to_dict().items() if "drop" in k} == {
        k: v for k, v in before.items() if "drop" in k
    }


def test_a_model_without_any_is_refused():
    with pytest.raises(TrainingError, match="dropout: a Linear has none to set"):
        set_dropout(torch.nn.Linear(2, 2), 0.1)
