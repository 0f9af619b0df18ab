import json

import numpy as np
import pytest
import torch

from instructkit.train.watch.flops import Costs
from instructkit.train.watch.journal import Journal, read_journal
from instructkit.train.watch.meter import Meter
from instructkit.train.watch.peak import Peak
from instructkit.train.watch.recorder import Recorder, read_metrics

COSTS = Costs(token=6.0, token_forward=2.0, pair=0.0, row=10.0, head_on_supervised=True)
NUMBERS = {"loss": 2.0, "learning_rate": 0.1, "gradient_norm": 1.0, "tokens": 10, "supervised_tokens": 4}


class Kept:
    """A tracker that keeps what it is given."""

    def __init__(self):
        self.lines, self.closed = [], False

    def log(self, line):
        self.lines.append(dict(line))

    def close(self):
        self.closed = True


@pytest.fixture
def recorder(tmp_path):
    def make(done=0, metrics=True, **more):
        meter = Meter(COSTS, Peak(1e9, "a test"), torch.device("cpu"))
        said = []
        path = tmp_path / "metrics.jsonl" if metrics else None
        return Recorder(path, meter, said.append, done=done, steps=5, **more), said

    return make


def step(recorder, number, **measured):
    recorder.begin()
    recorder.end(number, NUMBERS, np.array([6, 4]), 10, 16)
    recorder.write(measured)


def test_a_step_is_a_line_an_event_and_a_point_of_each_tracker(recorder, tmp_path):
    tracker = Kept()
    made, said = recorder(trackers=[tracker])
    step(made, 1)
    step(made, 2, validation_loss=3.0, validation={"template": {"a": 3.0}})
    made.close()
    lines = read_metrics(tmp_path / "metrics.jsonl")
    assert lines == tracker.lines
    assert [line["step"] for line in lines] == [1, 2]
    assert lines[1]["validation"] == {"template": {"a": 3.0}}
    assert tracker.closed
    assert [(event.done, event.total) for event in said] == [(1, 5), (2, 5)]
    assert {"loss", "loss_mean", "eta_s", "mfu"} <= set(said[0].values)


def test_what_repeats_exactly_stands_before_what_does_not(recorder, tmp_path):
    made, _ = recorder()
    step(made, 1)
    made.close()
    names = list(json.loads((tmp_path / "metrics.jsonl").read_text()))
    assert names[: names.index("seconds")] == ["step", *NUMBERS, "fill"]


def test_lines_of_steps_that_are_run_again_are_cut(recorder, tmp_path):
    made, _ = recorder()
    for number in (1, 2, 3):
        step(made, number)
    made.close()
    with (tmp_path / "metrics.jsonl").open("ab") as file:
        file.write(b'{"step": 4, "lo')
    made, _ = recorder(done=2)
    step(made, 3)
    made.close()
    assert [line["step"] for line in read_metrics(tmp_path / "metrics.jsonl")] == [1, 2, 3]


def test_other_ranks_keep_their_journal_and_write_nothing_else(recorder, tmp_path):
    from instructkit.train.step.stepper import Seen

    made, _ = recorder(metrics=False, journal=Journal(tmp_path / "ledger", 0, rank=1, ranks=2))
    made.begin()
    made.observe(Seen(0, np.array([3]), torch.tensor([4.0]), torch.tensor([2.0])))
    made.end(1, NUMBERS, np.array([6, 4]), 10, 16)
    made.write({})
    made.close()
    assert read_journal(tmp_path / "ledger").rows() == [(3, 1, 2.0, 2.0)]
    assert not (tmp_path / "metrics.jsonl").exists()
