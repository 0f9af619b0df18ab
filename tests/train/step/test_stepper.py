import math
import runpy
from pathlib import Path

import pytest
import torch

from instructkit.errors import TrainingError
from instructkit.train.save import checkpoint
from instructkit.train.save.checkpoint import Checkpoint
from instructkit.train.step.ranks import Ranks
from instructkit.train.step.stepper import reseed

ours = runpy.run_path(str(Path(__file__).with_name("gradients_on_ranks.py")))
DATA, ROWS = ours["make_data"](True)


@pytest.fixture
def stepper():
    """A small model on eight rows, all of them in each step, on this process alone."""

    def make(dropout=0.0, **fields):
        return ours["make_stepper"](ours["make_model"](dropout=dropout), DATA, ROWS, Ranks(), **fields)

    return make


def weights(stepper):
    return {name: p.detach().clone() for name, p in stepper.parallel.runner.model.named_parameters()}


def same(one, other):
    return all(torch.equal(value, other[name]) for name, value in one.items())


def run(stepper, *numbers):
    return [stepper.step(number, ROWS)[0] for number in numbers]


def keep(stepper, folder, step):
    checkpoint.save(
        folder,
        Checkpoint(step=step, key="k", extra=stepper.state()),
        model=stepper.parallel.runner.model,
        optimizer=stepper.optimizer,
        ranks=Ranks(),
        keep=1,
        keep_best=0,
    )


def bring_back(stepper, folder):
    (path,) = checkpoint.checkpoints(folder)
    about = checkpoint.restore(path, model=stepper.parallel.runner.model, optimizer=stepper.optimizer)
    stepper.restore(about.extra)


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_with_dropout_on_a_resumed_training_gives_the_same_bits(stepper, tmp_path, precision):
    whole = stepper(dropout=0.3, precision=precision)
    first = run(whole, 0, 1)
    keep(whole, tmp_path, 2)
    torch.rand(7)  # what others draw in between is of no matter
    resumed = stepper(dropout=0.3, precision=precision)
    bring_back(resumed, tmp_path)
    assert run(whole, 2) == run(resumed, 2)
    assert same(weights(whole), weights(resumed))
    assert first[0]["loss"] != run(stepper(precision=precision), 0)[0]["loss"]  # dropout is on


def test_randomness_depends_on_seed_step_and_rank():
    def draw(*about):
        reseed(*about)
        return torch.rand(3).tolist()

    assert draw(1, 2, 0) == draw(1, 2, 0)
    assert len({tuple(draw(*about)) for about in ((1, 2, 0), (2, 2, 0), (1, 3, 0), (1, 2, 1))}) == 4


def test_an_overflow_in_fp16_halves_the_scale_and_changes_no_weight(stepper):
    making = stepper(precision="fp16")
    making.scale.value = 2.0**100
    before = weights(making)
    (numbers,) = run(making, 0)
    assert (numbers["skipped"], numbers["loss_scale"], making.scale.value) == (1.0, 2.0**100, 2.0**99)
    assert same(weights(making), before)
    assert making.settled == 0  # the optimizer has no state yet
    making.scale.value = 2.0**10
    (numbers,) = run(making, 1)
    assert numbers["skipped"] == 0.0
    assert math.isfinite(numbers["gradient_norm"])
    assert not same(weights(making), before)


def test_fp16_gradients_do_not_depend_on_the_scale(stepper):
    norms = []
    for value in (2.0**4, 2.0**12):
        making = stepper(precision="fp16")
        making.scale.value = value
        norms.append(run(making, 0)[0]["gradient_norm"])
    assert norms[0] == pytest.approx(norms[1], rel=0.01)


def test_a_loss_that_is_not_finite_stops_with_the_step_and_its_examples(stepper):
    making = stepper()
    next(making.parallel.runner.model.parameters()).data.fill_(float("nan"))
    with pytest.raises(TrainingError, match=r"step 3: loss nan, .*not finite\. Lower learning_rate.*\(0, …\)"):
        making.step(2, ROWS)


def test_the_numbers_of_a_step_are_counted_from_the_data(stepper):
    making = stepper(size=3)
    numbers, cells = making.step(0, ROWS)
    assert numbers["tokens"] == sum(DATA.lengths) == cells
    assert numbers["supervised_tokens"] == sum(DATA.supervised)


def test_what_each_example_lost_is_told_once_and_adds_up_to_the_loss(stepper):
    making, seen = stepper(size=3), []
    making.observe = seen.append
    (numbers,) = run(making, 0)
    examples = [i for one in seen for i in one.examples.tolist()]
    assert sorted(examples) == list(range(len(DATA.documents)))
    loss, weight = (sum(float(getattr(one, name).sum()) for one in seen) for name in ("loss", "weight"))
    assert weight == pytest.approx(DATA.loss_weights.sum())
    assert loss / weight == pytest.approx(numbers["loss"], rel=1e-5)


def test_not_even_one_row_in_memory_is_an_error_with_a_way_out(stepper):
    class Full(ours["Runner"]):
        def losses(self, batch):
            raise torch.OutOfMemoryError("no memory at all")

    making, said = stepper(size=4, runner=Full), []
    making.say = said.append
    with pytest.raises(TrainingError, match="step 1: out of memory with one row of 40 tokens; set activation_chec"):
        making.step(0, ROWS)
    assert said == [
        "out of memory in step 1: done again, and on from here, in micro-batches of 2 rows",
        "out of memory in step 1: done again, and on from here, in micro-batches of 1 row",
    ]


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning", "ignore::FutureWarning")
def test_compiled_layers_give_the_same_gradients(stepper, monkeypatch):
    """Traced as torch.compile does it; its code generator would take minutes here."""
    compile_ = torch.nn.Module.compile
    monkeypatch.setattr(torch.nn.Module, "compile", lambda *a, **k: compile_(*a, backend="eager", **k))
    expected = run(stepper(size=3), 0)[0]["gradient_norm"]
    made = stepper(size=3, compile=True)
    assert sum(m._compiled_call_impl is not None for m in made.parallel.runner.model.modules()) == 2
    assert run(made, 0)[0]["gradient_norm"] == pytest.approx(expected, rel=1e-4)


def test_what_was_seen_of_a_skipped_step_without_a_loss_is_not_told(stepper):
    class Overflowing(ours["Runner"]):
        def losses(self, batch):
            total, nll = super().losses(batch)
            return total * float("inf"), nll * float("inf")

    making, seen = stepper(precision="fp16", runner=Overflowing), []
    making.observe = seen.append
    (numbers,) = run(making, 0)
    assert numbers["skipped"] == 1.0
    assert not math.isfinite(numbers["loss"])
    assert seen == []
