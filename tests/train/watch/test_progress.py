import io

import pytest

from instructkit.cli.training_progress import bars, fitting
from instructkit.train.watch.progress import Event, clock, facts, plain_lines, short

NUMBERS = {
    "loss": 1.2341,
    "learning_rate": 2e-5,
    "tokens_per_s": 8123.0,
    "supervised_tokens_per_s": 3201.0,
    "mfu": 0.412,
    "fill": 0.981,
    "data_wait": 0.013,
    "memory_bytes": 1.6e9,
    "loss_mean": 1.3012,
    "eta_s": 750.2,
}
LINE = (
    "loss 1.234 (mean 1.301)  eta 0:12:30  8.1k tok/s (3.2k supervised)  "
    "MFU 41%  fill 98%  wait 1%  1.5 GiB  lr 2.0e-05"
)


def test_numbers_are_said_as_one_reads_them_the_more_important_first():
    assert "  ".join(facts(NUMBERS)) == LINE
    assert facts({"odd": 1.23456}) == ["odd 1.235"]
    assert facts({}) == []


@pytest.mark.parametrize(("width", "ends"), [(80, "MFU 41%"), (120, "lr 2.0e-05"), (40, "eta 0:12:30"), (10, "")])
def test_as_many_numbers_as_fit_and_none_of_them_cut(width, ends):
    line = fitting(facts(NUMBERS), width)
    assert len(line) <= width
    assert line.endswith(ends)
    assert (f"  {LINE}").startswith(line)


def test_a_terminal_shows_a_bar_and_the_numbers_below_it():
    from rich.console import Console

    for width in (80, 120):
        out = io.StringIO()
        console = Console(file=out, width=width, force_terminal=True, color_system=None, legacy_windows=False)
        with bars(console) as draw:
            draw(Event(phase="prepare", message="12 of 12 examples"))
            draw(Event(phase="train", done=120, total=600, values=NUMBERS))
        shown = [line.split("\x1b[2K")[-1] for line in out.getvalue().splitlines()]
        assert "prepare: 12 of 12 examples" in shown
        assert any(line.startswith("train") and "120/600" in line for line in shown)
        assert fitting(facts(NUMBERS), width) in shown
        assert max(len(line) for line in shown if "\x1b" not in line) <= width


def test_without_a_terminal_there_are_about_twenty_lines(capsys):
    for step in range(1, 101):
        plain_lines(Event(phase="train", done=step, total=100, values=NUMBERS))
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 20
    assert lines[-1] == f"train 100/100  {LINE}"


def test_times_and_sizes_are_short():
    assert [clock(s) for s in (0.4, 61, 3600, 90061)] == ["0:00:00", "0:01:01", "1:00:00", "1d 1:01:01"]
    assert [short(n) for n in (5.2, 999, 3201, 41_000, 1.26e6)] == ["5", "999", "3.2k", "41k", "1.3M"]
