import pytest
from hypothesis import given
from hypothesis import strategies as st

from instructkit.evaluate.metrics.overlap import (
    common_subsequence,
    edit_similarity,
    item_overlap,
    rouge_l,
    rouge_n,
    token_f1,
)


def by_table(a, b):
    """Length of the longest common subsequence as textbooks fill it in."""
    row = [0] * (len(b) + 1)
    for x in a:
        diagonal = 0
        for j, y in enumerate(b, 1):
            diagonal, row[j] = row[j], diagonal + 1 if x == y else max(row[j], row[j - 1])
    return row[-1]


@given(st.text("abc", max_size=30), st.text("abc", max_size=30))
def test_the_common_subsequence_is_the_longest(a, b):
    assert common_subsequence(a, b) == by_table(a, b)


def test_rouge_has_the_values_of_the_reference_package():
    # The examples in the tests and the page of rouge-score 0.1.2.
    assert rouge_n("testing", "testing one two", 1) == pytest.approx(1 / 2)
    assert rouge_n("testing two", "testing one two", 1) == pytest.approx(4 / 5)
    assert rouge_n("testing one", "testing one two", 2) == pytest.approx(2 / 3)
    assert rouge_l("testing two", "testing one two") == pytest.approx(4 / 5)
    fox, dog = "The quick brown fox jumps over the lazy dog", "The quick brown dog jumps on the log."
    assert rouge_n(dog, fox, 1) == pytest.approx(2 * (6 / 8) * (6 / 9) / (6 / 8 + 6 / 9))
    assert rouge_l(dog, fox) == pytest.approx(2 * (5 / 8) * (5 / 9) / (5 / 8 + 5 / 9))


def test_chinese_is_compared_by_character():
    assert rouge_l("月亮引起潮汐", "月亮引起了潮汐") == pytest.approx(2 * 6 / 13)


@pytest.mark.parametrize("score", [rouge_l, token_f1, edit_similarity])
def test_nothing_is_like_nothing_but_nothing(score):
    assert score("", "something") == 0
    assert score("!", "something") == 0


def test_token_f1_is_that_of_squad():
    assert token_f1("the cat", "a cat sat") == pytest.approx(2 / 3)
    assert token_f1("?", "?") == 1  # nothing is left of either, and they are the same
    assert token_f1("?", "!") == 0


def test_edits_are_counted_by_character():
    assert edit_similarity("abcd", "abxd") == pytest.approx(3 / 4)
    assert edit_similarity("", "") == 1


def test_items_count_once_each():
    assert item_overlap("tides, tides, moon", "moon, tides") == (4, 5)
    assert item_overlap("", "moon") == (0, 1)
