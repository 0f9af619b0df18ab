"""The kernels in NumPy and the compiled ones give the same bytes."""

import hypothesis.strategies as st
import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings

from instructkit.minhash import numpy_kernels
from instructkit.minhash.constants import CHUNK
from instructkit.minhash.sketcher import Sketcher

kernels = pytest.importorskip("instructkit.minhash.kernels", reason="numba is not installed", exc_type=ImportError)

BOTH = ("kernels", "numpy_kernels")


@pytest.fixture(scope="module")
def same(using):
    """Asserts that all that a sketcher makes of texts is the same bytes from both."""

    def same(sketcher, texts):
        texts = pl.Series(texts, dtype=pl.String)
        made = []
        for name in BOTH:
            with using(name):
                made.append(
                    [
                        *sketcher.sketch(texts),
                        sketcher.signatures(texts),
                        *sketcher.shingle_sets(texts),
                        *sketcher.shingle_runs(texts),
                    ]
                )
        for one, other in zip(*made, strict=True):
            assert one.dtype == other.dtype
            assert one.shape == other.shape
            assert one.tobytes() == other.tobytes()

    return same


@given(data=st.data())
@settings(max_examples=150)
def test_sketches_are_the_same(data, any_texts, sketchers, same):
    same(data.draw(sketchers), data.draw(st.lists(any_texts, max_size=12)))


@pytest.mark.parametrize("unit", ["words", "characters"])
def test_every_choice_of_what_to_ignore_is_the_same(unit, ignorables, any_texts, same):
    examples = []

    @given(st.lists(any_texts, min_size=20, max_size=20))
    @settings(max_examples=12, derandomize=True, database=None)
    def gather(some):
        examples.extend(some)

    gather()
    for ignore in ignorables:
        same(Sketcher(unit=unit, shingle=2, ignore=ignore, bands=3, rows=2, seed=1), examples)


@given(
    sketchers=st.data(),
    piece=st.sampled_from(["x", "é", "ab ", "a-", "-", " ", "12", "月", "😀", "e\u0301", "\u0301", ". ", "\U00020000"]),
    before=st.integers(-9, 9),
    end=st.sampled_from(["", "y", "-", "-z", " z", "3", "\u0301", "月"]),
    fill=st.sampled_from(["a ", "word", "  ", "1", "é-"]),
)
@settings(max_examples=80)
def test_units_across_a_chunk_are_the_same(sketchers, piece, before, end, fill, request, same):
    sketcher = sketchers.draw(request.getfixturevalue("sketchers"))
    head = (fill * CHUNK)[: CHUNK // len(fill.encode()) + before]
    same(sketcher, [head + piece * 3 + end, "tide", head[:-1] + end + piece + fill * CHUNK])


@pytest.mark.parametrize("shingle", [1, 2, 7, 100])
def test_texts_beyond_what_is_taken_at_once_are_the_same(shingle, same, monkeypatch):
    monkeypatch.setattr(numpy_kernels, "BYTES_AT_ONCE", 700)
    words = [f"w{i * i % 83}" for i in range(1500)]
    texts = [" ".join(words[i : i * 3]) for i in range(0, 400, 7)] + ["", None, "..."] * 20 + [" ".join(words)]
    for unit in ("words", "characters"):
        same(Sketcher(unit=unit, shingle=shingle, ignore=("punctuation",), bands=4, rows=2, seed=3), texts)


def test_no_text_and_only_empty_texts_are_the_same(same):
    sketcher = Sketcher(unit="words", shingle=5, ignore=(), bands=2, rows=2, seed=0)
    for texts in ([], [""], [None], ["", None, ""]):
        same(sketcher, texts)


@given(data=st.data(), words=st.integers(1, 2), rows=st.integers(1, 20))
def test_plausible_pairs_are_the_same(data, words, rows):
    numbers = st.integers(0, 2**64 - 1)
    bits = np.array(data.draw(st.lists(numbers, min_size=words * rows, max_size=words * rows)), np.uint64)
    bits = bits.reshape(words, rows)
    pairs = data.draw(st.lists(st.tuples(st.integers(0, rows - 1), st.integers(0, rows - 1))))
    left, right = np.array(pairs, np.int64).reshape(-1, 2).T.copy()
    most = data.draw(st.integers(-1, 128))
    expected = [sum((int(bits[k, a]) ^ int(bits[k, b])).bit_count() for k in range(words)) <= most for a, b in pairs]
    for module in (kernels, numpy_kernels):
        result = np.empty(len(pairs), np.bool_)
        module.plausible(bits, left, right, most, result)
        assert result.tolist() == expected


@given(data=st.data())
def test_shared_shingles_are_the_same(data):
    sets = data.draw(st.lists(st.lists(st.integers(0, 40), unique=True), min_size=1, max_size=8))
    rows = st.integers(0, len(sets) - 1)
    pairs = data.draw(st.lists(st.tuples(rows, rows)))
    threshold = data.draw(st.floats(0, 1))
    ends = np.cumsum([len(s) for s in sets])
    starts = ends - [len(s) for s in sets]
    hashes = np.array([h for s in sets for h in s], np.uint64)
    hashes.flags.writeable = False
    left, right = np.array(pairs, np.int64).reshape(-1, 2).T.copy()
    made = []
    for module in (kernels, numpy_kernels):
        made.append(np.empty(len(pairs), np.int64))
        module.shared(hashes, starts, ends, left, right, threshold, made[-1])
    assert made[0].tolist() == made[1].tolist()
    for (a, b), count in zip(pairs, made[0], strict=True):
        both, either = len({*sets[a]} & {*sets[b]}), len({*sets[a]} | {*sets[b]})
        assert count in (both, -1)
        assert count == both or both < threshold * either


@given(data=st.data(), count=st.integers(1, 40))
def test_unions_are_the_same(data, count):
    members = st.integers(0, count - 1)
    left, right = np.array(data.draw(st.lists(st.tuples(members, members))), np.int64).reshape(-1, 2).T.copy()
    half = len(left) // 2
    made = []
    for module in (kernels, numpy_kernels):
        parents = np.arange(count, dtype=np.int64)
        module.join(parents, left[:half], right[:half])
        module.join(parents, left[half:], right[half:])  # a union goes on where the last one ended
        made.append(parents.tolist())
    assert made[0] == made[1]


def test_a_chain_in_the_worst_order_is_one_set():
    count = 3000
    order = np.random.RandomState(0).permutation(count - 1)
    for module in (kernels, numpy_kernels):
        for left in (np.arange(count - 1), np.arange(count - 1)[::-1].copy(), order):
            parents = np.arange(count)
            module.join(parents, left, left + 1)
            assert not parents.any()


@given(st.lists(st.sampled_from([b"\n", b"\n", b"\r\n", b" ", b"\t", b"\x00", b"a", b'{"text": "sea"}', "é".encode()])))
def test_line_starts_are_the_same(pieces):
    text = b"".join(pieces)
    data = np.frombuffer(text, np.uint8)
    lines = text.split(b"\n")
    expected = [sum(len(line) + 1 for line in lines[:i]) for i, line in enumerate(lines) if any(c > 32 for c in line)]
    for module in (kernels, numpy_kernels):
        starts = np.empty(len(text) // 2 + 1, np.uint32)
        count = module.line_starts(data, data[: len(data) // 8 * 8].view(np.uint64), starts)
        assert starts[:count].tolist() == expected


@given(
    keys=st.sets(st.integers(0, 2**64 - 1), max_size=200),
    others=st.lists(st.integers(0, 2**64 - 1), max_size=200),
    width=st.integers(1, 12),
)
@settings(max_examples=60)
def test_what_is_looked_up_is_what_is_there(keys, others, width):
    known = np.array(sorted(keys), dtype=np.uint64)
    hashes = np.array([*others, *list(keys)[::2]], dtype=np.uint64)
    seen = np.zeros(max(2 ** (width + 2) // 64, 1), dtype=np.uint64)
    for key in keys:
        place = key >> (64 - width - 2)
        seen[place // 64] |= np.uint64(1) << np.uint64(place % 64)
    starts = np.searchsorted(known, np.arange(2**width, dtype=np.uint64) << np.uint64(64 - width))
    starts = np.append(starts, len(known)).astype(np.int64)
    expected = [(at, int(np.searchsorted(known, h))) for at, h in enumerate(hashes) if int(h) in keys]
    for module in (kernels, numpy_kernels):
        places, found = np.empty(len(hashes), dtype=np.int64), np.empty(len(hashes), dtype=np.int64)
        count = module.look_up(hashes, known, seen, 64 - width - 2, starts, 64 - width, places, found)
        assert list(zip(places[:count].tolist(), found[:count].tolist(), strict=True)) == expected
