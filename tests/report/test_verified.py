"""The verdict stands first, in words; the table says who stands where; a pair of rows shows why."""

import re
from unicodedata import east_asian_width

import click
import msgspec
import pytest

from instructkit.audit.crossings import KINDS
from instructkit.audit.identities import IDENTITIES
from instructkit.audit.verified import COMMON_ANSWER, Contamination, Evidence, Pair, Side, Verified
from instructkit.report.verified import verified_lines

COUNTS = dict.fromkeys((*KINDS, COMMON_ANSWER, *IDENTITIES), 0)
CLEAN = Verified(
    path="some/set",
    step=None,
    files=3,
    rows={"train": 8000, "validation": 1000, "test": 1000},
    ours=False,
    unsplit=0,
    not_read={},
    threshold=0.8,
    shingle=5,
    recall=0.9904,
    common=50,
    short=0,
    candidates=12,
    pairs=[
        Pair(earlier=one, later=two, rows=1000, crossing=0, counts=COUNTS)
        for one, two in (("train", "validation"), ("train", "test"), ("validation", "test"))
    ],
    evaluations=[],
    evidence=[],
    said=[],
    gaps=[],
    masked=0,
)


def side(split, prompt="Why?", answer="So."):
    return Side(file=f"set/{split}.jsonl", line=7, id=None, split=split, prompt=prompt, answer=answer)


def leak(kind, **texts):
    return Evidence(kind=kind, similarity=0.91, earlier=side("train", **texts), later=side("test", **texts))


def with_pair(place, **changes):
    pairs = list(CLEAN.pairs)
    pairs[place] = msgspec.structs.replace(pairs[place], **changes)
    return msgspec.structs.replace(CLEAN, pairs=pairs)


def drawn(found, examples=1):
    return [click.unstyle(line) for line in verified_lines(found, examples)]


def test_the_verdict_is_the_second_line():
    assert drawn(CLEAN)[:2] == [
        "some/set  (3 files, 10,000 rows: train 8,000  validation 1,000  test 1,000)",
        "CLEAN  nothing of one split stands in another",
    ]
    found = with_pair(1, crossing=47, counts=COUNTS | {"same_prompt": 47})
    assert drawn(found)[1] == "LEAKS  47 of 1,000 rows of test (4.7%) stand in train"
    few = msgspec.structs.replace(found, pairs=[msgspec.structs.replace(found.pairs[1], rows=100_000, crossing=1)])
    assert drawn(few)[1] == "LEAKS  1 of 100,000 rows of test (< 0.1%) stand in train"


def test_rows_of_evaluations_are_part_of_the_verdict_and_a_table_of_their_own():
    counts = {"train": 3, "validation": 0, "test": 0}
    exam = Contamination(file="eval/exam.jsonl", rows=500, found=2, counts=counts, nearly=0)
    lines = drawn(msgspec.structs.replace(CLEAN, evaluations=[exam]))
    assert lines[1] == "LEAKS  2 of 500 rows of eval/exam.jsonl (0.4%) stand here"
    assert ["eval/exam.jsonl", "(500", "rows)", "3", "0", "0"] in [line.split() for line in lines]
    nearly = msgspec.structs.replace(exam, found=0, counts=dict.fromkeys(counts, 0), nearly=3)
    lines = drawn(msgspec.structs.replace(CLEAN, evaluations=[nearly]))
    assert lines[1] == "CLEAN  nothing of one split stands in another, and no row of an evaluation is held"
    assert any(line.startswith("  3 rows come out above the threshold") for line in lines)


def test_what_was_not_compared_is_the_verdict():
    found = msgspec.structs.replace(CLEAN, gaps=["9 of 10 rows of a have no text.", "More."])
    assert drawn(found)[1:3] == ["NOT ALL COMPARED  9 of 10 rows of a have no text.", f"{'':16}  More."]


def test_lines_that_say_nothing_are_left_out():
    lines = "\n".join(drawn(CLEAN))
    assert "same group" not in lines
    assert "common long answer" not in lines
    assert "same group" in "\n".join(drawn(msgspec.structs.replace(CLEAN, ours=True)))
    assert "(common long answer)" in "\n".join(drawn(with_pair(0, counts=COUNTS | {COMMON_ANSWER: 4})))


def test_what_was_not_looked_at_is_told():
    lines = drawn(
        msgspec.structs.replace(CLEAN, not_read={"not_json": 2}, short=9, masked=3, said=["evaluations were not found"])
    )
    for words in (
        "3 rows are long and have fewer than 10 words of their own",
        "Not compared, without a text that can be read: 2 not_json.",
        "9 rows have fewer than 10 words of their own",
        "evaluations were not found",
    ):
        assert any(words in line for line in lines), words


@pytest.mark.parametrize("text", ["word " * 200, "字" * 200, "\x1b[31mred\x07\n\tline"])
def test_a_text_is_one_line_that_fits_and_steers_no_terminal(text):
    found = msgspec.structs.replace(CLEAN, evidence=[leak("near_prompt", prompt=text, answer=text)])
    lines = [line for line in drawn(found) if line.startswith("    ")]
    for line in lines:
        assert sum(2 if east_asian_width(c) in "WF" else 1 for c in line) <= 112
        assert not re.search(r"[\x00-\x1f]", line)


@pytest.mark.parametrize("width", [60, 80])
def test_remarks_and_texts_take_the_width_of_the_terminal(width):
    found = msgspec.structs.replace(CLEAN, pairs=CLEAN.pairs[:1], masked=3, short=4)
    found = msgspec.structs.replace(found, evidence=[leak("near_prompt", prompt="word " * 99)])
    assert max(len(click.unstyle(line)) for line in list(verified_lines(found, 1, width))[2:]) <= width


def test_names_of_splits_and_ids_steer_no_terminal():
    name = "x\x1b[2J\u202e\x9b"
    pair = msgspec.structs.replace(CLEAN.pairs[0], later=name, crossing=1)
    row = msgspec.structs.replace(side(name), id=name)
    evidence = [Evidence(kind="near_prompt", similarity=0.9, earlier=row, later=row)]
    found = msgspec.structs.replace(
        CLEAN, rows={name: 3}, pairs=[pair], evidence=evidence, said=[name], not_read={name: 1}
    )
    assert not re.search(r"[\x00-\x1f\x80-\x9f\u202a-\u202e]", "".join(drawn(found)))


def test_exemplars_are_named_only_where_they_are_known():
    assert "exemplars" not in "".join(drawn(CLEAN))
    assert "exemplars" in "".join(drawn(msgspec.structs.replace(CLEAN, ours=True)))


def test_as_many_pairs_of_each_kind_are_shown_as_asked_for():
    found = msgspec.structs.replace(CLEAN, evidence=[leak("near_prompt")] * 3 + [leak("same_prompt")] * 3)
    for count in range(4):
        lines = drawn(found, count)
        assert sum(line.startswith("  near-duplicate prompt 0.910") for line in lines) == count
        assert sum(line.startswith("  same prompt, other answer 0.910") for line in lines) == count


def test_of_very_many_pairs_of_splits_those_that_cross_are_shown():
    names = [f"part{n:02}" for n in range(8)]
    pairs = [
        Pair(earlier=one, later=two, rows=10, crossing=int((one, two) == ("part03", "part06")), counts=COUNTS)
        for number, one in enumerate(names)
        for two in names[number + 1 :]
    ]
    lines = drawn(msgspec.structs.replace(CLEAN, pairs=pairs))
    assert "LEAKS  1 of 10 rows of part06 (10.0%) stand in part03" in lines
    assert ["that", "stand", "in", "part03"] in [line.split() for line in lines]
    assert "  (27 pairs of splits more; --json has them all)" in lines
