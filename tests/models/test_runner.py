from dataclasses import replace

import numpy as np
import pytest
import torch

from instructkit.models.batch import Document
from instructkit.models.runner import make_runner


def gradients(runner, batches):
    runner.model.zero_grad()
    total = sum(float(b.weights.sum()) for b in batches)
    for batch in batches:
        (runner.losses(batch)[0] / total).backward()
    return torch.cat([p.grad.flatten() for p in runner.model.parameters()])


def test_what_was_not_possible_is_said(build):
    notes = make_runner(build("jamba", num_experts=4, attn_layer_offset=1, attn_layer_period=2), longest=40).notes
    assert any("would not be exact packed" in note and "one document a row, padded" in note for note in notes)
    assert any("balancing loss of experts is left out" in note for note in notes)


@pytest.mark.filterwarnings("ignore")  # of peft
def test_full_logits_where_the_head_is_not_plain(build, documents):
    """Adapters on the head must not be passed by."""
    from peft import LoraConfig, get_peft_model

    plain = build("llama", tie_word_embeddings=False)
    model = get_peft_model(plain, LoraConfig(target_modules=["lm_head", "q_proj"], init_lora_weights=False))
    runner = make_runner(model.eval(), longest=40)
    assert runner.layout == "packed"
    assert any("full logits" in note for note in runner.notes)
    given = documents([23, 12])
    _, nll = runner.losses(runner.collate(given))
    with model.disable_adapter():
        assert not torch.allclose(nll, runner.losses(runner.collate(given))[1])
    runner.losses(runner.collate(given))[0].backward()
    assert all(p.grad.any() for n, p in model.named_parameters() if "lora_" in n)


@pytest.mark.filterwarnings("ignore")  # of peft
def test_adapters_inside_run_packed_with_gathered_rows(build, documents):
    from peft import LoraConfig, get_peft_model

    model = get_peft_model(build("qwen2"), LoraConfig(target_modules=["q_proj", "v_proj"], init_lora_weights=False))
    runner = make_runner(model.eval(), longest=40)
    assert (runner.layout, runner.notes) == ("packed", ())
    given = documents([23, 12])
    logits = model(torch.from_numpy(given[0].ids)[None].long()).logits[0, :-1]
    expected = torch.nn.functional.cross_entropy(logits, torch.from_numpy(given[0].ids[1:]).long(), reduction="none")[
        torch.from_numpy(given[0].weights[1:] > 0)
    ]
    _, nll = runner.losses(runner.collate(given))
    torch.testing.assert_close(nll[: len(expected)], expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("architecture", ["llama", "gemma2"])
def test_gradients_do_not_depend_on_layout_or_accumulation(architecture, build, documents):
    runner = make_runner(build(architecture), longest=40)
    given = documents([9, 30, 14, 3, 40, 8, 21, 17])
    whole = gradients(runner, [runner.collate(given)])
    for layout in ("packed", "padded"):
        for size in (1, 2, 4):
            fed = replace(runner, layout=layout)
            parts = [fed.collate(given[i : i + size]) for i in range(0, 8, size)]
            torch.testing.assert_close(gradients(runner, parts), whole, rtol=1e-4, atol=1e-5)


def test_gradients_are_those_of_plain_cross_entropy(build, documents):
    model = build("llama")
    ((ids, _, _),) = documents([25])
    (model(torch.from_numpy(ids)[None].long(), labels=torch.from_numpy(ids)[None].long()).loss).backward()
    expected = torch.cat([p.grad.flatten() for p in model.parameters()])
    runner = make_runner(model, longest=25)
    got = gradients(runner, [runner.collate([Document(ids, np.ones(25, dtype=np.float32))])])
    torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("architecture", ["llama", "t5", "bert"])
def test_a_batch_without_trained_tokens_gives_zero_not_nan(architecture, build, documents):
    kind = "classifier" if architecture == "bert" else None
    runner = make_runner(build(architecture, kind=kind), longest=40)
    runner.model.zero_grad()
    given = documents([6, 9], trained=0.0, read=None if architecture == "llama" else [5, 8], tokens=5)
    total, nll = runner.losses(runner.collate(given))
    total.backward()
    assert total.item() == 0.0
    assert nll.numel() == 0
    assert all(p.grad is None or not p.grad.any() for p in runner.model.parameters())


def test_generating_gives_the_model_its_own_attention_back(build):
    runner = make_runner(build("llama"), longest=40)
    runner.model.train()
    with runner.generating() as model:
        assert model.config._attn_implementation == runner.own_attention == "sdpa"
        assert not model.training
        ids = torch.tensor([[5, 6, 7]])
        assert model.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=3, do_sample=False).shape[1] > 3
    assert runner.model.config._attn_implementation == "instructkit_documents"
    assert runner.model.training


def test_rounding_in_half_precision_is_no_leak(build, documents):
    runner = make_runner(build("llama"), longest=40, dtype=torch.bfloat16)
    assert (runner.layout, runner.notes) == ("packed", ())
    half = make_runner(build("qwen2").bfloat16(), longest=40)
    assert (half.layout, half.notes) == ("packed", ())
    assert make_runner(build("lfm2", layer_types=["conv", "full_attention"]).bfloat16(), longest=40).layout == "padded"
