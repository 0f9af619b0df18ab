"""Architectures of transformers, tiny and with random weights: what a document gets in company is what it gets alone.

Compared with plain transformers: eager attention, padded, with a mask, one document at a time; per-document losses and
the gradients of all weights.
"""

import pytest
import torch

from instructkit.errors import TrainingError
from instructkit.models.runner import make_runner

WINDOW = {"sliding_window": 8}
EXPERTS = {"num_experts_per_tok": 2, "moe_intermediate_size": 16}
LATENT = {"q_lora_rank": 16, "kv_lora_rank": 16, "qk_rope_head_dim": 8, "qk_nope_head_dim": 8, "v_head_dim": 8}
LINEAR = {
    "linear_num_key_heads": 2,
    "linear_num_value_heads": 4,
    "linear_key_head_dim": 8,
    "linear_value_head_dim": 8,
    "layer_types": ["linear_attention", "full_attention"],
}
PACKED = {
    "llama": {},
    "qwen2": {},
    "qwen3": {},
    "gpt2": {},  # learned absolute positions
    "gpt_neox": {},
    "opt": {},
    "phi": {},
    "olmo2": {},
    "cohere": {},  # logits scaled up
    "granite": {"logits_scaling": 8.0},
    "mistral": WINDOW,
    "starcoder2": WINDOW,
    "gemma2": {**WINDOW, "final_logit_softcapping": 5.0, "attn_logit_softcapping": 5.0},
    "gemma3_text": {**WINDOW, "layer_types": ["sliding_attention", "full_attention"]},
    "gpt_oss": {**WINDOW, "num_local_experts": 4},  # sinks
    "mixtral": {"num_local_experts": 4},
    "qwen2_moe": {**EXPERTS, "num_experts": 4, "shared_expert_intermediate_size": 32},
    "olmoe": {"num_experts": 4, "num_experts_per_tok": 2},
    "deepseek_v3": {
        **EXPERTS,
        **LATENT,
        "num_key_value_heads": 4,
        "n_routed_experts": 4,
        "n_group": 1,
        "topk_group": 1,
        "first_k_dense_replace": 1,
    },
    "bert": {"is_decoder": True},  # token types
    "nanochat": {},
}
PADDED = {
    "gpt_neo": {"attention_types": [[["global", "local"], 1]], "window_size": 8},
    "bloom": {},  # ALiBi
    "mpt": {},
    "falcon": {"alibi": True},
    "gptj": {"rotary_dim": 4},
    "xglm": {},
    "roberta": {"is_decoder": True},  # positions counted from the padding token
    "llama4_text": {  # attention in chunks
        "attention_chunk_size": 16,
        "num_local_experts": 4,
        "num_experts_per_tok": 1,
        "intermediate_size_mlp": 64,
        "layer_types": ["chunked_attention", "full_attention"],
        "no_rope_layers": [1, 0],
    },
    "mamba": {},
    "mamba2": {"num_heads": 8, "head_dim": 8, "state_size": 8, "n_groups": 1},
    "falcon_h1": {"mamba_d_ssm": 64, "mamba_n_heads": 8, "mamba_d_head": 8, "mamba_d_state": 8},
    "jamba": {"num_experts": 4, "attn_layer_offset": 1, "attn_layer_period": 2},
    "qwen3_next": {**EXPERTS, **LINEAR, "num_experts": 4, "shared_expert_intermediate_size": 16},
    "rwkv": {"attention_hidden_size": 32},
    "lfm2": {"layer_types": ["conv", "full_attention"]},
    "recurrent_gemma": {"attention_window_size": 8, "lru_width": 32, "block_types": ["recurrent", "attention"]},
}
CASES = [
    (name, options, layout)
    for layout, cases in (("packed", PACKED), ("padded", PADDED))
    for name, options in cases.items()
]
PAIRS = {
    "t5": {},
    "mt5": {"tie_word_embeddings": False},
    "bart": {},
    "mbart": {},
    "pegasus": {},
    "m2m_100": {},
}
CLASSIFIERS = ["bert", "roberta", "distilbert", "modernbert", "deberta-v2", "llama", "qwen3", "gpt2", "bart"]
pytestmark = [
    pytest.mark.filterwarnings("ignore"),  # of the models' own code
]


def trained(nll, document):
    """Weighted losses of the trained tokens, given those of all targets: a decoder's first token is none."""
    weights = torch.from_numpy(document.weights[max(document.read_tokens, 1) :])
    return (nll * weights)[weights > 0]


def plainly(model, document, padding=7):
    """Weighted losses of one document as anyone computes them: eager, padded, with a mask."""
    ids = torch.from_numpy(document.ids).long()
    read, written = ids[: document.read_tokens], ids[document.read_tokens :]

    def pad(x):
        mask = torch.cat([torch.ones_like(x), x.new_zeros(padding)])
        return {"input_ids": torch.cat([x, x.new_zeros(padding)])[None], "attention_mask": mask[None]}

    if not document.read_tokens:
        logits = model(**pad(ids), use_cache=False).logits[0, : len(ids) - 1]
        targets = ids[1:]
    elif model.config.is_encoder_decoder and not hasattr(model, "classification_head"):
        # Labels in, so the model itself moves them to the right.
        logits = model(**pad(read), labels=written[None], use_cache=False).logits[0]
        targets = written
    else:
        logits, targets = model(**pad(read)).logits, written
    return trained(torch.nn.functional.cross_entropy(logits.float(), targets, reduction="none"), document)


def gradients(model, loss):
    model.zero_grad()
    loss.backward()
    return {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


def compare(model, given, runner):
    losses, nll = runner.losses(runner.collate(given))
    found = gradients(model, losses)
    if model.config._attn_implementation != "eager":
        model.set_attn_implementation("eager")
    expected = [plainly(model, document) for document in given]
    weights = torch.cat([torch.from_numpy(d.weights[max(d.read_tokens, 1) :]) for d in given])
    torch.testing.assert_close(nll * weights[weights > 0], torch.cat(expected), rtol=1e-3, atol=1e-4)
    plain = gradients(model, torch.cat(expected).sum())
    largest = max(g.abs().max() for g in plain.values())
    assert largest > 0
    for name, gradient in plain.items():
        if name in found:
            torch.testing.assert_close(found[name], gradient, rtol=1e-3, atol=2e-4 * float(largest), msg=name)
        else:
            assert not gradient.any(), name


@pytest.mark.parametrize(("name", "options", "layout"), CASES, ids=[case[0] for case in CASES])
def test_documents_of_a_decoder_get_in_company_what_they_get_alone(name, options, layout, build, documents):
    model = build(name, **options)
    runner = make_runner(model, longest=40)
    assert runner.layout == layout, runner.notes
    assert runner.head is not None
    compare(model, documents([23, 5, 1, 40, 12]), runner)


@pytest.mark.parametrize("name", PAIRS)
def test_pairs_of_an_encoder_decoder_get_in_company_what_they_get_alone(name, build, documents):
    model = build(name, **PAIRS[name])
    runner = make_runner(model, longest=40)
    assert (runner.kind, runner.layout, runner.head is not None) == ("seq2seq", "padded", True), runner.notes
    compare(model, documents([23, 9, 3, 40], read=[12, 2, 2, 20]), runner)


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_texts_of_a_classifier_get_in_company_what_they_get_alone(name, build, documents, chat):
    model = build(name, kind="classifier", classes=["bad", "good", "so-so"])
    given = documents([23, 9, 3, 40], read=[22, 8, 2, 39], trained=1.0)
    for i, document in enumerate(given):
        document.ids[:-1][document.ids[:-1] < 3] = 3
        document.ids[-2:] = chat.stop_id, i % 3
    runner = make_runner(model, longest=40)
    assert (runner.kind, runner.layout) == ("classifier", "padded"), runner.notes
    compare(model, given, runner)


@pytest.mark.parametrize("name", ["xlnet", "bert"])
def test_a_model_that_sees_later_tokens_is_refused(name, build):
    with pytest.raises(TrainingError, match="lets a token see the tokens behind it"):
        make_runner(build(name), longest=40)


def test_a_leak_through_small_weights_is_found(chat, build):
    """Fresh weights are so small that values hardly differ; NaN gets through any weight."""
    model = build("lfm2", layer_types=["conv", "full_attention"])
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "conv" in name:
                weight.mul_(1e-6)
    assert "reaches its neighbour" in make_runner(model, longest=40).notes[0]


def test_attention_dropout_repeats_with_the_seed(build, documents):
    model = build("llama", attention_dropout=0.5)
    runner = make_runner(model, longest=40)
    batch = runner.collate(documents([23, 40]))
    model.train()
    losses = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        losses.append(runner.losses(batch)[0].item())
    model.eval()
    assert losses[0] == losses[1] != losses[2] != runner.losses(batch)[0].item()
