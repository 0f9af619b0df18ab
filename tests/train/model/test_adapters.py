import numpy as np
import pytest
import torch
from transformers import (
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    LlamaForSequenceClassification,
    T5Config,
    T5ForConditionalGeneration,
)

from instructkit.errors import TrainingError
from instructkit.models.batch import Document
from instructkit.models.runner import make_runner
from instructkit.train.config.adapter import Adapter
from instructkit.train.model.adapters import adapt, adapter_targets, check_adapter, merge_adapter
from instructkit.train.step.optimizer import make_optimizer


def config(cls=LlamaConfig, **fields):
    shape = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    return cls(vocab_size=90, pad_token_id=0, **{**shape, **fields})


def llama(**fields):
    torch.manual_seed(0)
    return LlamaForCausalLM(config(**fields))


def gpt2():
    torch.manual_seed(0)
    return GPT2LMHeadModel(
        GPT2Config(n_embd=32, n_layer=2, n_head=2, vocab_size=90, n_positions=64, bos_token_id=0, eos_token_id=0)
    )


def randomise(model):
    """As if it had been trained: what starts at zero does so no more."""
    torch.manual_seed(1)
    with torch.no_grad():
        for p in model.parameters():
            if p.requires_grad:
                p.add_(torch.randn_like(p) * 0.2)
    return model


def documents():
    rng = np.random.default_rng(0)
    return [Document(rng.integers(1, 90, n).astype(np.int32), np.ones(n, np.float32)) for n in (9, 17, 5)]


def nll(runner, given):
    runner.model.eval()
    with torch.no_grad():
        return runner.losses(runner.collate(given))[1]


@pytest.mark.parametrize("kind", ["lora", "dora", "adalora"])
@pytest.mark.parametrize("make", [llama, gpt2])
def test_packed_documents_with_a_trained_adapter_get_what_each_gets_alone(make, kind):
    model = randomise(adapt(make(), Adapter(kind=kind, rank=4), steps=20).model)
    runner = make_runner(model, 17)
    assert runner.layout == "packed"
    packed = nll(runner, documents())
    alone = torch.cat([nll(runner, [d]) for d in documents()])
    assert torch.allclose(packed, alone, atol=1e-5)


@pytest.mark.parametrize("kind", ["lora", "dora", "adalora"])
@pytest.mark.parametrize("make", [llama, gpt2])
def test_a_merged_adapter_gives_what_it_gave_beside_the_model(make, kind):
    model = make()
    names = {name: p.shape for name, p in model.named_parameters()}
    base = nll(make_runner(model, 17), documents())
    adapt(model, Adapter(kind=kind, rank=4), steps=20)
    beside = nll(make_runner(randomise(model), 17), documents())
    assert not torch.allclose(base, beside, atol=1e-2)
    merge_adapter(model)
    assert {name: p.shape for name, p in model.named_parameters()} == names
    assert not hasattr(model, "peft_config")
    assert torch.allclose(nll(make_runner(model, 17), documents()), beside, atol=1e-4)


def test_nothing_but_the_adapter_is_trained_and_at_first_it_changes_nothing():
    model = llama()
    base = nll(make_runner(model, 17), documents())
    adapt(model, Adapter(), steps=1)
    assert {n.rpartition(".default")[0][-6:] for n, p in model.named_parameters() if p.requires_grad} == {
        "lora_A",
        "lora_B",
    }
    assert torch.equal(nll(make_runner(model, 17), documents()), base)


def test_all_linear_is_every_matrix_of_the_layers_and_no_head():
    assert len(adapter_targets(llama(), Adapter())) == 2 * 7
    assert len(adapter_targets(gpt2(), Adapter())) == 2 * 4
    classifier = LlamaForSequenceClassification(config(num_labels=3))
    assert "score" not in adapter_targets(classifier, Adapter())
    model = T5ForConditionalGeneration(T5Config(d_model=16, d_ff=32, num_layers=2, num_heads=2, d_kv=8, vocab_size=90))
    assert {name.split(".")[0] for name in adapter_targets(model, Adapter())} == {"encoder", "decoder"}


def test_targets_are_named_by_the_end_of_their_name():
    found = adapter_targets(llama(), Adapter(targets=("q_proj", "mlp.up_proj")))
    assert found == [f"model.layers.{i}.{name}" for i in (0, 1) for name in ("self_attn.q_proj", "mlp.up_proj")]


def test_a_target_that_is_not_there_is_told_with_what_was_meant():
    with pytest.raises(TrainingError, match="no matrix of the model is called 'q_prj'; did you mean 'q_proj'"):
        adapter_targets(llama(), Adapter(targets=("q_prj",)))


def test_an_adapter_on_the_head_is_refused_since_the_loss_would_pass_it_by():
    with pytest.raises(TrainingError, match="lm_head is in none of the model's layers"):
        adapter_targets(llama(), Adapter(targets=("lm_head",)))


def test_the_head_of_a_classifier_is_trained_with_the_adapter():
    model = adapt(LlamaForSequenceClassification(config(num_labels=3)), Adapter(), steps=1).model
    assert model.score.weight.requires_grad
    assert not model.model.embed_tokens.weight.requires_grad


@pytest.mark.parametrize("tied", [True, False])
def test_new_tokens_learn_and_the_other_rows_stay_bitwise_the_same(small, tied):
    model = llama(tie_word_embeddings=tied)
    before = {n: p.clone() for n, p in model.named_parameters()}
    adapted = adapt(model, Adapter(rank=2), steps=3, new_tokens=[88, 89])
    optimizer = make_optimizer(model, small(weight_decay=0.5))
    for group in optimizer.param_groups:
        group["lr"] = 0.01
    runner = make_runner(model, 17)
    for step in range(3):
        given = [Document(np.array([3, 88, 5, 89, 7], np.int32), np.ones(5, np.float32))]
        runner.losses(runner.collate(given))[0].backward()
        for call in adapted.before_update:
            call(step)
        optimizer.step()
        optimizer.zero_grad()
    for name in ["model.embed_tokens.weight", *([] if tied else ["lm_head.weight"])]:
        now = model.get_parameter(name)
        assert torch.equal(now[:88], before[name][:88])
        assert (now[88:] != before[name][88:]).any(dim=1).all()


def test_new_tokens_in_an_adapter_folder_are_refused():
    with pytest.raises(TrainingError, match="an adapter folder holds no rows for them; set merge: true"):
        adapt(llama(), Adapter(merge=False), steps=1, new_tokens=[89])


def test_a_prefix_is_trained_padded_and_each_document_gets_what_it_gets_alone():
    model = randomise(adapt(llama(num_key_value_heads=1), Adapter(kind="prefix", prefix_tokens=3), steps=1).model)
    runner = make_runner(model, 17)
    assert runner.layout == "padded"
    assert any("a cache" in note for note in runner.notes)
    alone = torch.cat([nll(runner, [d]) for d in documents()])
    assert torch.allclose(nll(runner, documents()), alone, atol=1e-5)


def test_adalora_moves_ranks_about_and_goes_on_from_its_state():
    def run(model, adapted, steps, optimizer):
        for step in steps:
            runner.losses(runner.collate(documents()))[0].backward()
            for call in adapted.before_update:
                call(step)
            optimizer.step()
            for call in adapted.after_update:
                call(step)
            optimizer.zero_grad()

    finished = []
    for stop in (20, 7):
        model = llama()
        torch.manual_seed(3)
        adapted = adapt(model, Adapter(kind="adalora", rank=2), steps=20)
        runner = make_runner(model, 17)
        optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.1)
        run(model, adapted, range(stop), optimizer)
        if stop < 20:
            kept = model.state_dict()
            model = llama()
            adapted = adapt(model, Adapter(kind="adalora", rank=2), steps=20)
            runner = make_runner(model, 17)
            model.load_state_dict(kept)
            optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.1)
            run(model, adapted, range(stop, 20), optimizer)
        finished.append(model.state_dict())
    ranks = [(v != 0).sum().item() for n, v in finished[0].items() if n.endswith("lora_E.default")]
    assert sum(ranks) == 2 * 14
    assert len(set(ranks)) > 1
    for name, value in finished[0].items():
        assert torch.equal(value, finished[1][name])


def test_adalora_says_that_it_needs_steps():
    with pytest.raises(TrainingError, match="adalora needs at least 10 steps to move rank about, the plan has 1"):
        adapt(llama(), Adapter(kind="adalora"), steps=1)


@pytest.mark.skipif(torch.cuda.is_available(), reason="says what is missing without CUDA")
def test_qlora_says_what_it_needs():
    with pytest.raises(TrainingError, match="qlora needs a CUDA device and the package bitsandbytes"):
        check_adapter(Adapter(kind="qlora"))
    check_adapter(Adapter())
