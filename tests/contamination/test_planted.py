"""Rows of an evaluation planted in real text: nearly all are found, and clean rows that look like them are not."""

import polars as pl
import pytest

from benchmarks.decontaminate.planted import APART, KINDS, apart, library_paragraphs, plant
from instructkit.contamination.find import find
from instructkit.contamination.index import Index
from instructkit.contamination.rarity import COMMON_GROUPS
from instructkit.contamination.rows import Settings

VERBATIM_LIKE = ("verbatim", "cased", "re-punctuated", "white space")


@pytest.fixture(scope="module")
def planted():
    """500 rows in some 5,000 clean records: of Python's own docstrings and language reference."""
    return plant(library_paragraphs())


@pytest.fixture(scope="module")
def shares(planted):
    """Kind → (records found, records)."""
    index = Index.of(planted.evaluation)
    found = find(index, planted.turns, planted.groups)
    return planted.shares(set(found.select("record", "row").iter_rows()))


@pytest.mark.parametrize("kind", KINDS)
def test_planted_rows_are_found(shares, kind):
    found, there = shares[kind]
    assert there >= 80
    assert found >= (0.99 if kind in VERBATIM_LIKE else 0.95) * there


def test_clean_rows_with_the_same_templates_identities_and_licences_are_not(shares, planted):
    found, there = shares["clean"]
    assert there > 3_000
    assert found <= 0.001 * there
    dressed = planted.evaluation.filter(
        planted.evaluation["prompt"].str.contains("Example Labs|Think step by step|Below is an instruction|Text: ")
    )
    assert dressed.height > 100, "rows of the evaluation wear what clean rows wear"


def test_where_every_word_is_common_long_prompts_are_found_and_clean_rows_are_not(planted):
    copies = COMMON_GROUPS + 1
    turns, count = pl.concat([planted.turns] * copies), len(planted.turns)
    groups = pl.int_range(len(turns), eager=True)
    found = find(Index.of(planted.evaluation), turns, groups, Settings(common=1 / len(turns)))
    shares = planted.shares({(record % count, row) for record, row in found.select("record", "row").iter_rows()})
    assert shares["clean"][0] == 0
    assert all(shares[kind][0] >= 25 for kind in VERBATIM_LIKE), "those whose prompts are of 20 words or more"


def test_paragraphs_that_share_words_are_not_both_used():
    one = " ".join(f"w{n}" for n in range(40))
    other = " ".join([*(f"v{n}" for n in range(30)), *one.split()[:APART]])
    assert apart(iter([one, other])) == [one]
