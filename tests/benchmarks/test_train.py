"""The benchmark of training: what it trains on, and when it says that a target is reached."""

import pytest

from benchmarks.corpus import make_corpus
from benchmarks.process import Run
from benchmarks.train.page import GROUPED, OURS, TRL, Trained, _verdicts
from benchmarks.train.project import chats
from benchmarks.train.ways import Took


def test_chats_are_the_same_on_each_run_and_begin_and_end_with_words():
    pieces = make_corpus(40).pieces
    made = list(chats(pieces, 30))
    assert made == list(chats(pieces, 30))
    assert 0 < len(made) <= 30
    assert all(m.content == m.content.strip() != "" for chat in made for m in chat.messages)


def way(rate, peak_mb, loss):
    run = Run(seconds=1.0, cpu_s=1.0, peak_mb=peak_mb)
    return Trained(took=Took(tokens=rate, seconds=1.0, steps=2), run=run, loss=loss)


@pytest.mark.parametrize(
    ("rate", "peak_mb", "loss", "reached"),
    [(220, 65, 9.0, 5), (219, 65, 9.0, 4), (220, 66, 9.0, 4), (220, 65, 9.1, 3), (220, 65, 8.9, 3)],
)
def test_a_target_is_reached_at_its_bound_and_a_loss_may_lie_on_neither_side(rate, peak_mb, loss, reached):
    ways = {OURS: way(rate, peak_mb, loss), TRL: way(100, 100, 9.0), GROUPED: way(100, 100, 9.0)}
    lines = _verdicts("shape", ways, {"shape": ways})
    assert sum("Reached" in line for line in lines) == reached
    assert len(lines) == 5
