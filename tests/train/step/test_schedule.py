import pytest

from instructkit.train.config.adapter import Adapter
from instructkit.train.step.schedule import highest_rate, rate_at


def rates(config, steps=100):
    return [rate_at(step, steps, config) for step in range(steps)]


@pytest.mark.parametrize("schedule", ["cosine", "linear"])
def test_the_rate_rises_in_a_line_and_falls_to_its_minimum(small, schedule):
    found = rates(small(learning_rate=1.0, warmup=0.1, min_learning_rate=0.1, schedule=schedule))
    assert found[:3] == pytest.approx([0.1, 0.2, 0.3])
    assert max(found) == 1.0
    assert found[10:] == sorted(found[10:], reverse=True)
    assert found[-1] == pytest.approx(0.1, abs=0.011)


def test_a_line_falls_evenly(small):
    found = rates(small(learning_rate=1.0, warmup=0.0, min_learning_rate=0.0, schedule="linear"), 4)
    assert found == [1.0, 0.75, 0.5, 0.25]


def test_wsd_holds_the_rate_and_falls_in_its_last_share_to_the_minimum(small):
    found = rates(small(learning_rate=1.0, warmup=0.1, decay=0.2, min_learning_rate=0.0, schedule="wsd"))
    assert set(found[9:80]) == {1.0}
    assert found[80:] == pytest.approx([left / 20 for left in range(19, -1, -1)])


def test_constant_is_constant_behind_the_warmup(small):
    assert set(rates(small(learning_rate=0.5, warmup=0.1, schedule="constant"))[10:]) == {0.5}


def test_without_warmup_the_first_step_has_the_full_rate(small):
    assert rate_at(0, 10, small(learning_rate=0.5, warmup=0.0)) == 0.5


def test_a_pretrained_model_is_trained_more_gently_when_nothing_is_said_and_an_adapter_less_so(small):
    assert highest_rate(small(model="some/model")) < highest_rate(small()) / 10
    assert highest_rate(small(model="some/model", adapter=Adapter())) == 10 * highest_rate(small(model="some/model"))
