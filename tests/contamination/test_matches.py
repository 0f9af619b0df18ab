"""What an n-gram weighs, what a template says itself, and the words of a text."""

import hypothesis.strategies as st
import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings

from instructkit.contamination import matches
from instructkit.contamination.find import find
from instructkit.contamination.index import Index
from instructkit.contamination.literals import literal_texts
from instructkit.contamination.matches import Void
from instructkit.contamination.rarity import weights
from instructkit.contamination.spans import holds, spans_of
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
    st.lists(
        st.sampled_from([*"aabB  \n,.!'-—。", "tide", "a-b", "1-2", "月", "亮", "é", "e\u0301", "ก", "x²", "😀"]),
        max_size=30,
    )
)
def test_words_with_places_are_the_words_that_are_hashed(pieces):
    text = "".join(pieces)
    sketcher = Sketcher(unit="words", shingle=2, ignore=("case", "punctuation", "whitespace"), bands=1, rows=1, seed=0)
    spans = spans_of(sketcher, text)
    assert len(spans.words) == sketcher.shingle_runs(pl.Series([text])).units[0]
    again = sketcher.shingle_runs(pl.Series([" ".join(spans.words)]))
    assert again.hashes.tolist() == sketcher.shingle_runs(pl.Series([text])).hashes.tolist()
    for word, start, end in zip(spans.words, spans.starts, spans.ends, strict=True):
        assert spans.text[start:end].lower() == word


def test_a_run_of_words_is_held_whole():
    assert holds(["a", "b", "c"], ["b", "c"])
    assert not holds(["a", "b", "c"], ["a", "c"])
    assert not holds([], ["a"])
