import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from instructkit.report.beside import comparison_lines
from instructkit.report.duplicates import Comparison
from instructkit.schema import Origin
from instructkit.text.worddiff import word_diff

OLD = "The tide comes in at NOON and covers the old road to the island."
NEW = "The tide comes in at noon and covers the road to the far island."
IGNORE = ["case", "whitespace"]


@pytest.fixture
def compare():
    """A comparison of two texts."""

    def compare(old=OLD, new=NEW, **changed):
        return Comparison(
            **{
                "step": "unique",
                "dropped": "notes-2",
                "other": "notes-1",
                "role": "nearest and kept",
                "similarity": 0.8125,
                "source": "notes",
                "origin": Origin(file="notes.jsonl", line=7),
                "location": ["data/*.jsonl"],
                "of": "all",
                "ignore": IGNORE,
                "pieces": word_diff(old, new, IGNORE),
            }
            | changed
        )

    return compare


def test_without_colours_marks_say_what_differs(compare):
    assert comparison_lines(compare()) == [
        "",
        "  beside    notes-1, which it is most like (0.8125), and which was kept in its place",
        "  from      notes.jsonl:7  in data/*.jsonl",
        "  differs   in 2 places, and in 1 more that step 'unique' ignores (case, whitespace)",
        "  marks     [-only in notes-2-]  {+only in notes-1+}  [~ignored~]",
        "",
        "    The tide comes in at [~NOON→noon~] and covers the [-old -]road to the {+far +}island.",
    ]


def test_colours_take_the_place_of_marks(compare):
    said = "\n".join(comparison_lines(compare(), width=100, colour=True))
    assert "\x1b[9;31mold \x1b[0m" in said
    assert "\x1b[1;32mfar \x1b[0m" in said
    assert "\x1b[33mNOON→noon\x1b[0m" in said
    assert "[-" not in said
    assert "{+" not in said


def test_a_narrow_terminal_has_one_column_and_wraps(compare):
    lines = comparison_lines(compare(), width=60)[6:]
    assert len(lines) == 2
    assert max(map(len, lines)) <= 60
    assert " ".join(line.strip() for line in lines) == comparison_lines(compare())[-1].strip()


def test_a_wide_terminal_shows_the_texts_side_by_side(compare):
    head, _, row = comparison_lines(compare(), width=160)[6:]
    assert [cell.strip() for cell in head.split("│")] == ["dropped: notes-2", "kept: notes-1"]
    old, new = (cell.strip() for cell in row.split("│"))
    assert old == "The tide comes in at [~NOON~] and covers the [-old -]road to the island."
    assert new == "The tide comes in at [~noon~] and covers the road to the {+far +}island."


def test_lines_stay_side_by_side(compare):
    old, new = "one two\nthree " + "long " * 60 + "\nfour", "one 2\nthree short\nfour"
    lines = comparison_lines(compare(old, new), width=140)
    assert re.fullmatch(r"    four +│ four", lines[-1])
    assert max(map(len, lines)) <= 140


def test_wide_characters_take_two_columns(compare):
    old = "第二天早晨太阳升起来的时候渔夫们把小船推进海里" * 4
    row = comparison_lines(compare(old, old + "了"), width=130)[-1]
    assert row.count("│") == 1


def test_markup_and_escapes_in_a_text_stay_text(compare):
    lines = comparison_lines(compare("[red]a[/red] \x1b[31m b", "[red]a[/red] \x1b[31m c"), width=100, colour=True)
    assert "[red]a[/red] ␛[31m" in lines[-1]


def test_equal_texts_are_said_to_be_equal(compare):
    assert "  differs   nowhere: the same text, character for character" in comparison_lines(compare(OLD, OLD))


def test_texts_that_differ_in_ignored_ways_only_say_so(compare):
    lines = comparison_lines(compare(OLD.upper(), OLD, similarity=None))
    assert lines[1] == "  beside    notes-1, which was kept in its place"
    assert lines[3] == "  differs   only in 2 places, in what step 'unique' ignores (case, whitespace)"


def test_of_two_records_each_says_what_it_is(compare):
    assert "most like (0.8125), and which was dropped too" in comparison_lines(compare(role="nearest"))[1]
    assert "kept in place of both" in comparison_lines(compare(role="kept", similarity=None))[1]


def test_a_text_that_the_step_did_not_read_is_said_to_be_missing(compare):
    lines = comparison_lines(compare(origin=None, source=None, pieces=None))
    assert lines[-1].strip() == "its text is not among the rows that step 'unique' read"


WORDS = st.lists(st.sampled_from(["tide", "Tide", "moon", "sea", "of", "3", "\n"]), max_size=40).map(" ".join)


@given(WORDS, WORDS)
def test_taking_the_marks_away_gives_back_both_texts(old, new):
    comparison = Comparison(
        step="unique",
        dropped="a",
        other="b",
        role="kept",
        similarity=None,
        source="notes",
        origin=Origin(file="f"),
        of="all",
        ignore=[],
        pieces=word_diff(old, new),
    )
    text = "\n".join(comparison_lines(comparison, full=True)[6 if old != new else 5 :])
    text = re.sub(r"[↵·]", " ", text)
    assert re.sub(r"\{\+.*?\+\}|\[-|-\]", "", text, flags=re.DOTALL).split() == old.split()
    assert re.sub(r"\[-.*?-\]|\{\+|\+\}", "", text, flags=re.DOTALL).split() == new.split()


@pytest.mark.parametrize(
    ("role", "name"),
    [("nearest", "nearest"), ("kept", "kept"), ("nearest and kept", "kept"), ("reference", "reference")],
)
def test_the_columns_say_what_the_other_one_is(compare, role, name):
    assert re.search(rf"dropped: notes-2 .* {name}: notes-1", "\n".join(comparison_lines(compare(role=role), 160)))
