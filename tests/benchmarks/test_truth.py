"""The true pairs are all pairs, and no others: compared with brute force."""

import string
from itertools import combinations

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.dedupe.truth import CUTS, cached_pairs, true_pairs
from instructkit.text.normalise import normalised
from instructkit.text.words import runs

BY_HAND = {
    "white space": lambda text: text.lower().split(),
    "gaoya": lambda text: text.lower().translate(str.maketrans(dict.fromkeys(string.punctuation, " "))).split(),
    "instructkit": lambda text: (
        pl.DataFrame({"t": [text]})
        .select(runs(normalised(pl.col("t"), ("case", "punctuation", "whitespace"))))
        .item()
        .to_list()
    ),
}


def shingles(text, cut):
    words = BY_HAND[cut](text)
    if len(words) < 5:
        return {tuple(words)} if words else {text.lower()}
    return {tuple(words[i : i + 5]) for i in range(len(words) - 4)}


def brute_force(texts, cut, threshold):
    sets = [shingles(text, cut) for text in texts]
    pairs = {(a, b): len(sets[a] & sets[b]) / len(sets[a] | sets[b]) for a, b in combinations(range(len(sets)), 2)}
    return {pair: similarity for pair, similarity in pairs.items() if similarity >= threshold}


def found(texts, cut, threshold):
    pairs = true_pairs(pl.Series(texts, dtype=pl.String), cut, threshold)
    return {(a, b): similarity for a, b, similarity in pairs.iter_rows()}


def test_every_way_to_cut_words_is_tested_here():
    assert set(BY_HAND) == set(CUTS)


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("threshold", [0.5, 0.7, 0.8])
def test_the_pairs_of_real_texts_are_those_of_brute_force(planted, cut, threshold):
    texts = pl.read_ndjson(planted.path)["text"].to_list()
    expected = brute_force(texts, cut, threshold)
    assert len(expected) > 10
    assert found(texts, cut, threshold) == expected


# Few words in short texts: shingles recur within and across texts, in every order, and similarities meet thresholds.
TEXTS = st.lists(st.lists(st.sampled_from("ab"), max_size=14).map(" ".join), max_size=14)


@settings(max_examples=200)
@given(TEXTS, st.sampled_from([0.3, 0.5, 2 / 3, 0.7, 0.8, 1.0]))
def test_the_pairs_of_texts_of_few_words_are_those_of_brute_force(texts, threshold):
    assert found(texts, "white space", threshold) == brute_force(texts, "white space", threshold)


def test_pairs_across_blocks_are_found(planted, monkeypatch):
    texts = pl.read_ndjson(planted.path)["text"]
    whole = true_pairs(texts, "white space", 0.7)
    monkeypatch.setattr("benchmarks.dedupe.truth.BLOCK", 7)
    assert true_pairs(texts, "white space", 0.7).equals(whole)


def test_the_truth_is_computed_once(planted, tmp_path):
    first = cached_pairs(planted.path, planted.digest, "white space", 0.7, tmp_path)
    assert len(first)
    first.head(1).write_parquet(next(tmp_path.iterdir()))
    assert len(cached_pairs(planted.path, planted.digest, "white space", 0.7, tmp_path)) == 1
    assert len(cached_pairs(planted.path, planted.digest, "white space", 0.8, tmp_path)) > 1
