"""What counts as contaminated, and what does not: texts that one can judge by eye."""

import numpy as np
import polars as pl
import pytest

from instructkit.contamination.index import Index
from instructkit.contamination.matches import Void
from instructkit.contamination.rows import EVALUATION

QUESTION = "A baker fills 14 trays with 23 rolls each and burns 9 of them. How many rolls can she sell?"
SOLUTION = (
    "She bakes 14 times 23 rolls, which is 322 rolls in all. Of these 9 are burnt and nobody wants them, so what she "
    "can sell is 322 minus 9, and that is 313 rolls."
)
OTHER = "The harbour master counts ships every morning and writes their names into a book that nobody reads."


def test_a_row_is_found_word_for_word(found):
    assert found([(QUESTION, SOLUTION)], [OTHER, [QUESTION, SOLUTION], OTHER]) == [(1, 0, "both", 1.0)]


@pytest.mark.parametrize(
    "edit",
    [
        str.upper,
        lambda text: text.replace(" ", "\n\t "),
        lambda text: text.replace(".", " !! ").replace(",", " –"),
        lambda text: f"«{text}»",
    ],
    ids=["case", "white space", "punctuation", "quotes"],
)
def test_case_punctuation_and_white_space_do_not_count(found, edit):
    assert found([(QUESTION, SOLUTION)], [[edit(QUESTION), edit(SOLUTION)]]) == [(0, 0, "both", 1.0)]


def test_a_changed_number_leaves_the_score_just_below_one(found):
    ((_, _, part, score),) = found([(QUESTION, None)], [QUESTION.replace("23", "26")])
    assert part == "prompt"
    assert 0.9 < score < 1


def test_a_prompt_alone_counts_with_another_answer(found):
    assert found([(QUESTION, SOLUTION)], [[QUESTION, "I do not know."]]) == [(0, 0, "prompt", 1.0)]


def test_a_row_inside_a_longer_text_is_found(found):
    text = " ".join([OTHER] * 5 + [QUESTION] + [OTHER] * 5)
    assert found([(QUESTION, SOLUTION)], [text]) == [(0, 0, "prompt", 1.0)]


def test_a_long_answer_alone_counts_and_a_short_one_never(found):
    rows = [(QUESTION, SOLUTION), ("What is the weight of all the rolls of that baker in pounds?", "313")]
    assert found(rows, [["Solve it.", SOLUTION], ["How many?", "313"]]) == [(0, 0, "answer", 1.0)]


def test_a_short_prompt_counts_with_its_answer_or_as_all_that_is_said(found):
    rows = [("Who wrote Moby Dick, the novel?", ["Herman Melville", "Melville"])]
    records = [
        ["Quiz of the day, get ready: who wrote Moby Dick, the novel?", "It was Melville, in 1851."],
        ["Quiz of the day, get ready: who wrote Moby Dick, the novel?", "Nobody knows any more."],
        ["Who wrote Moby Dick, the novel?", "Nobody knows any more."],
    ]
    assert found(rows, records) == [(0, 0, "both", 1.0), (2, 0, "prompt", 1.0)]


def test_a_short_prompt_counts_with_an_answer_out_of_its_passage(found):
    passage = f"{OTHER} They sleep in the old net loft above the quay."
    rows = [("Where do the ships' clerks sleep?", "in the old net loft above the quay", passage)]
    asked = f"{QUESTION} Where do the ships' clerks sleep?"
    assert found(rows, [f"{asked} In the old net loft above the quay.", f"{asked} Nobody knows."]) == [
        (0, 0, "both", 1.0)
    ]


def test_an_answer_far_from_its_short_prompt_is_no_answer_to_it(found):
    rows = [("Who wrote Moby Dick, the novel?", "Herman Melville")]
    filler = " ".join(f"word{i}" for i in range(300))
    assert found(rows, [f"We asked: who wrote Moby Dick, the novel? {filler} Herman Melville was not asked."]) == []


def test_n_grams_gathered_from_all_over_a_long_text_are_no_row(found):
    words = QUESTION.split()
    pieces = [" ".join(words[at : at + 6]) for at in range(0, len(words), 5)]
    filler = " ".join(f"word{i}" for i in range(60))
    assert found([(QUESTION, None)], [f" {filler} ".join(pieces)]) == []


def test_a_passage_is_told_apart_from_prompt_and_answer(found):
    rows = [
        (
            "Who counts the ships in the old harbour every single morning?",
            "the harbour master",
            " ".join([OTHER, SOLUTION]),
        )
    ]
    assert found(rows, [f"{OTHER} {SOLUTION}"]) == [(0, 0, "passage", 1.0)]


def test_what_many_groups_say_is_no_contamination(found):
    identity = "You are a careful assistant made by Example Labs, and you answer in plain English without any jargon."
    rows = [
        (f"{identity} Who are you?", "I am a careful assistant made by Example Labs, and I answer in plain English.")
    ]
    records = [[identity, f"Question {i} about topic{i} and thing{i}", f"answer{i}"] for i in range(40)]
    assert found(rows, records) == []
    assert found(rows, records, groups=[0] * 40) != [], "of one group the words are rare"


LONG = "A baker of the old town sells forty small rolls before nine and twice as many after noon; how many in all?"


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        (f"Quiz of the day! {LONG.upper()} Think.", True),
        (LONG.replace("twice", "three times"), False),
        (LONG.replace("forty small rolls ", ""), False),
        (" ".join(LONG.split()[:-1]), False),
    ],
    ids=["word for word", "a word changed", "words left out", "not to its end"],
)
def test_a_long_prompt_word_for_word_counts_however_many_groups_hold_it(found, text, holds):
    hits = found([(LONG, "120"), (QUESTION, SOLUTION)], [text] * 40)
    assert hits == [(record, 0, "prompt", 1.0) for record in range(40) if holds]


def test_a_long_prompt_of_a_template_or_of_several_rows_is_an_instruction_and_no_leak(found):
    texts, rows = [f"{LONG} {n}" for n in range(40)], [(LONG, "120")]
    index = Index.of(pl.DataFrame([("e", 1, None, LONG, ["120"], None)], schema=EVALUATION, orient="row"))
    template = index.numbers(pl.Series([f"{LONG} And now:"]))
    void = Void.of(np.array([0] * 20 + [-1] * 20), [template], len(index.grams))
    assert [record for record, *_ in found(rows, texts, void=void)] == list(range(20, 40))
    assert found([(LONG, "120"), (LONG, "of several")], texts) == []


def test_what_many_rows_of_the_evaluation_say_is_no_contamination(found):
    head = (
        "Read the statement below with care and say whether it supports the claim, contradicts it, or neither of both."
    )
    rows = [(f"{head} {' '.join(f'w{i}x{k}' for k in range(9))}", None) for i in range(40)]
    assert found(rows, [f"{head} Something else stands here that no evaluation has ever asked about at all."]) == []
    assert found(rows, [rows[3][0]]) == [(0, 3, "prompt", 1.0)]


def test_rows_in_scripts_without_spaces_are_found(found):
    question = "月亮引起潮汐的力量和太阳引起潮汐的力量哪一个更大，为什么？"
    assert found([(question, None)], ["老师问道：" + question + "学生们想了很久。"]) == [(0, 0, "prompt", 1.0)]


def test_no_rows_and_no_records_are_no_findings(found):
    assert found([], [OTHER]) == []
    assert found([(QUESTION, SOLUTION)], []) == []
    assert found([("…", None), (None, None)], [["", "…"], []]) == []
