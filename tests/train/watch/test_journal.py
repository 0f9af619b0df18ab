import numpy as np
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from instructkit.train.step.stepper import Seen
from instructkit.train.watch.journal import BEFORE, RECORD, Journal, read_journal


def seen(step, examples, loss, weight):
    return Seen(step, np.array(examples), torch.tensor(loss), torch.tensor(weight))


def test_losses_are_means_over_the_tokens_of_an_example(tmp_path):
    journal = Journal(tmp_path, 0)
    journal.add(BEFORE, np.array([7]), np.array([10.0]), np.array([4.0]))
    journal.observe(seen(0, [7, 3], [6.0, 1.0], [4.0, 2.0]))
    journal.observe(seen(0, [7], [2.0], [4.0]))  # twice in a step: a repeated example
    journal.flush()
    assert read_journal(tmp_path).rows() == [(3, 1, 0.5, 2.0), (7, 0, 2.5, 4.0), (7, 1, 1.0, 8.0)]


def test_what_will_be_run_again_is_cut_and_so_is_half_a_record(tmp_path):
    journal = Journal(tmp_path, 0)
    journal.add(BEFORE, np.array([0, 1]), np.ones(2), np.ones(2))
    for step in range(4):
        journal.observe(seen(step, [0, 1], [1.0, 2.0], [1.0, 1.0]))
    journal.flush()
    path = tmp_path / "rank-0.bin"
    path.write_bytes(path.read_bytes() + b"half a rec")
    Journal(tmp_path, 2)
    assert read_journal(tmp_path)["step"].unique().to_list() == [0, 1, 2]
    assert path.stat().st_size == 6 * RECORD.itemsize


def test_a_run_that_has_done_no_step_begins_with_an_empty_journal(tmp_path):
    journal = Journal(tmp_path, 0)
    journal.add(BEFORE, np.array([0]), np.ones(1), np.ones(1))
    journal.flush()
    Journal(tmp_path, 0)
    assert read_journal(tmp_path).is_empty()


def test_files_of_ranks_that_are_gone_are_cut_by_the_first(tmp_path):
    for rank in range(3):
        journal = Journal(tmp_path, 0, rank=rank, ranks=3)
        for step in range(3):
            journal.observe(seen(step, [rank], [1.0], [1.0]))
        journal.flush()
    Journal(tmp_path, 1, rank=0, ranks=1)
    assert read_journal(tmp_path).rows() == [(0, 1, 1.0, 1.0), (1, 1, 1.0, 1.0), (2, 1, 1.0, 1.0)]


sums = st.tuples(st.integers(0, 3), st.integers(0, 5), st.integers(0, 80), st.integers(1, 8))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(sums, max_size=20), st.integers(1, 4), st.data())
def test_the_spread_over_ranks_changes_nothing(tmp_path, rows, ranks, data):
    folder = tmp_path / str(data.draw(st.uuids()))
    rows = sorted(rows, key=lambda row: row[0])
    for name, count in (("one", 1), ("many", ranks)):
        for rank in range(count):
            journal = Journal(folder / name, 0, rank=rank, ranks=count)
            for i, (step, example, loss, weight) in enumerate(rows):
                if i % count == rank:
                    journal.observe(seen(step, [example], [float(loss)], [float(weight)]))
            journal.flush()
    assert read_journal(folder / "one").equals(read_journal(folder / "many"))
