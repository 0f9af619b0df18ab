"""The corpus of the comparison: real texts, with copies edited as much as is said."""

import re

import orjson
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.dedupe.planted import COPIES, LEAST, MOST, edited, plant

WORDS = st.lists(st.text("abcdefgh", min_size=1, max_size=4), min_size=1, max_size=60)


def records(path):
    return [orjson.loads(line) for line in path.read_bytes().splitlines()]


def test_the_corpus_is_the_same_at_every_call(pieces, planted, tmp_path):
    again = plant(pieces, len(planted.ids), tmp_path / "again.jsonl")
    assert again.digest == planted.digest
    assert again.copies == planted.copies


def test_all_but_the_copies_are_pieces_as_they_were(pieces, planted):
    rows = records(planted.path)
    copies = {copy for copy, _ in planted.copies}
    assert len(rows) == len(planted.ids) == len(set(planted.ids))
    assert [row["id"] for row in rows] == planted.ids
    assert len(copies) == round(COPIES * len(rows))
    originals = {row["text"] for place, row in enumerate(rows) if place not in copies}
    assert originals == set(pieces[: len(rows) - len(copies)])


def test_a_copy_is_neither_what_it_was_made_of_nor_far_from_it(planted):
    texts = [row["text"] for row in records(planted.path)]
    for copy, source in planted.copies:
        assert texts[copy] != texts[source]
        assert abs(len(texts[copy].split()) / len(texts[source].split()) - 1) <= MOST + 0.01


def test_copies_stand_before_and_behind_what_they_were_made_of(planted):
    before = sum(copy < source for copy, source in planted.copies)
    assert len(planted.copies) / 4 < before < len(planted.copies) * 3 / 4


def test_planted_pairs_are_marked_whichever_stands_first(planted):
    copy, source = planted.copies[0]
    pair = pl.DataFrame({"a": [min(copy, source)], "b": [max(copy, source)]})
    assert planted.mark(pair)["planted"].to_list() == [True]
    others = {(a, b) for a in range(20) for b in range(a + 1, 20)} - {tuple(sorted(p)) for p in planted.copies}
    unmarked = planted.mark(pl.DataFrame(sorted(others), schema={"a": pl.Int64, "b": pl.Int64}, orient="row"))
    assert not unmarked["planted"].any()


def test_too_few_pieces_are_refused(tmp_path):
    with pytest.raises(ValueError, match="100 documents need 88 pieces, found 2"):
        plant(["a", "b"], 100, tmp_path / "corpus.jsonl")


@given(WORDS, WORDS, st.integers(0, 10_000))
def test_no_more_words_are_edited_than_said(words, donor, copy):
    # Each word of the text occurs once, so that what is gone and what is new can be counted.
    words = [f"{i}{word}" for i, word in enumerate(words)]
    most = max(1, round(MOST * len(words)) + 1)
    new = edited("  ".join(words), " ".join(donor), copy).split()
    assert len(set(words) - set(new)) <= most
    assert len([word for word in new if word not in words]) <= most
    assert [word for word in new if word in words] == [word for word in words if word in new]


def test_the_shares_of_edits_go_from_the_least_to_the_most():
    words = [f"w{i}" for i in range(1000)]
    changed = []
    for copy in range(300):
        new = edited(" ".join(words), " ".join(["new"] * 1000), copy).split()
        changed.append(max(len(set(words) - set(new)), new.count("new")) / len(words))
    assert min(changed) < LEAST + 0.02
    assert max(changed) > MOST - 0.02
    assert max(changed) <= MOST + 0.001


def test_words_that_stay_keep_the_space_in_front_of_them():
    text = "".join(f"\n\n    word{i}" if i % 3 else f"\tword{i}" for i in range(50))
    for copy in range(20):
        kept = re.findall(r"\s+word\d+", edited(text, "x y z", copy))
        assert len(kept) >= 40
        assert set(kept) <= set(re.findall(r"\s+word\d+", text))
