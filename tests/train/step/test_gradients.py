"""The loss contract: one gradient, whatever the layout, the cut into micro-batches, the ranks and how they share."""

import runpy
from pathlib import Path

import pytest

from instructkit.train.step.ranks import Ranks

SCRIPT = Path(__file__).with_name("gradients_on_ranks.py")


def wrong(results):
    assert len(results) > 10
    return {case: found for case, found in results.items() if isinstance(found, str) or not found < 1e-5}


def test_gradients_are_the_same_however_a_step_is_cut():
    results = {}
    runpy.run_path(str(SCRIPT))["main"](Ranks(), results.__setitem__)
    assert wrong(results) == {}


@pytest.mark.parametrize("ranks", [2, 4])
def test_gradients_are_the_same_however_a_step_is_spread(on_ranks, tmp_path, ranks):
    for rank, results in enumerate(on_ranks(SCRIPT, ranks, tmp_path)):
        assert wrong(results) == {}, f"rank {rank}"


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs Linux to limit a process's memory")
def test_a_step_that_the_system_has_no_memory_for_is_done_again_in_smaller_pieces(on_ranks, tmp_path):
    (result,) = on_ranks(Path(__file__).with_name("little_memory.py"), 1, tmp_path)
    assert 1 <= result["size"] < 8
    assert result["said"][0] == "out of memory in step 1: done again, and on from here, in micro-batches of 4 rows"
    assert result["difference"] < 1e-5


def test_a_rank_of_fsdp2_without_memory_ends_with_the_way_out_and_the_others_with_it(on_ranks, tmp_path):
    said = on_ranks(Path(__file__).with_name("memory_on_ranks.py"), 2, tmp_path, check=False)
    assert "out of memory on rank 1, while the others wait for it, with micro-batches of 4 rows" in said[1]
    assert "start again with micro_batch_sequences: 2, and it goes on at the last checkpoint" in said[1]
    assert not any("went on" in each for each in said)
