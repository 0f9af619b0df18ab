"""The loss contract: one gradient, whatever the layout, the cut into micro-batches, the ranks and how they share."""

from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("gradients_on_ranks.py")


@pytest.mark.parametrize("ranks", [1, 2, 4])
def test_gradients_are_the_same_however_a_step_is_spread(on_ranks, tmp_path, ranks):
    for rank, results in enumerate(on_ranks(SCRIPT, ranks, tmp_path)):
        assert len(results) > 30
        wrong = {case: found for case, found in results.items() if isinstance(found, str) or not found < 1e-5}
        assert wrong == {}, f"rank {rank}"
