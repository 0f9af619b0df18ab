import pytest

from instructkit.errors import TrainingError
from instructkit.evaluate.result import Evaluation, Slice
from instructkit.train.config.stopping import EarlyStopping
from instructkit.train.step.stopping import stops, watched_loss, without_gain


def lines(*losses):
    return [{"validation_loss": loss} for loss in losses]


def test_evaluations_are_counted_from_the_lowest_loss():
    assert without_gain([3.0, 2.0, 2.1, 2.0], 0.0) == 2
    assert without_gain([3.0, 2.0, 1.0], 0.0) == 0
    assert without_gain([], 0.0) == 0


def test_a_small_fall_is_no_gain_but_small_falls_add_up():
    assert without_gain([2.0, 1.95, 1.92], 0.1) == 2
    assert without_gain([2.0, 1.95, 1.89], 0.1) == 0


def test_training_stops_when_patience_is_used_up_and_not_before():
    config = EarlyStopping(patience=2)
    assert not stops(config, lines(2.0, 1.0, 1.1))
    assert stops(config, lines(2.0, 1.0, 1.1, 1.2))
    assert not stops(None, lines(*[2.0] * 50))
    assert stops(config, lines(2.0, None, None))  # not finite, read again


def test_the_watched_slice_decides_and_not_the_whole():
    config = EarlyStopping(slice="template=b", patience=1)
    found = [{"validation_loss": whole, "watched_loss": part} for whole, part in ((2.0, 1.0), (1.0, 1.5))]
    assert stops(config, found)


def evaluation():
    def part(by, name, loss):
        return Slice(by=by, name=name, examples=1, tokens=1, loss=loss)

    return Evaluation(
        split="validation",
        overall=part("all", "all", 2.0),
        slices=[part("template", "qa/open", 1.0), part("task", "qa", 3.0)],
    )


def test_the_loss_of_a_slice_is_taken_by_its_name():
    assert watched_loss(EarlyStopping(slice="template=qa/open"), evaluation()) == {"watched_loss": 1.0}
    assert watched_loss(EarlyStopping(), evaluation()) == watched_loss(None, evaluation()) == {}


def test_a_slice_that_no_example_belongs_to_is_told_with_those_there_are():
    with pytest.raises(TrainingError, match=r"no validation examples of template 'qa/opn'; did you mean 'qa/open'"):
        watched_loss(EarlyStopping(slice="template=qa/opn"), evaluation())
