import pytest
import torch

from instructkit.evaluate.sampling import Draws


def drawn(logits, keys, **options):
    given = {"temperature": 1.0, "top_p": 1.0, "seed": 0, **options}
    return Draws(keys, **given)(None, torch.tensor(logits).repeat(len(keys), 1)).argmax(-1)


def test_tokens_are_drawn_as_often_as_they_are_likely():
    logits = [0.0, 1.0, 2.0]
    counts = torch.bincount(drawn(logits, [str(i) for i in range(4000)]), minlength=3) / 4000
    assert counts.tolist() == pytest.approx(torch.tensor(logits).softmax(-1).tolist(), abs=0.03)


def test_a_low_temperature_takes_the_likeliest():
    assert (drawn([0.0, 1.0, 2.0], [str(i) for i in range(100)], temperature=0.01) == 2).all()


def test_top_p_leaves_the_rest_out():
    # 0.09, 0.245, 0.665: the likeliest alone reach 0.6, two are needed for 0.7.
    keys = [str(i) for i in range(500)]
    assert set(drawn([0.0, 1.0, 2.0], keys, top_p=0.6).tolist()) == {2}
    assert set(drawn([0.0, 1.0, 2.0], keys, top_p=0.7).tolist()) == {1, 2}


def test_each_step_draws_anew():
    draws = Draws(["a"], 1.0, 1.0, 0)
    assert len({draws(None, torch.zeros(1, 50)).argmax().item() for _ in range(20)}) > 10


def test_a_token_that_cannot_come_never_does():
    logits = [float("-inf"), 0.0, float("-inf")]
    assert (drawn(logits, [str(i) for i in range(100)]) == 1).all()
