"""What an n-gram weighs, what a template says itself, and the words of a text."""

import hypothesis.strategies as st
import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings

from benchmarks.decontaminate.planted import library_paragraphs, plant
from instructkit.contamination import matches
from instructkit.contamination.find import find
from instructkit.contamination.index import Index
from instructkit.contamination.literals import literal_texts
from instructkit.contamination.matches import Void
from instructkit.contamination.rarity import weights
from instructkit.contamination.spans import holds, spans_of
from instructkit.minhash import numpy_kernels
from instructkit.minhash.sketcher import Sketcher
from instructkit.templates.library import library_folder, load_template

TEMPLATE = "Below stands a sentence that a careful reader should turn into a question about its subject."


def test_a_weight_falls_from_one_to_nothing(evaluation):
    index = Index.of(evaluation(("one two three four five", None)))
    falling = [weights(index, np.array([groups]), 100_000, 0.002)[0] for groups in (0, 1, 2, 20, 199, 200, 5_000)]
    assert falling[:2] == [1, 1]
    assert falling == sorted(falling, reverse=True)
    assert falling[-3] > 0
    assert falling[-2:] == [0, 0]
    # Of a small corpus a share is a handful: 20 groups are the least that count as common.
    assert weights(index, np.array([19]), 50, 0.002)[0] > 0
    assert weights(index, np.array([20]), 50, 0.002)[0] == 0


def test_what_a_template_says_itself_is_no_contamination_and_hides_none(evaluation):
    rows = [
        (f"{TEMPLATE} Tides.", None),
        (f"{TEMPLATE} The seven harbours of the northern coast freeze in January.", None),
    ]
    index = Index.of(evaluation(*rows))
    turns = pl.Series([[f"{TEMPLATE} Ships."], [rows[1][0]], [f"{TEMPLATE} Tides are late."]])
    groups = pl.Series(["a", "b", "c"])
    of_template = Void.of(np.zeros(3, dtype=np.int64), [index.numbers(pl.Series([TEMPLATE]))], len(index.grams))
    assert set(find(index, turns, groups)["record"]) == {0, 1, 2}
    assert find(index, turns, groups, void=of_template).select("record", "row").rows() == [(1, 1)]
    of_none = Void.of(np.full(3, -1, dtype=np.int64), [index.numbers(pl.Series([TEMPLATE]))], len(index.grams))
    assert find(index, turns, groups, void=of_none).equals(find(index, turns, groups))


def test_the_literal_texts_of_a_template_are_those_of_that_very_version(tmp_path):
    folder = library_folder()
    template = load_template("summarization/one_sentence", folder, [folder])
    texts = literal_texts(template.name, template.hash, tmp_path)
    assert any("sentence" in text for text in texts)
    assert not any("{{" in text for text in texts)
    assert literal_texts(template.name, "another", tmp_path) == ()
    assert literal_texts("no/such", template.hash, tmp_path) == ()


@pytest.mark.parametrize("at_once", [1, 40])
def test_how_much_is_looked_at_together_changes_nothing(evaluation, monkeypatch, at_once):
    words = [f"w{n}" for n in range(400)]
    rows = [(" ".join(words[at : at + 30]), " ".join(words[at + 20 : at + 60])) for at in range(0, 300, 25)]
    records = pl.Series([[" ".join(words[at : at + 50])] for at in range(0, 350, 10)])
    index, groups = Index.of(evaluation(*rows)), pl.Series(range(len(records)))
    whole = find(index, records, groups)
    monkeypatch.setattr(matches, "PLACES_AT_ONCE", at_once)
    assert find(index, records, groups).equals(whole)
    assert whole.height > 10


@given(data=st.data())
@settings(max_examples=60)
def test_the_order_of_records_and_rows_changes_nothing(evaluation, data):
    words = st.sampled_from(["tide", "moon", "sea", "salt", "rope"])
    texts = st.lists(words, min_size=4, max_size=40).map(" ".join)
    rows = data.draw(st.lists(st.tuples(texts, texts), min_size=1, max_size=5))
    records = data.draw(st.lists(st.lists(texts, min_size=1, max_size=3), min_size=1, max_size=6))
    order = data.draw(st.permutations(range(len(records))))

    def named(some, numbers):
        index = Index.of(evaluation(*some), 3)
        frame = find(index, pl.Series([records[n] for n in numbers]), pl.Series([str(n) for n in numbers]))
        found = frame.select("record", "row", "part", "score").iter_rows()
        return sorted((numbers[record], some[row], part, round(score, 9)) for record, row, part, score in found)

    assert named(rows, list(range(len(records)))) == named(rows, order)


@given(
    pieces=st.lists(
        st.sampled_from(
            [*"aabB  \n,.!'-—。12", "tide", "a-b", "1-2", "月", "亮", "é", "e\u0301", "\u0301", "ก", "x²", "😀"]
        ),
        max_size=30,
    ),
    more=st.sampled_from([(), ("digits",), ("diacritics",)]),
)
@settings(max_examples=150)
def test_words_with_places_are_the_words_that_are_hashed(pieces, more):
    text = "".join(pieces)
    ignore = ("case", "punctuation", "whitespace", *more)
    sketcher = Sketcher(unit="words", shingle=2, ignore=ignore, bands=1, rows=1, seed=0)
    spans = spans_of(sketcher, text)
    assert len(spans.words) == len(spans.starts) == len(spans.ends) == sketcher.shingle_runs(pl.Series([text])).units[0]
    assert all(start < end for start, end in zip(spans.starts, spans.ends, strict=True))
    if more == ("diacritics",):
        return  # a hyphen before a mark that does not count is one between letters without it
    again = sketcher.shingle_runs(pl.Series([" ".join(spans.words)]))
    assert again.hashes.tolist() == sketcher.shingle_runs(pl.Series([text])).hashes.tolist()
    if not more:
        assert [spans.text[a:b].lower() for a, b in zip(spans.starts, spans.ends, strict=True)] == spans.words


def test_a_run_of_words_is_held_whole():
    assert holds(["a", "b", "c"], ["b", "c"])
    assert not holds(["a", "b", "c"], ["a", "c"])
    assert not holds([], ["a"])


@pytest.fixture
def in_numpy(monkeypatch):
    """Makes the engine run on the kernels in NumPy from here on."""

    def switch():
        for module in ("instructkit.contamination.index", "instructkit.contamination.matches"):
            monkeypatch.setattr(f"{module}.kernels", lambda: numpy_kernels)

    return switch


@given(data=st.data())
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_kernels_in_numpy_find_the_same(evaluation, monkeypatch, data):
    words = st.sampled_from(["tide", "moon", "sea", "salt", "rope"])
    texts = st.lists(words, min_size=1, max_size=40).map(" ".join)
    rows = data.draw(st.lists(st.tuples(texts, texts), max_size=5))
    turns = pl.Series(data.draw(st.lists(st.lists(texts, max_size=3), max_size=6)), dtype=pl.List(pl.String))
    own = data.draw(st.lists(texts, max_size=2))
    index = Index.of(evaluation(*rows), data.draw(st.integers(1, 5)))
    template = np.array([n % (len(own) + 1) - 1 for n in range(len(turns))], dtype=np.int64)
    void = Void.of(template, [index.numbers(pl.Series([text])) for text in own], len(index.grams))
    weighed = np.array([data.draw(st.sampled_from([0.0, 0.3, 1.0])) for _ in index.grams])
    hits = index.hits(turns)
    for given_void in (None, void):
        monkeypatch.undo()
        compiled = matches.matches(index, hits, weighed, 0.8, given_void)
        monkeypatch.setattr(matches, "kernels", lambda: numpy_kernels)
        assert matches.matches(index, hits, weighed, 0.8, given_void).equals(compiled)


def test_the_kernels_in_numpy_find_the_same_planted_rows(in_numpy):
    planted = plant(library_paragraphs(), rows=60, clean=200)

    def found():
        return find(Index.of(planted.evaluation), planted.turns, planted.groups)

    compiled = found()
    in_numpy()
    assert found().equals(compiled)
    assert compiled.height >= 60


@given(data=st.data())
@settings(max_examples=60)
def test_every_segment_of_which_enough_stands_in_a_record_is_among_the_matches(evaluation, data):
    """Against plain Python: the weight of the words under shared n-grams, where all of them lie near one another."""
    words = st.sampled_from(["tide", "moon", "sea", "salt", "rope", "mast"])
    texts = st.lists(words, min_size=1, max_size=12)
    segment, record, size = data.draw(texts), data.draw(texts), data.draw(st.integers(1, 3))
    index = Index.of(evaluation((" ".join(segment), None)), size)
    weighed = np.array([data.draw(st.sampled_from([0.0, 0.2, 1.0])) for _ in index.grams])
    turns = pl.Series([[" ".join(record)]])
    hits = index.hits(turns)
    if len(segment) < size:
        return
    weight, found = np.zeros(len(segment)), np.zeros(len(segment))
    runs = {tuple(record[at : at + size]) for at in range(len(record) - size + 1)}
    for at in range(len(segment) - size + 1):
        mine = weighed[index.sequence[at]]
        weight[at : at + size] = np.maximum(weight[at : at + size], mine)
        if tuple(segment[at : at + size]) in runs:
            found[at : at + size] = np.maximum(found[at : at + size], mine)
    made = matches.matches(index, hits, weighed, 0.8).rows(named=True)
    if len(record) > 2 * len(segment) + matches.SLACK or abs(found.sum() - 0.4 * weight.sum()) < 1e-9 < weight.sum():
        return
    if found.sum() == 0 or found.sum() < 0.4 * weight.sum():
        assert made == []
    else:
        assert [(row["found"], row["weight"], row["words"]) for row in made] == [
            (pytest.approx(found.sum()), pytest.approx(weight.sum()), (found > 0).sum())
        ]
