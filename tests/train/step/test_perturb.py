from dataclasses import replace

import numpy as np
import pytest
import torch
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    LlamaForSequenceClassification,
    T5Config,
    T5ForConditionalGeneration,
)

from instructkit.errors import TrainingError
from instructkit.models.batch import Document
from instructkit.models.runner import make_runner
from instructkit.train.step.perturb import make_perturbation


@pytest.fixture
def model():
    torch.manual_seed(0)
    shape = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    return LlamaForCausalLM(LlamaConfig(vocab_size=90, pad_token_id=0, **shape))


def documents():
    rng = np.random.default_rng(0)
    return [Document(rng.integers(1, 90, n).astype(np.int32), np.ones(n, np.float32)) for n in (9, 17, 5, 12)]


def gradients(runner, perturbation, cuts, step=3):
    """Of the whole step, cut into micro-batches; and the loss of the first passes."""
    runner.model.zero_grad()
    given, clean = documents(), 0.0
    for cut in cuts:
        batch = runner.collate([given[i] for i in cut])
        lengths = [len(given[i].ids) for i in cut]
        for turn in range(perturbation.passes):
            with perturbation.during(turn, step, batch, cut, lengths):
                total, _ = runner.losses(batch)
            (total / perturbation.passes).backward()
            clean += total.item() if turn == 0 else 0.0
    return clean, {name: p.grad.clone() for name, p in runner.model.named_parameters() if p.grad is not None}


def same(one, other):
    assert one.keys() == other.keys()
    return all(torch.allclose(one[name], other[name], atol=1e-5 * value.abs().max()) for name, value in other.items())


@pytest.mark.parametrize("keys", [{"neftune": 5.0}, {"fgm": 1.0}, {"neftune": 5.0, "fgm": 1.0}])
def test_gradients_are_the_same_for_every_cut_and_layout(model, small, keys):
    runner = make_runner(model, 17)
    assert runner.layout == "packed"
    perturbation = make_perturbation(model, small(**keys))
    _, whole = gradients(runner, perturbation, [[0, 1, 2, 3]])
    _, apart = gradients(runner, perturbation, [[2], [0, 3], [1]])
    assert same(apart, whole)
    _, padded = gradients(replace(runner, layout="padded"), perturbation, [[3, 0], [1, 2]])
    assert same(padded, whole)
    assert not same(gradients(runner, make_perturbation(model, small()), [[0, 1, 2, 3]])[1], whole)


def test_noise_depends_on_seed_and_step_and_nothing_else(model, small):
    runner, cut = make_runner(model, 17), [[0, 1, 2, 3]]
    first = gradients(runner, make_perturbation(model, small(neftune=5.0)), cut)[0]
    torch.manual_seed(99)
    assert gradients(runner, make_perturbation(model, small(neftune=5.0)), cut)[0] == first
    assert gradients(runner, make_perturbation(model, small(neftune=5.0)), cut, step=4)[0] != first
    assert gradients(runner, make_perturbation(model, small(neftune=5.0, seed=1)), cut)[0] != first


def test_noise_is_bounded_by_its_length_and_never_outside_of_the_step(model, small):
    perturbation = make_perturbation(model, small(neftune=5.0))
    runner = make_runner(model, 17)
    batch, table, seen = runner.collate(documents()[:1]), model.get_input_embeddings(), []
    plain = table(batch.input_ids)
    with perturbation.during(0, 0, batch, [0], [9]):
        seen.append(table(batch.input_ids) - plain)
    bound = 5.0 / (9 * 32) ** 0.5
    assert 0.9 * bound < seen[0].abs().max() <= bound
    assert torch.equal(table(batch.input_ids), plain)


def test_the_adversary_raises_the_loss_more_than_noise_of_its_length(model, small):
    runner, given = make_runner(model, 17), documents()
    batch, lengths = runner.collate(given), [len(d.ids) for d in given]
    perturbation = make_perturbation(model, small(fgm=0.5))
    with perturbation.during(0, 0, batch, range(4), lengths):
        clean, _ = runner.losses(batch)
    clean.backward()
    with perturbation.during(1, 0, batch, range(4), lengths):
        hit = runner.losses(batch)[0]
    with make_perturbation(model, small(neftune=0.5 * 3**0.5)).during(0, 0, batch, range(4), lengths):
        noisy = runner.losses(batch)[0]
    assert hit - clean > 5 * abs(noisy - clean)


def test_the_adversary_works_where_the_embeddings_are_frozen(model, small):
    model.get_input_embeddings().weight.requires_grad_(False)
    runner = make_runner(model, 17)
    _, found = gradients(runner, make_perturbation(model, small(fgm=0.5)), [[0, 1, 2, 3]])
    assert "model.embed_tokens.weight" not in found
    assert not same(found, gradients(runner, make_perturbation(model, small()), [[0, 1, 2, 3]])[1])


def test_an_example_without_labels_is_moved_by_nothing_and_gives_no_nan(model, small):
    runner = make_runner(model, 17)
    given = [documents()[0]._replace(weights=np.zeros(9, np.float32)), documents()[1]]
    batch, lengths = runner.collate(given), [9, 17]
    perturbation = make_perturbation(model, small(fgm=0.5))
    for turn in (0, 1):
        with perturbation.during(turn, 0, batch, [0, 1], lengths):
            total, _ = runner.losses(batch)
        total.backward()
    assert all(torch.isfinite(p.grad).all() for p in model.parameters())


def test_what_a_classifier_reads_is_moved_and_neither_padding_nor_the_class(small):
    shape = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2}
    model = LlamaForSequenceClassification(LlamaConfig(vocab_size=90, pad_token_id=0, num_labels=3, **shape))
    given = []
    for document in documents():
        ids, read = document.ids, len(document.ids) - 1
        ids[-1] = read % 3
        given.append(Document(ids, (np.arange(read + 1) == read).astype(np.float32), read))
    runner, lengths = make_runner(model, 17), [len(d.ids) for d in given]
    batch = runner.collate(given)
    perturbation = make_perturbation(model, small(neftune=5.0, fgm=1.0))
    table, seen = model.get_input_embeddings(), []
    plain = table(batch.input_ids)
    for turn in (0, 1):
        with perturbation.during(turn, 0, batch, range(4), lengths):
            total, _ = runner.losses(batch)
            if turn:
                seen.append((table(batch.input_ids) - plain).detach().abs().sum(-1) > 0)
        total.backward()
    assert torch.equal(seen[0], batch.attention_mask.bool())


def test_an_encoder_decoder_is_refused(small):
    model = T5ForConditionalGeneration(T5Config(d_model=16, d_ff=32, num_layers=1, num_heads=2, d_kv=8, vocab_size=90))
    with pytest.raises(TrainingError, match="neftune: of an encoder-decoder"):
        make_perturbation(model, small(neftune=5.0))
