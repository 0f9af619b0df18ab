import pytest
from hypothesis import given
from hypothesis import strategies as st

from instructkit.text.shingles import jaccard, shingle_set

units = st.lists(st.sampled_from("abcd"), min_size=0, max_size=12)


@given(units, units, st.integers(1, 5))
def test_similarity_is_that_of_the_sets_of_runs(one, other, size):
    def runs(cut):
        if len(cut) <= size:
            return {("whole", *cut)} if len(cut) < size or not cut else {tuple(cut)}
        return {tuple(cut[i : i + size]) for i in range(len(cut) - size + 1)}

    expected = len(runs(one) & runs(other)) / len(runs(one) | runs(other))
    assert jaccard(shingle_set(one, size, ""), shingle_set(other, size, "")) == pytest.approx(expected)


def test_texts_without_words_are_compared_as_they_are():
    assert jaccard(shingle_set([], 5, "!!!"), shingle_set([], 5, "???")) == 0
    assert jaccard(shingle_set([], 5, "!!!"), shingle_set([], 5, "!!!")) == 1


def test_a_short_text_is_not_taken_for_a_part_of_a_longer_one():
    assert jaccard(shingle_set(["a", "b"], 3, ""), shingle_set(["a", "b", "c"], 3, "")) == 0
