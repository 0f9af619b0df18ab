"""Rows lie by split in the usual order, and are found again by their place."""

import polars as pl
import pytest

from instructkit.audit.spool import RowSpool


@pytest.fixture
def spool(tmp_path):
    spool = RowSpool(tmp_path)
    splits = ["test", "train", None, "train", "zebra", "test", "train", None]
    frame = pl.DataFrame({"row": range(8), "split": splits, "messages": [[]] * 8, "text": list("abcdefgh")})
    for start in range(0, 8, 3):
        spool.add(frame[start : start + 3])
    return spool


def test_rows_come_split_by_split_in_their_own_order(spool):
    assert spool.splits == ["train", "test", "zebra"]
    assert spool.counts == [3, 2, 1]
    assert [text for chunk in spool.chunks(["text"]) for text in chunk["text"]] == list("bdgafe")


def test_rows_of_no_split_are_counted_and_may_be_given_one(spool):
    assert spool.unsplit == 2
    spool.name_others("all")
    assert (spool.unsplit, spool.splits) == (0, ["train", "test", "all", "zebra"])
    assert [text for chunk in spool.chunks() for text in chunk["text"]] == list("bdgafche")
    assert spool.scan().collect()["split"].to_list() == ["train"] * 3 + ["test"] * 2 + ["all"] * 2 + ["zebra"]


def test_a_row_is_found_by_its_place(spool):
    found = spool.at([5, 1, 1, 3], ["text"])
    assert dict(found.select("place", "text").iter_rows()) == {1: "d", 3: "a", 5: "e"}
    assert spool.at([]).is_empty()


def test_a_scan_has_the_same_places(spool):
    assert spool.scan().select("place", "text").collect().rows() == list(enumerate("bdgafe"))
