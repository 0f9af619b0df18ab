import polars as pl
import pytest

from instructkit.text.words import runs, word_count


def of(function, text):
    return pl.DataFrame({"text": [text]}).select(function(pl.col("text"))).item()


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("The 3 tides.", 3),
        ("one - two … three", 3),
        ('(tides), "moon"', 2),
        ("月亮引起潮汐。", 6),
        ("用 Python 写 hello", 4),
        ("สวัสดี", 6),
        ("안녕 세상", 2),
        ("x == y", 3),
        ("", 0),
        (" \n ", 0),
        ("...", 0),
    ],
)
def test_words_are_counted_in_scripts_with_and_without_spaces(text, count):
    assert of(word_count, text) == count


def test_runs_keep_signs_that_stand_alone():
    assert of(runs, "2 * 3 月亮ok").to_list() == ["2", "*", "3", "月", "亮", "ok"]
