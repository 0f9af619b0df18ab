import numpy as np
import pytest
import torch

from instructkit.train.watch.flops import Costs
from instructkit.train.watch.meter import RECENT, Meter, peak_memory_bytes
from instructkit.train.watch.peak import Peak

COSTS = Costs(token=6.0, token_forward=2.0, pair=0.0, row=10.0, head_on_supervised=True)


@pytest.fixture
def clock(monkeypatch):
    """Time that goes on only when it is told to."""
    now = [100.0]
    monkeypatch.setattr("instructkit.train.watch.meter.time.perf_counter", lambda: now[0])

    def go_on(seconds):
        now[0] += seconds

    return go_on


def meter(devices=1):
    return Meter(COSTS, Peak(1000.0, "a test"), torch.device("cpu"), devices=devices)


def test_the_numbers_of_a_step_are_what_the_page_says(clock):
    watch = meter(devices=2)
    watch.begin()
    with watch.waiting():
        clock(0.5)
    clock(1.5)
    numbers = watch.end(np.array([30, 20]), supervised=10, cells=60, space=100)
    memory = numbers.pop("memory_bytes")
    assert numbers == {
        "fill": 0.5,
        "seconds": 2.0,
        "tokens_per_s": 25.0,
        "supervised_tokens_per_s": 5.0,
        "mfu": (6 * 50 + 10 * 10) / (2 * 1000 * 2),
        "hfu": (6 * 60 + 10 * 10) / (2 * 1000 * 2),
        "data_wait": 0.25,
    }
    assert memory == peak_memory_bytes(torch.device("cpu")) > 50 << 20


def test_waiting_is_forgotten_at_the_next_step(clock):
    watch = meter()
    for waited in (0.5, 0.0):
        watch.begin()
        with watch.waiting():
            clock(waited)
        clock(1.0)
        numbers = watch.end(np.array([10]), 5, 10, 10)
    assert numbers["data_wait"] == 0


def test_the_smoothed_loss_weighs_supervised_tokens_and_forgets(clock):
    watch = meter()
    watch.begin()
    clock(1)
    assert watch.outlook({"loss": 4.0, "supervised_tokens": 10}, 5)["loss_mean"] == 4.0
    assert watch.outlook({"loss": 1.0, "supervised_tokens": 30}, 4)["loss_mean"] == pytest.approx(1.75)
    for _ in range(RECENT):
        seen = watch.outlook({"loss": 2.0, "supervised_tokens": 1}, 3)
    assert seen["loss_mean"] == 2.0


def test_the_time_to_go_counts_what_lies_between_steps(clock):
    watch = meter()
    for step in range(1, 6):
        watch.begin()
        clock(1.0)
        watch.end(np.array([10]), 5, 10, 10)
        seen = watch.outlook({"loss": 1.0, "supervised_tokens": 1}, 10 - step)
        clock(0.5)  # an evaluation, a checkpoint
    assert seen["eta_s"] == pytest.approx(5 * (5 + 4 * 0.5) / 5)
