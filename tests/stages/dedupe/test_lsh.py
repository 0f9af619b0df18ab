import numpy as np
import pytest

from instructkit.stages.dedupe.lsh import ALL_PAIRS_UP_TO, HUBS, bands_and_rows, candidate_pairs, catch_probability


@pytest.mark.parametrize(
    ("bands", "rows", "expected"),
    [(9, 13, 0.3988), (14, 8, 0.9235), (16, 8, 0.9470), (25, 10, 0.9416), (32, 8, 0.9972)],
)
def test_catch_probability_is_the_known_one(bands, rows, expected):
    assert catch_probability(0.8, bands, rows) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("threshold", [0.1, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 1.0])
def test_banding_reaches_the_recall_at_the_threshold(threshold):
    bands, rows = bands_and_rows(threshold, 128, 0.95)
    assert bands * rows <= 128
    assert catch_probability(threshold, bands, rows) >= 0.95


def test_banding_is_the_strictest_that_does():
    assert bands_and_rows(0.8, 128, 0.95) == (18, 7)
    assert catch_probability(0.8, 16, 8) < 0.95


def test_too_few_permutations_are_told():
    assert bands_and_rows(0.01, 16, 0.95) is None


def test_texts_that_share_any_band_are_paired_once():
    bands = np.array([[1, 2], [1, 2], [9, 2], [7, 7]], dtype=np.uint64)
    assert candidate_pairs(bands).tolist() == [[0, 1], [0, 2], [1, 2]]


def test_no_text_and_a_lone_text_have_no_pairs():
    assert candidate_pairs(np.empty((0, 3), dtype=np.uint64)).shape == (0, 2)
    assert candidate_pairs(np.zeros((1, 3), dtype=np.uint64)).shape == (0, 2)


def test_work_on_a_large_bucket_grows_with_its_size_not_its_square():
    size = 5_000
    pairs = candidate_pairs(np.zeros((size, 2), dtype=np.uint64))
    assert len(pairs) < size * (HUBS + 1)
    assert (pairs[:, 0] < pairs[:, 1]).all()
    assert set(pairs.ravel().tolist()) == set(range(size))


def test_a_small_bucket_is_compared_whole():
    size = ALL_PAIRS_UP_TO
    assert len(candidate_pairs(np.zeros((size, 1), dtype=np.uint64))) == size * (size - 1) // 2
