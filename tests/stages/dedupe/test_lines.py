import json

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from instructkit.errors import StageError
from instructkit.schema import Origin
from instructkit.stages.dedupe import lines
from instructkit.stages.dedupe.lines import DedupeLines

NOTICE = "We use cookies on this site to make your visit\na better one, with all our partners."
CHINESE = "本网站使用缓存文件，继续浏览即表示您同意。"


@pytest.fixture
def cut(documents):
    """What the runner does: kept and dropped rows of a stage with a decision that goes whole to every shard."""

    def run(stage, *shards):
        sketches = pl.concat([stage.sketch(shard) for shard in shards]).lazy()
        decision = stage.decide(sketches, pl.concat(shards).lazy())
        outcomes = [stage.apply(shard, decision) for shard in shards]
        for shard, outcome in zip(shards, outcomes, strict=True):
            assert outcome.kept.height + outcome.dropped.height == shard.height
            assert outcome.kept.schema == shard.schema
        return pl.concat([o.kept for o in outcomes]), pl.concat([o.dropped for o in outcomes])

    return run


def removed(row):
    return json.loads(row["fields"])["removed"]


@pytest.mark.parametrize(
    ("text", "left"),
    [
        (f"{NOTICE}\n\nOne.\n", "One.\n"),
        (f"One.\n\n{NOTICE}", "One.\n"),
        (f"One.\n\n\n{NOTICE}\n\nTwo.", "One.\n\n\nTwo."),
        (f"One.\r\n\r\n{NOTICE}\r\n\r\nTwo.\r\n", "One.\r\n\r\nTwo.\r\n"),
        (f"  One\n\n{NOTICE}\n\n{NOTICE}\n\n  Two\t", "  One\n\n  Two\t"),
        (f"One.\u2029{NOTICE}\u2029Two.", "One.\u2029Two."),
        (NOTICE.upper().replace("\n", " ") + "\n\nOne", "One"),
    ],
)
def test_paragraphs_go_and_the_rest_keeps_its_line_ends(documents, cut, text, left):
    kept, dropped = cut(DedupeLines(min_documents=2), documents(f"First.\n\n{NOTICE}\n\nLast.", text))
    assert kept["text"].to_list() == [f"First.\n\n{NOTICE}\n\nLast.", left]
    assert dropped.is_empty()


def test_each_document_says_what_was_cut_and_where_it_stands_first(documents, cut):
    shard = documents(NOTICE, {"text": f"One.\n\n{NOTICE}\n", "fields": {"by": "me"}}, "Two.", f"{NOTICE}\n\nThree.")
    kept, _ = cut(DedupeLines(min_documents=3), shard)
    entry = {"text": NOTICE, "documents": 3, "first": "d0"}
    assert kept["fields"].to_list()[::2] == ["{}", "{}"]
    assert json.loads(kept["fields"][1]) == {"by": "me", "removed": [entry]}
    assert kept["fields"][3] == json.dumps({"removed": [entry]}, separators=(",", ":"), sort_keys=True)


def test_what_is_short_is_never_cut(documents, cut):
    shard = documents(*["## Usage\n\n}\n\nreturn x\n\n----------------------------------------\n"] * 20)
    kept, _ = cut(DedupeLines(unit="lines"), shard)
    assert kept.equals(shard)
    kept, _ = cut(DedupeLines(unit="lines", min_words=2), shard)
    assert kept["text"][1] == "## Usage\n\n}\n\n----------------------------------------\n"


def test_scripts_without_spaces_are_counted_by_characters(documents, cut):
    shard = documents(*(f"{CHINESE}\n第{n}章\n" for n in range(3)))
    kept, _ = cut(DedupeLines(unit="lines", min_documents=3), shard)
    assert kept["text"].to_list() == [f"{CHINESE}\n第0章\n", "第1章\n", "第2章\n"]


def test_many_times_in_one_document_is_once(documents, cut):
    shard = documents(f"{NOTICE}\n\n{NOTICE}\n\n{NOTICE}", f"One.\n\n{NOTICE}\n\n{NOTICE}")
    assert cut(DedupeLines(min_documents=3), shard)[0].equals(shard)
    kept, _ = cut(DedupeLines(min_documents=2), shard)
    assert kept["text"].to_list() == [shard["text"][0], "One.\n"]
    assert len(removed(kept.row(1, named=True))) == 2


def test_first_is_first_in_the_sources_and_not_in_the_shards(documents, cut):
    rows = [("a", "b.txt", 1), ("b", "a.txt", 10), ("c", "a.txt", 9), ("d", "a.txt", None)]
    shards = [
        documents({"text": f"{name}\n\n{NOTICE}", "id": name, "origin": Origin(file=file, line=line)})
        for name, file, line in rows
    ]
    kept, _ = cut(DedupeLines(min_documents=2), *shards)
    assert kept["text"].to_list() == ["a\n", "b\n", "c\n", f"d\n\n{NOTICE}"]
    assert {entry["first"] for row in kept[:3].to_dicts() for entry in removed(row)} == {"d"}


def test_none_keeps_no_copy(documents, cut):
    kept, _ = cut(DedupeLines(min_documents=2, keep="none"), documents(f"One.\n\n{NOTICE}", f"{NOTICE}\n\nTwo."))
    assert kept["text"].to_list() == ["One.\n", "Two."]


def test_a_document_of_which_no_word_is_left_is_dropped_and_the_drop_says_what_it_was(documents, cut):
    other = "Permission is hereby granted, free of charge, to any person."
    shard = documents(f"{other}\n\n{NOTICE}", f"{NOTICE}\n\n* * *\n\n{other}\n", f"One.\n\n{NOTICE}", "", "---")
    kept, dropped = cut(DedupeLines(min_documents=2), shard)
    assert kept["text"].to_list() == [shard["text"][0], "One.\n", "", "---"]
    assert dropped.select("id", "rule", "value", "threshold", "detail").rows() == [
        (
            "d1",
            "repeated",
            "2",
            "2",
            "2 repeated paragraphs; the longest is in 3 documents, first in 'd0': "
            "We use cookies on this site to make your visit a better one, with all our partne…",
        )
    ]


def test_a_second_step_continues_the_record_of_the_first(documents, cut):
    line = "This line of eleven words stands alone in a few documents."
    shard = documents(*(f"{NOTICE}\n\nNumber {n}:\n{line}" for n in range(3)))
    kept, _ = cut(DedupeLines(min_documents=2), shard)
    kept, _ = cut(DedupeLines(min_documents=2, unit="lines"), kept)
    assert kept["text"].to_list()[1:] == ["Number 1:\n", "Number 2:\n"]
    assert [entry["text"] for entry in removed(kept.row(1, named=True))] == [NOTICE, line]


@pytest.mark.parametrize("value", [["mine"], [{"text": "x"}], "text", 1])
def test_a_field_of_the_source_is_never_overwritten(documents, cut, value):
    shard = documents(NOTICE, {"text": f"One.\n\n{NOTICE}", "fields": {"removed": value}})
    with pytest.raises(StageError, match=r"document 'd1': its field 'removed' .* let `record` name another key"):
        cut(DedupeLines(min_documents=2), shard)
    kept, _ = cut(DedupeLines(min_documents=2, record=None), shard)
    assert kept["fields"].equals(shard["fields"])


def test_numbers_and_punctuation_count_unless_ignored(documents, cut):
    page = "This is page {} of the yearly report of the company on its business."
    shard = documents(*(f"Part {n}.\n\n{page.format(n)}" for n in range(3)))
    assert cut(DedupeLines(min_documents=3), shard)[0].equals(shard)
    kept, _ = cut(DedupeLines(min_documents=3, ignore=("digits",)), shard)
    assert kept["text"].to_list()[1:] == ["Part 1.\n", "Part 2.\n"]


def test_ids_groups_and_order_stay(documents, cut):
    shard = documents(*(f"{NOTICE}\n\nNumber {n}." for n in range(20)))
    kept, _ = cut(DedupeLines(), shard)
    assert kept.drop("text", "fields").equals(shard.drop("text", "fields"))


def test_an_empty_corpus_is_no_trouble(documents, cut):
    kept, dropped = cut(DedupeLines(), documents())
    assert kept.is_empty()
    assert dropped.is_empty()


def test_an_empty_record_is_a_fault():
    assert DedupeLines().faults() == []
    assert "name a key" in DedupeLines(record="").faults()[0]


# Against plain Python: words are single letters or characters, so that lines recur by chance.
line = st.text("aB 月", max_size=4)
ends = st.sampled_from(["\n", "\r", "\r\n", "\n\n", "\n \n", "\u2028", ""])
texts = st.lists(st.tuples(line, ends), max_size=5).map(lambda rows: "".join(a + b for a, b in rows))
corpora = st.lists(texts, min_size=1, max_size=8)


def words(text):
    return len(text.replace("月", " 月 ").split())


def written(text):
    return [" ".join(line.lower().split()) for line in text.splitlines() if line.strip()]


def units(text, unit):
    if unit == "lines":
        return written(text)
    blocks, block = [], []
    for line in [*text.splitlines(), ""]:
        if line.strip():
            block.append(line)
        elif block:
            blocks.append(" ".join(" ".join(block).lower().split()))
            block = []
    return blocks


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    corpora,
    st.sampled_from(["lines", "paragraphs"]),
    st.integers(2, 4),
    st.integers(1, 3),
    st.sampled_from(["first", "none"]),
)
def test_exactly_what_recurs_goes_as_plain_python_counts_it(
    documents, cut, corpus, unit, min_documents, min_words, keep
):
    stage = DedupeLines(unit=unit, min_documents=min_documents, min_words=min_words, keep=keep)
    shard = documents(*corpus)
    kept, dropped = cut(stage, shard)
    holders = {}
    for number, text in enumerate(corpus):
        for each in dict.fromkeys(units(text, unit)):
            holders.setdefault(each, []).append(number)
    texts = dict(kept.select("id", "text").rows())
    for number, text in enumerate(corpus):
        left = [
            each
            for each in units(text, unit)
            if words(each) < min_words
            or len(holders[each]) < min_documents
            or (keep == "first" and holders[each][0] == number)
        ]
        if left == units(text, unit):
            assert texts[f"d{number}"] == text
        elif left:
            assert units(texts[f"d{number}"], unit) == left
        else:
            assert f"d{number}" not in texts
    assert all(int(value) >= min_documents for value in dropped["value"])


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(corpora, st.integers(1, 7), st.integers(1, 5), st.sampled_from(["lines", "paragraphs"]), st.randoms())
def test_shards_their_order_and_ranges_change_nothing_and_a_second_pass_cuts_nothing(
    documents, cut, corpus, at, rows_at_once, unit, random
):
    stage = DedupeLines(unit=unit, min_documents=2, min_words=1)
    shard = documents(*corpus)
    kept, dropped = cut(stage, shard)
    order = list(range(shard.height))
    random.shuffle(order)
    mixed = shard[order]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lines, "ROWS_AT_ONCE", rows_at_once)
        kept_2, dropped_2 = cut(stage, mixed[:at], mixed[at:])
    assert kept_2.sort("id").equals(kept.sort("id"))
    assert dropped_2.sort("id").equals(dropped.sort("id"))
    again, none = cut(stage, kept)
    assert again.equals(kept)
    assert none.is_empty()


def test_a_sketch_has_a_row_for_each_different_passage_of_the_shard(documents):
    shard = documents(*(f"{NOTICE}\n\nNumber {n}." for n in range(20)), CHINESE, CHINESE.replace("您", "你"))
    sketch = DedupeLines().sketch(shard)
    assert sorted(sketch["documents"].to_list()) == [1, 1, 20]
    assert sketch.select("high", "low").equals(sketch.select("high", "low").sort("high", "low"))
