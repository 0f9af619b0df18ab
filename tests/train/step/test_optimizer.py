import pytest
import torch

from instructkit.train.step.optimizer import highest_rate, make_optimizer, rate_at


def test_the_rate_rises_in_a_line_and_falls_to_its_minimum(small):
    config = small(learning_rate=1.0, warmup=0.1, min_learning_rate=0.1)
    rates = [rate_at(step, 100, config) for step in range(100)]
    assert rates[:3] == pytest.approx([0.1, 0.2, 0.3])
    assert max(rates) == 1.0
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert rates[-1] == pytest.approx(0.1, abs=0.01)


def test_without_warmup_the_first_step_has_the_full_rate(small):
    assert rate_at(0, 10, small(learning_rate=0.5, warmup=0.0)) == 0.5


def test_a_pretrained_model_is_trained_more_gently_when_nothing_is_said(small):
    assert highest_rate(small(model="some/model")) < highest_rate(small()) / 10


def test_norms_and_biases_are_not_decayed(small):
    model = torch.nn.Sequential(torch.nn.Embedding(5, 4), torch.nn.Linear(4, 4), torch.nn.LayerNorm(4))
    decayed, plain = make_optimizer(model, small(weight_decay=0.5)).param_groups
    assert (decayed["weight_decay"], plain["weight_decay"]) == (0.5, 0.0)
    assert {p.ndim for p in decayed["params"]} == {2}
    assert len(plain["params"]) == 3
