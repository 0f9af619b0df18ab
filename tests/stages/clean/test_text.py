import subprocess
import sys

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from instructkit.schema import Message, Span
from instructkit.stages.clean.text import CleanText


def clean(text, **options):
    return CleanText(**options).cleaned(pl.Series("text", [text], dtype=pl.String))[0]


@pytest.mark.parametrize(
    ("dirty", "cleaned"),
    [
        ("schÃ¶n â€œzitiertâ€\x9d", "schön “zitiert”"),
        ("cafe\u0301", "caf\u00e9"),
        ("a\x00b\x07c\ufeff", "abc"),
        ("one\r\ntwo\rthree\u2028four", "one\ntwo\nthree\nfour"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("end  \n\n\n\n\nnext\t\n", "end\n\nnext"),
        ("\n\n  indented\n    more", "  indented\n    more"),
        ("👩\u200d🔬 می\u200cخواهم", "👩\u200d🔬 می\u200cخواهم"),
    ],
)
def test_damage_is_repaired(dirty, cleaned):
    assert clean(dirty) == cleaned


@pytest.mark.parametrize(
    "text",
    [
        'def f(x):\n    """“Curly” and \'straight\'."""\n\n    return {"a":  x,\n            "b": \'\\x00\'}',
        'if (a &lt; b &amp;&amp; c) { s = "…"; }',
        "x²  ﬁnal ｆｕｌｌ ½",
        "Größe: naïve façade, 月亮，潮汐。",
        "| a  | b  |\n|----|----|\n| 1  | 2  |",
    ],
)
def test_code_tables_and_good_text_are_left_alone(text):
    assert clean(text) == text


def test_options_go_further():
    assert clean("x²  ﬁnal", unicode="NFKC") == "x2  final"
    assert clean("  Two   Words\n\tIn ", spaces=True) == "Two Words\nIn"
    assert clean("ÄRGER", lowercase=True) == "ärger"
    assert clean("The moon and the SEA, isn't it?", stop_words="en") == "moon SEA, ?"
    assert clean("a\x00 ", mojibake=False, unicode=None, controls=False, lines=False) == "a\x00 "


@pytest.mark.parametrize(
    ("options", "packages"),
    [
        ({}, {"ftfy"}),
        ({"mojibake": False}, set()),
        ({"stop_words": "en"}, {"ftfy", "stopwordsiso"}),
        ({"stop_words": "en", "mojibake": False}, {"stopwordsiso"}),
    ],
)
def test_only_the_packages_in_use_are_declared(options, packages):
    assert set(CleanText(**options).packages) == packages
    code = (
        "import sys, polars as pl; from instructkit.stages.clean.text import CleanText; "
        f"CleanText(**{options!r}).cleaned(pl.Series('text', ['sch\u00c3\u00b6n'])); print(*sys.modules)"
    )
    env = {"PYTHONPATH": ":".join(sys.path), "PYTHONIOENCODING": "utf-8"}
    loaded = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True).stdout
    assert {"ftfy", "stopwordsiso"} & set(loaded.split()) == packages


def test_stop_words_need_a_known_language_with_spaces():
    assert CleanText(stop_words="en").faults() == []
    assert "not divided by spaces" in CleanText(stop_words="zh").faults()[0]
    assert "no list for 'eng'" in CleanText(stop_words="eng").faults()[0]


def test_a_text_of_which_nothing_is_left_is_dropped_and_ids_and_groups_stay(documents):
    kept, dropped = CleanText().apply(documents("a ", "\x00\x01", " \n", ""))
    assert kept.select("id", "text", "group").rows() == [("d0", "a", "g0")]
    assert dropped.select("id", "rule", "value").rows() == [
        ("d1", "empty", "2 characters"),
        ("d2", "empty", "2 characters"),
        ("d3", "empty", "0 characters"),
    ]


def test_messages_are_cleaned_and_the_content_hash_follows(examples):
    pytest.importorskip("instructkit.text.conversation")
    shard = examples(
        [("user", "schÃ¶n "), Message(role="assistant", content="", tool_calls="[]", weight=0.5)],
        [("user", "fine"), ("assistant", "also")],
        [],
        [("user", "q"), ("assistant", "\x00")],
        [("user", "q"), Message(role="assistant", content="a ", spans=[Span(start=0, end=1, weight=0.0)])],
        [("user", "q"), Message(role="assistant", content="a", spans=[Span(start=0, end=1, weight=0.0)])],
    )
    kept, dropped = CleanText().apply(shard)
    assert dropped.select("id", "rule").rows() == [("e3", "empty"), ("e4", "spans")]
    assert kept.schema == shard.schema
    first = kept["messages"][0].to_list()
    assert [turn["content"] for turn in first] == ["schön", ""]
    assert (first[1]["tool_calls"], first[1]["weight"]) == ("[]", 0.5)
    assert kept["content_hash"][0] != "c0"
    assert kept["content_hash"].to_list()[1:] == ["c1", "c2", "c5"]
    assert kept.filter(pl.col("id") != "e0").equals(shard.filter(pl.col("id").is_in(["e1", "e2", "e5"])))


broken = st.text(
    st.sampled_from("aBé Ã¶â€œ\x9d\x80\x00\x1b[31m\t\n\r\u2028\ufeff\u0301ﬁ月-'the of\xa0\u3000\xad")
    | st.characters(exclude_categories=["Cs"]),
    max_size=30,
)
SETTINGS = [
    CleanText(),
    CleanText(unicode="NFKC", spaces=True, lowercase=True, stop_words="en"),
    CleanText(unicode=None, lines=False),
    CleanText(unicode="NFKD", controls=False, lowercase=True),
]


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(broken, max_size=5), st.sampled_from(SETTINGS))
def test_cleaning_twice_is_cleaning_once(texts, stage):
    once = stage.cleaned(pl.Series("text", texts, dtype=pl.String))
    assert stage.cleaned(once).to_list() == once.to_list()
