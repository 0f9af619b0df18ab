"""The index knows where the n-grams of an evaluation stand, as plain Python would count them."""

import hypothesis.strategies as st
import polars as pl
from hypothesis import given, settings

from instructkit.contamination.index import Index

WORDS = st.sampled_from(["tide", "moon", "sea", "salt", "rope", "mast", "wind", "sail", "7", "12"])
TEXTS = st.lists(WORDS, max_size=12).map(" ".join)


def n_grams(text, size):
    """(place, n-gram) of a text; of one with fewer words all that it has."""
    words = text.split()
    if 0 < len(words) < size:
        return [(0, tuple(words))]
    return [(at, tuple(words[at : at + size])) for at in range(len(words) - size + 1)]


@given(
    rows=st.lists(st.tuples(TEXTS, st.lists(TEXTS, max_size=2), TEXTS), max_size=6),
    records=st.lists(st.lists(TEXTS, max_size=3), max_size=6),
    size=st.integers(1, 4),
)
@settings(max_examples=60)
def test_hits_are_the_n_grams_in_common_with_their_places(evaluation, rows, records, size):
    index = Index.of(evaluation(*rows), size)
    known = {
        gram for prompt, answers, passage in rows for t in (prompt, *answers, passage) for _, gram in n_grams(t, size)
    }
    hits = index.hits(pl.Series(records, dtype=pl.List(pl.String)))
    expected = []
    for number, turns in enumerate(records):
        ahead = 0
        for turn in turns:
            count = len(turn.split())
            expected += [(number, ahead + at, count) for at, gram in n_grams(turn, size) if gram in known]
            ahead += count
    assert list(zip(*(column.tolist() for column in hits[:3]), strict=True)) == expected
    assert len(index.grams) == len(known)


@given(rows=st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=6), size=st.integers(1, 4))
@settings(max_examples=60)
def test_equal_rows_count_once_for_how_common_their_words_are(evaluation, rows, size):
    one, twice = (Index.of(evaluation(*some), size) for some in (rows, [*rows, *rows]))
    assert one.frequency.tolist() == twice.frequency.tolist()
    holders = {tuple(row): {gram for text in row for _, gram in n_grams(text, size)} for row in rows}
    grams = {gram for held in holders.values() for gram in held}
    assert sorted(one.frequency.tolist()) == sorted(sum(gram in held for held in holders.values()) for gram in grams)


def test_a_passage_of_many_questions_is_no_more_common_for_it(evaluation):
    passage = "The moon pulls the sea towards it and the sea follows twice a day."
    index = Index.of(evaluation(*((f"Question {n} about w{n} and v{n}?", None, passage) for n in range(9))))
    assert index.frequency.max() == 1


def test_an_answer_that_stands_in_its_passage_or_prompt_is_an_extract(evaluation):
    passage = "The moon pulls the sea towards it and the sea follows twice a day."
    rows = [
        ("What pulls the sea?", ["The moon pulls the sea towards it", "the sea itself is what pulls"], passage),
        (f"{passage} What follows?", "and the sea follows twice a day", None),
    ]
    uses = Index.of(evaluation(*rows)).uses
    assert uses.filter(part="extract").height == 2
    assert uses.filter(part="answer").height == 1


def test_texts_not_in_nfc_are_the_same_words(evaluation):
    index = Index.of(evaluation(("Où est le café où nous étions hier ?", None)))
    decomposed = pl.Series(["Ou\u0300 est le cafe\u0301 ou\u0300 nous e\u0301tions hier ?"])
    assert len(index.hits(decomposed).gram) == 4
