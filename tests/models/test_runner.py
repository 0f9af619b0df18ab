import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import (
    AutoModelForCausalLM,
    Gemma2Config,
    GPT2Config,
    GPTNeoConfig,
    LlamaConfig,
    MambaConfig,
    MistralConfig,
    PhiConfig,
    Qwen2Config,
)

from instructkit.models.batch import Document, collate
from instructkit.models.runner import make_runner

SIZE = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64, "vocab_size": 97}
GROUPED = {**SIZE, "num_key_value_heads": 2}
CONFIGS = {
    "llama": (lambda: LlamaConfig(**GROUPED), "packed"),
    "qwen2": (lambda: Qwen2Config(**GROUPED), "packed"),
    "gpt2": (
        lambda: GPT2Config(n_embd=32, n_layer=2, n_head=4, vocab_size=97, bos_token_id=0, eos_token_id=0),
        "packed",
    ),
    "phi": (lambda: PhiConfig(**SIZE), "packed"),
    "mistral with a window": (lambda: MistralConfig(**GROUPED, sliding_window=8), "packed"),
    "gemma2 with soft caps": (lambda: Gemma2Config(**GROUPED, head_dim=8, sliding_window=8), "padded"),
    "gpt-neo with local layers": (
        lambda: GPTNeoConfig(
            hidden_size=32,
            num_layers=2,
            num_heads=4,
            vocab_size=97,
            attention_types=[[["global", "local"], 1]],
            window_size=8,
            bos_token_id=0,
            eos_token_id=0,
        ),
        "padded",
    ),
    "mamba": (lambda: MambaConfig(hidden_size=32, num_hidden_layers=2, vocab_size=97), "padded"),
}


def build(config):
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(config)
    with torch.no_grad():  # fresh weights are so small that attention hardly matters: a leak would not show
        for name, weight in model.named_parameters():
            if weight.ndim == 2 and "embed" not in name:
                weight.mul_(8)
    return model.eval()


def documents(lengths, seed=0, trained=0.5):
    rng = np.random.default_rng(seed)
    return [
        Document(
            rng.integers(0, 97, n).astype(np.int32), ((rng.random(n) < trained) * rng.random(n)).astype(np.float32)
        )
        for n in lengths
    ]


@pytest.mark.parametrize("name", CONFIGS)
def test_each_document_gets_the_losses_it_has_alone(name):
    make, layout = CONFIGS[name]
    model = build(make())
    given = documents([23, 5, 1, 40, 12])
    expected = []
    for ids, weights, _ in given:
        logits = model(torch.from_numpy(ids)[None].long(), use_cache=False).logits[0, :-1].float()
        nll = torch.nn.functional.cross_entropy(logits, torch.from_numpy(ids[1:]).long(), reduction="none")
        expected.append(nll[torch.from_numpy(weights[1:] > 0)])
    runner = make_runner(model, longest=40)
    assert runner.layout == layout, runner.notes
    with torch.no_grad():
        total, nll = runner.losses(collate(given, runner.layout))
    torch.testing.assert_close(nll, torch.cat(expected), rtol=1e-4, atol=1e-4)
    weights = torch.cat([torch.from_numpy(w[1:][w[1:] > 0]) for _, w, _ in given])
    torch.testing.assert_close(total, (torch.cat(expected) * weights).sum(), rtol=1e-4, atol=1e-4)


def test_what_was_not_possible_is_said():
    notes = make_runner(build(CONFIGS["gemma2 with soft caps"][0]()), longest=40).notes
    assert any("softcap" in note and "padded" in note for note in notes)
    assert any("full logits" in note for note in notes)


def gradients(runner, batches):
    runner.model.zero_grad()
    total = sum(float(b.weights.sum()) for b in batches)
    for batch in batches:
        (runner.losses(batch)[0] / total).backward()
    return torch.cat([p.grad.flatten() for p in runner.model.parameters()])


def test_gradients_do_not_depend_on_layout_or_accumulation():
    runner = make_runner(build(CONFIGS["llama"][0]()), longest=40)
    given = documents([9, 30, 14, 3, 40, 8, 21, 17])
    whole = gradients(runner, [collate(given, "packed")])
    for layout in ("packed", "padded"):
        for size in (1, 2, 4):
            parts = [collate(given[i : i + size], layout) for i in range(0, 8, size)]
            torch.testing.assert_close(gradients(runner, parts), whole, rtol=1e-4, atol=1e-5)


def test_gradients_are_those_of_plain_cross_entropy():
    model = build(CONFIGS["llama"][0]())
    ((ids, _, _),) = documents([25])
    (model(torch.from_numpy(ids)[None].long(), labels=torch.from_numpy(ids)[None].long()).loss).backward()
    expected = torch.cat([p.grad.flatten() for p in model.parameters()])
    runner = make_runner(model, longest=25)
    got = gradients(runner, [collate([Document(ids, np.ones(25, dtype=np.float32))], "packed")])
    torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-5)


def test_a_batch_without_trained_tokens_gives_zero_not_nan():
    runner = make_runner(build(CONFIGS["llama"][0]()), longest=40)
    runner.model.zero_grad()
    total, nll = runner.losses(collate(documents([6, 9], trained=0.0), "packed"))
    total.backward()
    assert total.item() == 0.0
    assert nll.numel() == 0
    assert all(p.grad is None or not p.grad.any() for p in runner.model.parameters())


@settings(max_examples=50, deadline=None)
@given(lengths=st.lists(st.integers(1, 20), min_size=1, max_size=8), seed=st.integers(0, 99))
def test_law_both_layouts_hold_the_same_targets(lengths, seed):
    given_documents = documents(lengths, seed)
    packed, padded = (collate(given_documents, layout) for layout in ("packed", "padded"))
    for batch in (packed, padded):
        flat = batch.input_ids.flatten()
        # The target is the token behind its row, in the same document.
        assert (flat[batch.rows + 1] == batch.targets).all()
        assert (batch.position_ids.flatten()[batch.rows + 1] == batch.position_ids.flatten()[batch.rows] + 1).all()
    for name in ("targets", "weights", "document"):
        assert (getattr(packed, name) == getattr(padded, name)).all()
    assert len(packed.targets) == sum(int((w[1:] > 0).sum()) for _, w, _ in given_documents)
    assert packed.input_ids.numel() == sum(lengths)
