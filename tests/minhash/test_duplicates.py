"""The whole decision: no false edge ever, and as many true ones as the S-curve says."""

from collections import Counter
from itertools import combinations

import numpy as np
import polars as pl
import pytest

from instructkit.errors import StageError
from instructkit.minhash import duplicates, verify
from instructkit.minhash.banding import banding, bits_apart, catch_probability
from instructkit.minhash.buckets import ALL_PAIRS_UP_TO, HUBS, NEIGHBOURS, candidate_pairs, packed, unpacked
from instructkit.minhash.clusters import clusters
from instructkit.minhash.duplicates import NOBODY, Standing, kinds, near_duplicates
from instructkit.minhash.sketcher import Sketcher
from instructkit.minhash.threads import in_threads

SIGMAS = 4.5


def sketcher(threshold=0.7, shingle=3, recall=0.99, **fields):
    chosen = banding(threshold, 256, recall)
    return Sketcher(
        **{"unit": "words", "ignore": ("case",), "seed": 1, **fields},
        shingle=shingle,
        bands=chosen.bands,
        rows=chosen.rows,
    )


def run(sketcher, texts, threshold, chunk=500, **more):
    """The engine over texts in chunks, as its callers run it: {pair: similarity} up to 200,000 edges, and `Found`."""
    texts = pl.Series(texts, dtype=pl.String)
    slices = [slice(at, min(at + chunk, len(texts))) for at in range(0, len(texts), chunk)]
    parts = list(in_threads(lambda s: sketcher.sketch(texts[s]), slices))

    def read_sets(rows):
        wanted = [rows[(rows >= s.start) & (rows < s.stop)] for s in reversed(slices)]
        return in_threads(lambda some: (some, sketcher.shingle_sets(texts.gather(some))), wanted)

    found = near_duplicates(
        sketcher,
        Standing(
            np.concatenate([p.units for p in parts]),
            np.concatenate([p.fingerprints for p in parts], axis=1),
            np.concatenate([p.bits for p in parts], axis=1),
        ),
        iter(np.concatenate([p.bands for p in parts], axis=1)),
        read_sets,
        threshold,
        **more,
    )
    left, right, similarity = (column[:200_000].tolist() for column in found.edges)
    edges = dict(zip(zip(left, right, strict=True), similarity, strict=True))
    assert len(edges) == len(left)
    return edges, found


def shingles(text, size):
    words = text.lower().split()
    return {tuple(words[i : i + size]) for i in range(len(words) - size + 1)}


def brute_force(texts, size, threshold):
    """{pair: Jaccard similarity} of all pairs that reach the threshold, by an inverted index of tuples of words."""
    sets = [shingles(text, size) for text in texts]
    holders = {}
    for row, shingle in ((row, shingle) for row, s in enumerate(sets) for shingle in s):
        holders.setdefault(shingle, []).append(row)
    common = Counter(pair for rows in holders.values() for pair in combinations(rows, 2))
    similarities = {(a, b): n / (len(sets[a]) + len(sets[b]) - n) for (a, b), n in common.items()}
    return {pair: s for pair, s in similarities.items() if s >= threshold}


@pytest.fixture(scope="module")
def documents():
    """3,000 texts of 20 to 80 words from a vocabulary as skewed as a language's: 1,000 and edits of them, shuffled."""
    random = np.random.RandomState(5)
    vocabulary = np.array([f"word{i}" for i in range(4000)])
    weights = 1 / np.arange(1, 4001)
    weights /= weights.sum()
    texts = []
    for _ in range(1000):
        words = vocabulary[random.choice(4000, random.randint(20, 81), p=weights)]
        texts.append(" ".join(words))
        for _ in range(2):
            edited = words.copy()
            edits = random.rand(len(words)) < random.choice([0, 0.02, 0.05, 0.1, 0.5])
            edited[edits] = vocabulary[random.choice(4000, edits.sum(), p=weights)]
            texts.append(" ".join(edited).upper())
    return [texts[i] for i in random.permutation(3000)]


@pytest.mark.parametrize("threshold", [0.5, 0.7, 0.8])
def test_edges_are_those_of_brute_force_but_for_what_the_bands_miss(documents, threshold):
    made = sketcher(threshold)
    edges, found = run(made, documents, threshold)
    true = brute_force(documents, 3, threshold)
    assert len(true) > 300
    kinds = {}
    for row, text in enumerate(documents):
        kinds.setdefault(text.lower(), []).append(row)
    copies = {(rows[0], row): 1.0 for rows in kinds.values() for row in rows[1:]}
    assert found.copies == len(copies) > 100
    assert {pair: s for pair, s in edges.items() if pair in copies} == copies

    # Copies hang on the first of their kind only.
    copied = {row for _, row in copies}
    open_pairs = {pair: s for pair, s in true.items() if not copied & {*pair}}
    others = {pair: s for pair, s in edges.items() if pair not in copies}
    assert others.items() <= open_pairs.items()
    chances = [catch_probability(s, made.bands, made.rows) for s in open_pairs.values()]
    spread = sum(p * (1 - p) for p in chances) ** 0.5
    assert len(others) >= sum(chances) - SIGMAS * spread - 1
    assert len(others) / len(open_pairs) > 0.985


def planted(similarity, pairs, union=100):
    """Texts whose words are all their own but for those of their pair: rows 2i and 2i + 1 are so alike."""
    common = round(union * similarity)
    own = (union - common) // 2
    numbers = iter(range(10**9))
    texts = []
    for _ in range(pairs):
        words = [f"w{next(numbers)}" for _ in range(common)]
        texts += [" ".join(words + [f"w{next(numbers)}" for _ in range(own)]) for _ in range(2)]
    assert common + 2 * own == union
    return texts


@pytest.mark.parametrize("similarity", [0.5, 0.6, 0.7, 0.8, 0.9])
@pytest.mark.parametrize(("bands", "rows"), [(9, 13), (20, 7), (25, 4)])
def test_planted_pairs_are_compared_with_the_probability_of_the_s_curve(similarity, bands, rows):
    made = Sketcher(unit="words", shingle=1, ignore=(), bands=bands, rows=rows, seed=3)
    texts = pl.Series(planted(similarity, 2000))
    sketches = made.sketch(texts)
    pairs = set(candidate_pairs(sketches.bands, sketches.units, lambda pairs: pairs).tolist())
    even = np.arange(0, 4000, 2)
    caught = len(pairs & set(packed(even, even + 1).tolist()))
    chance = catch_probability(similarity, bands, rows)
    assert abs(caught - 2000 * chance) <= SIGMAS * (2000 * chance * (1 - chance)) ** 0.5 + 0.5


@pytest.mark.parametrize("similarity", [0.5, 0.7, 0.8, 0.9])
def test_bits_differ_as_often_as_similarity_says_and_rule_no_pair_at_the_threshold_out(similarity):
    made = Sketcher(unit="words", shingle=1, ignore=(), bands=32, rows=4, seed=3)
    bits = made.sketch(pl.Series(planted(similarity, 2000))).bits
    apart = np.array([[int(x).bit_count() for x in row] for row in bits[:, ::2] ^ bits[:, 1::2]]).sum(axis=0)
    differs = (1 - similarity) / 2
    # A mean of 128 bits of 2,000 pairs, whose permutations are the same: bits of a pair are independent of another's.
    assert abs(apart.mean() - 128 * differs) <= SIGMAS * (128 * differs * (1 - differs) / 2000) ** 0.5
    assert (apart > bits_apart(similarity, 128, 1e-5)).sum() <= 2


def test_the_recall_at_the_threshold_is_what_was_asked():
    for threshold in (0.7, 0.8):
        edges, found = run(sketcher(threshold, shingle=1), planted(threshold, 2000), threshold)
        assert set(edges) <= {(row, row + 1) for row in range(0, 4000, 2)}
        assert set(edges.values()) == {threshold}
        assert len(edges) >= 2000 * 0.99 - SIGMAS * (2000 * 0.99 * 0.01) ** 0.5
        assert found.verified < 2100


@pytest.mark.parametrize("kernels", ["kernels", "numpy_kernels"])
def test_threads_and_chunks_change_nothing(documents, kernels, using, monkeypatch):
    some = documents[:900]
    expected, usual = run(sketcher(), some, 0.7, chunk=900)
    monkeypatch.setattr(verify, "SHINGLES_AT_ONCE", 1000)
    with using(kernels):
        for threads, chunk in [(1, 7), (2, 100), (4, 333)]:
            monkeypatch.setattr("instructkit.minhash.threads.pl.thread_pool_size", lambda threads=threads: threads)
            edges, found = run(sketcher(), some, 0.7, chunk=chunk)
            assert list(edges.items()) == list(expected.items())
            assert found[1:] == usual[1:]


def test_the_order_of_the_rows_changes_no_cluster(documents):
    some = documents[:900]
    order = np.random.RandomState(0).permutation(900)
    groups = []
    for rows in (np.arange(900), order):
        _, found = run(sketcher(), [some[r] for r in rows], 0.7)
        members = clusters(found.edges)
        cluster = {}
        for row, first in zip(members.row.tolist(), members.cluster.tolist(), strict=True):
            cluster.setdefault(first, set()).add(int(rows[row]))
        groups.append({frozenset(c) for c in cluster.values()})
    assert groups[0] == groups[1]


def test_absent_rows_are_like_nobody():
    texts = ["the moon pulls the sea", None, "the moon pulls the sea", "", "the moon pulls the sea", None, ""]
    edges, found = run(sketcher(), texts, 0.7, absent=np.array([0, 1, 5]))
    assert edges == {(2, 4): 1.0, (3, 6): 1.0}
    assert found.copies == 2
    assert run(sketcher(), texts, 0.7, absent=np.arange(7))[0] == {}


def test_no_rows_and_one_row_have_no_edges():
    for texts in (["the moon"], [""], [None]):
        assert run(sketcher(), texts, 0.7)[0] == {}
    made = sketcher()
    nothing = made.sketch(pl.Series([], dtype=pl.String))
    found = near_duplicates(made, Standing(*nothing[:3]), nothing.bands, lambda rows: [], 0.7)
    assert (len(found.edges.left), found.copies, found.verified) == (0, 0, 0)


def test_100_000_copies_are_joined_to_the_first_and_none_is_compared():
    edges, found = run(sketcher(), ["The moon pulls the sea, and the sea comes in."] * 100_000, 0.8, chunk=30_000)
    assert edges == {(0, row): 1.0 for row in range(1, 100_000)}
    assert found.copies == 99_999
    assert found.verified == 0


def test_20_000_texts_in_one_bucket_are_joined_by_work_in_their_number():
    # A licence on top of every text: all are alike, and each band holds nearly all of them in one bucket.
    licence = " ".join(f"clause{i}" for i in range(60))
    texts = [f"{licence} file {i}" for i in range(20_000)]
    made = sketcher(0.8, ignore=())
    _, found = run(made, texts, 0.8, chunk=5000)
    assert found.verified == len(found.edges.left) < 20_000 * (HUBS + NEIGHBOURS) * 3
    members = clusters(found.edges)
    assert len(members.row) == 20_000
    assert not members.cluster.any()


def test_one_bucket_of_unlike_texts_gives_no_edge_and_little_work():
    made = sketcher(0.8, shingle=1, ignore=())
    texts = pl.Series([f"a{i} b{i} c{i} d{i}" for i in range(20_000)])
    sketches = made.sketch(texts)
    asked = []
    found = near_duplicates(
        made,
        Standing(sketches.units, sketches.fingerprints, sketches.bits),
        [np.zeros(20_000, np.uint64)] * 3,
        lambda rows: asked.append(rows) or [(rows, made.shingle_sets(texts.gather(rows)))],
        0.8,
    )
    assert len(found.edges.left) == 0
    assert found.verified < 200  # the bits rule the others out, without a look at the texts
    assert sum(map(len, asked)) < 400


def test_rows_in_one_bucket_only_by_chance_are_not_joined():
    pairs = candidate_pairs([np.zeros(ALL_PAIRS_UP_TO, np.uint64)], np.ones(ALL_PAIRS_UP_TO, np.uint32), lambda p: p)
    left, right = unpacked(pairs)
    made = sketcher(0.8, shingle=1, ignore=())
    texts = pl.Series([f"a{i} b c d e f g" for i in range(ALL_PAIRS_UP_TO)])
    with verify.Spool(np.arange(ALL_PAIRS_UP_TO)) as spool:
        spool.add(np.arange(ALL_PAIRS_UP_TO), made.shingle_sets(texts))
        assert len(spool.verified(pairs, 0.76).left) == 0
        assert len(spool.verified(pairs, 0.75).left) == len(left) == len(right)


def test_more_rows_than_a_pair_can_name_are_refused(monkeypatch):
    monkeypatch.setattr(duplicates, "MOST_ROWS", 2)
    kinds(np.zeros((2, 2), dtype=np.uint64), NOBODY)
    with pytest.raises(StageError, match="3 rows, expected 2 at most"):
        kinds(np.zeros((2, 3), dtype=np.uint64), NOBODY)
