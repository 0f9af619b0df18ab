import pytest
import torch

from instructkit.errors import TrainingError
from instructkit.train.save.average import average


def test_the_mean_of_what_is_trained_and_nothing_else_changes():
    model = torch.nn.Linear(3, 2)
    model.bias.requires_grad_(False)
    bias = model.bias.clone()
    saved = [torch.full((2, 3), value) for value in (1.0, 2.0, 6.0)]

    def load(value):
        model.weight.data.copy_(value)

    average(model, saved, load)
    assert torch.allclose(model.weight, torch.full((2, 3), 3.0))
    assert torch.equal(model.bias, bias)
    assert model.weight.requires_grad


def test_a_mean_of_nothing_is_refused_and_leaves_the_weights_alone():
    model = torch.nn.Linear(3, 2)
    before = model.weight.clone()
    with pytest.raises(TrainingError, match="there is no checkpoint"):
        average(model, [], lambda _: None)
    assert torch.equal(model.weight, before)
