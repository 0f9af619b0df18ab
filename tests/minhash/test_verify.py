import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from instructkit.errors import StageError
from instructkit.minhash import verify
from instructkit.minhash.buckets import packed
from instructkit.minhash.sketcher import ShingleSets
from instructkit.minhash.verify import Spool


def shingle_sets(sets):
    hashes = np.array([h for s in sets for h in s], np.uint64)
    return ShingleSets(hashes, np.cumsum([0, *map(len, sets)]))


def pairs_of(pairs):
    left, right = np.array(pairs, np.int64).reshape(-1, 2).T
    return np.sort(packed(left, right))


def verified(sets, pairs, threshold, chunks=((0, None),), tmp_path=None):
    """`sets` by row; the edges as a dict of pairs."""
    rows = np.array(sorted(sets), np.int64)
    with Spool(rows, tmp_path) as spool:
        for a, b in chunks:
            spool.add(rows[a:b], shingle_sets([sets[r] for r in rows[a:b].tolist()]))
        edges = spool.verified(pairs_of(pairs), threshold)
    assert edges.similarity.dtype == np.float64
    return dict(
        zip(zip(edges.left.tolist(), edges.right.tolist(), strict=True), edges.similarity.tolist(), strict=True)
    )


@pytest.mark.parametrize("kernels", ["kernels", "numpy_kernels"])
@given(data=st.data(), threshold=st.one_of(st.integers(1, 20).map(lambda n: n / 20), st.floats(0.01, 1)))
def test_verified_pairs_are_those_of_brute_force(kernels, data, threshold, using):
    hashes = st.lists(st.integers(0, 25), min_size=1, unique=True)
    sets = data.draw(st.dictionaries(st.integers(0, 10**9), hashes, min_size=2, max_size=8))
    rows = st.sampled_from(sorted(sets))
    pairs = {(min(p), max(p)) for p in data.draw(st.lists(st.tuples(rows, rows).filter(lambda p: p[0] != p[1])))}
    half = len(sets) // 2
    expected = {}
    for a, b in pairs:
        similarity = len({*sets[a]} & {*sets[b]}) / len({*sets[a]} | {*sets[b]})
        if similarity >= threshold:
            expected[a, b] = similarity
    with using(kernels):
        assert verified(sets, sorted(pairs), threshold, chunks=[(half, None), (0, half)]) == expected


@pytest.mark.parametrize("kernels", ["kernels", "numpy_kernels"])
def test_a_pair_at_exactly_the_threshold_is_kept_and_one_shingle_less_is_not(kernels, using):
    with using(kernels):
        for hundredths in range(1, 101):
            threshold = float(f"{hundredths / 100:.2f}")
            for union in (100, 300, 700):
                common = union * hundredths // 100
                for own in {0, (union - common) // 2, union - common}:
                    one = list(range(common + own))
                    other = list(range(common)) + list(range(common + own, union))
                    less = [*other[1:], union]
                    sets = {0: one, 1: other, 2: less}
                    assert verified(sets, [(0, 1), (0, 2)], threshold) == {(0, 1): threshold}


def test_no_pairs_are_no_edges(tmp_path):
    assert verified({}, [], 0.5) == {}
    assert verified({3: [1], 4: [1]}, [], 0.5) == {}
    assert not list(tmp_path.iterdir())


def test_a_row_that_was_never_added_is_named():
    with Spool(np.array([4, 17])) as spool:
        spool.add(np.array([4]), shingle_sets([[1, 2]]))
        with pytest.raises(StageError, match="row 17 was sketched"):
            spool.verified(pairs_of([(4, 17)]), 0.5)


def test_a_spool_leaves_nothing_in_its_folder(tmp_path):
    assert verified({1: [5], 2: [5]}, [(1, 2)], 1.0, tmp_path=tmp_path) == {(1, 2): 1.0}
    assert not list(tmp_path.iterdir())


def test_batches_and_threads_change_nothing(monkeypatch):
    random = np.random.RandomState(0)
    sets = {r: random.choice(60, random.randint(1, 40), replace=False).tolist() for r in range(60)}
    pairs = [(i, j) for i in range(60) for j in range(i + 1, 60)]
    expected = verified(sets, pairs, 0.2)
    assert len(expected) > 100
    for at_once in (1, 70, 5000):
        monkeypatch.setattr(verify, "SHINGLES_AT_ONCE", at_once)
        for threads in (1, 3):
            monkeypatch.setattr("instructkit.minhash.threads.pl.thread_pool_size", lambda threads=threads: threads)
            assert verified(sets, pairs, 0.2) == expected
