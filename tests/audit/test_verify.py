"""Planted leaks of each kind are found and named; what only looks like one is left alone."""

import json

import msgspec
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from instructkit.audit.crossings import Settings
from instructkit.audit.verified import verified_json
from instructkit.audit.verify import datasets_of, verify
from instructkit.errors import InputError, UsageFault
from instructkit.schema import Example, Message, Origin, frame


@pytest.fixture
def train(new_row):
    return [new_row(n) for n in range(60)]


@pytest.fixture
def test(new_row):
    return [new_row(n) for n in range(100, 120)]


def changed(text, *places):
    """The text with other words at these places."""
    words = text.split()
    for place in places:
        words[place] = f"other{place}"
    return " ".join(words)


def test_rows_that_have_nothing_in_common_are_clean(folder, verified, train, test):
    found = verified(folder(train=train, test=test))
    assert found.clean
    assert found.evidence == []
    assert found.rows == {"train": 60, "test": 20}
    (pair,) = found.pairs
    assert (pair.earlier, pair.later, pair.rows, pair.crossing) == ("train", "test", 20, 0)
    assert not any(pair.counts.values())


@pytest.mark.parametrize(
    ("kind", "leak"),
    [
        ("same_conversation", lambda row: row),
        ("same_conversation", lambda row: {name: text.upper() for name, text in row.items()}),
        ("same_conversation", lambda row: {name: text.replace(" ", "  \n") for name, text in row.items()}),
        ("same_conversation", lambda row: {name: f"«{text}» !" for name, text in row.items()}),
        ("same_prompt", lambda row: row | {"completion": "Nobody knows."}),
        ("near_conversation", lambda row: row | {"prompt": changed(row["prompt"], 3)}),
        ("near_prompt", lambda row: {"prompt": changed(row["prompt"], 0), "completion": "Nobody knows."}),
        ("same_answer", lambda row: row | {"prompt": "And now for something else: why?"}),
    ],
    ids=["verbatim", "cased", "spaced", "punctuated", "other-answer", "a-word-changed", "near-prompt", "answer"],
)
def test_a_planted_leak_is_found_and_named_with_both_rows(folder, verified, crossing, train, test, kind, leak):
    test[7] = leak(train[41])
    found = verified(folder(train=train, test=test))
    assert not found.clean
    assert crossing(found) == {(kind, "test", 8, "train", 42)}
    (pair,) = found.pairs
    assert {name: count for name, count in pair.counts.items() if count} == {kind: 1}
    assert pair.crossing == 1
    (evidence,) = found.evidence
    assert evidence.later.file == "set/test.jsonl"
    assert evidence.earlier.prompt == train[41]["prompt"]
    assert (evidence.similarity == 1) == kind.startswith("same")


def test_a_row_counts_once_under_the_strongest_kind_in_each_earlier_split(folder, verified, crossing, train, test):
    test[0] = train[5]
    validation = [train[5] | {"completion": "Nobody knows."}]
    found = verified(folder(train=[*train, train[5]], validation=validation, test=test))
    assert crossing(found) == {
        ("same_prompt", "validation", 1, "train", 6),
        ("same_conversation", "test", 1, "train", 6),
        ("same_prompt", "test", 1, "validation", 1),
    }
    assert [(pair.earlier, pair.later, pair.crossing) for pair in found.pairs] == [
        ("train", "validation", 1),
        ("train", "test", 1),
        ("validation", "test", 1),
    ]


def test_every_copy_in_the_later_split_counts(folder, verified, train, test):
    near = train[3] | {"prompt": changed(train[3]["prompt"], 2)}
    found = verified(folder(train=train, test=[*test, near, near, near]))
    assert found.pairs[0].counts["near_conversation"] == 3


def test_duplicates_within_a_split_are_no_leak(folder, verified, train, test):
    assert verified(folder(train=train + train, test=test + test)).clean


def test_the_more_alike_of_two_is_named(folder, verified, crossing, train, test):
    twin = train[10] | {"prompt": changed(train[10]["prompt"], 0, 15)}
    test[2] = train[10] | {"prompt": changed(train[10]["prompt"], 0)}
    found = verified(folder(train=[twin, *train], test=test), threshold=0.7)
    assert crossing(found) == {("near_conversation", "test", 3, "train", 12)}


def test_rows_of_one_template_are_clean_though_nearly_all_their_words_are_the_same(folder, verified, text):
    told = text("template", 160)
    rows = [{"prompt": f"{told}: {text(n, 12)}", "completion": "positive" if n % 2 else "negative"} for n in range(90)]
    found = verified(folder(train=rows[:70], test=rows[70:]))
    assert found.clean, found.evidence[:1]
    assert not verified(folder(name="strict", train=rows[:70], test=rows[70:]), common=1000).clean


def test_what_the_system_says_in_every_row_makes_no_rows_alike(folder, verified, crossing, text):
    def row(system, asked, answered):
        said = zip(("system", "user", "assistant"), (system, asked, answered), strict=True)
        return {"messages": [{"role": role, "content": content} for role, content in said]}

    system = text("system", 150)
    train = [row(system, f"{text(n, 12)}?", "Yes.") for n in range(20)]
    test = [row(system, f"{text(n, 12)}?", "Yes.") for n in range(30, 35)]
    assert verified(folder(train=train, test=test)).clean
    test[2] = row(text("another system", 20), f"{text(3, 12)}?", "No.")
    assert crossing(verified(folder(train=train, test=test))) == {("same_prompt", "test", 3, "train", 4)}


def test_a_leak_under_a_template_is_found_all_the_same(folder, verified, crossing, text):
    told, other = text("template", 80), text("another template", 40)
    rows = [{"prompt": f"{told}: {text(n, 12)}", "completion": "yes"} for n in range(90)]
    rows[80] = {"prompt": f"{told}: {text(7, 12)}", "completion": "no"}
    rows[85] = {"prompt": f"{text(8, 12)} {other}", "completion": "yes"}
    rows += [{"prompt": f"{text(n, 12)} {other}", "completion": "yes"} for n in range(1000, 1060)]
    found = verified(folder(train=rows[:70] + rows[90:], test=rows[70:90]))
    assert crossing(found) == {
        ("same_prompt", "test", 11, "train", 8),
        ("near_conversation", "test", 16, "train", 9),
    }


def test_a_document_under_a_template_that_no_other_row_has_is_found(folder, verified, crossing, text):
    templates = [text(f"template {n}", 25) for n in range(15)]
    rows = [
        {"prompt": f"{told}: {text(f'document {n}', 40)}", "completion": "yes"} for n in range(30) for told in templates
    ]
    clean = [{"prompt": f"{text('unseen', 25)}: {text(f'document {n}', 40)}", "completion": "no"} for n in (60, 61)]
    assert verified(folder(train=rows, test=clean)).clean
    leak = [{"prompt": f"{text('unseen', 25)}: {text('document 1', 40)}", "completion": "no"}]
    assert crossing(verified(folder(train=rows, test=clean + leak))) == {("shared_text", "test", 3, "train", 16)}


@pytest.mark.parametrize(("documents", "templates", "told"), [(45, 8, 25), (60, 60, 25), (90, 60, 12)])
def test_rows_of_documents_under_all_templates_are_found_in_the_other_split(
    folder, verified, text, documents, templates, told
):
    rows = [
        {"prompt": f"{text(f'template {t}', told)}: {text(f'document {d}', 40)}", "completion": "yes"}
        for d in range(documents)
        for t in range(templates)
    ]
    (pair,) = verified(folder(train=rows[::2] + rows[1:-20:2], test=rows[-19::2])).pairs
    assert pair.crossing == pair.rows == 10


def test_a_template_of_twenty_rows_and_more_is_no_shared_text(folder, verified, text):
    rows = [{"prompt": f"{text('told', 60)}: {text(n, 40)}", "completion": "yes"} for n in range(30)]
    assert verified(folder(train=rows[:20], test=rows[20:])).clean
    found = verified(folder(name="few", train=rows[:9], test=rows[9:15]))
    assert found.pairs[0].counts["shared_text"] == 6


def test_another_question_about_a_passage_shares_most_of_its_text(folder, verified, crossing, train, test, text):
    train[3] = {"prompt": f"{text('passage', 60)}\n{text('one question', 15)}?", "completion": "Seven."}
    test[5] = {"prompt": f"{text('passage', 60)}\n{text('another', 15)}?", "completion": "Blue."}
    found = verified(folder(train=train, test=test))
    assert crossing(found) == {("shared_text", "test", 6, "train", 4)}
    assert found.evidence[0].similarity == pytest.approx(56 / 71, abs=1e-4)


def spoken(*texts, system=None):
    said = [{"role": ("user", "assistant")[n % 2], "content": text} for n, text in enumerate(texts)]
    return {"messages": ([{"role": "system", "content": system}] if system else []) + said}


def test_turns_of_a_longer_conversation_are_found(folder, verified, crossing, text):
    turns = [[text(f"{n} {turn}", 30) for turn in range(6)] for n in range(12)]
    train = [spoken(*said) for said in turns[:8]]
    test = [
        spoken(*turns[1][:2], system="Be kind."),  # cut off
        spoken(*turns[2][2:4]),  # given out turn by turn
        spoken(text("new", 30), text("other", 30), *turns[3][4:]),
        *(spoken(*said) for said in turns[8:]),
    ]
    assert crossing(verified(folder(train=train, test=test))) == {
        ("same_exchange", "test", 1, "train", 2),
        ("same_exchange", "test", 2, "train", 3),
        ("same_exchange", "test", 3, "train", 4),
    }


def test_greetings_and_turns_that_all_are_shown_are_no_leak(folder, verified, text):
    shown = [text("shown", 30), text("reply", 30)]

    def row(n):
        return spoken("Hello!", "Hello, how can I help you?", *shown, text(f"q{n}", 30), text(f"a{n}", 30))

    assert verified(folder(train=[row(n) for n in range(50)], test=[row(n) for n in range(50, 60)])).clean


def test_the_same_conversation_under_another_system_prompt_is_the_same(folder, verified, crossing, text):
    said = [text("q", 12), text("a", 12)]
    train = [spoken(*said), spoken(text("b", 30), text("c", 30))]
    place = folder(train=train, test=[spoken(*said, system=text("system", 100)), spoken(text("d", 30), "No.")])
    assert crossing(verified(place)) == {("same_conversation", "test", 1, "train", 1)}


def test_labels_and_short_answers_are_no_leak(folder, verified, train, test):
    for row in [*train, *test]:
        row["completion"] = "The answer is yes."
    assert verified(folder(train=train, test=test)).clean


def test_refusals_are_counted_apart_and_fail_nothing(folder, verified, train, test, text):
    for row in [*train[:20], *test[:3]]:
        row["completion"] = f"I am sorry, but I cannot help with that: {text('refusal', 25)}"
    found = verified(folder(train=train, test=test))
    assert found.clean
    assert found.pairs[0].counts["common_answer"] == 3


def test_ids_of_rows_from_elsewhere_are_not_compared(folder, verified, train, test):
    numbered = [[{"id": number, **row} for number, row in enumerate(rows)] for rows in (train, test)]
    found = verified(folder(train=numbered[0], test=numbered[1]))
    assert found.clean
    assert not found.ours


def test_chinese_is_compared_by_characters(folder, verified, crossing, train, test):
    asked = "请描述一下泰姬陵的建筑风格以及它在印度历史上的重要意义和文化影响。"
    answered = "泰姬陵位于印度北部城市阿格拉，始建于一六三二年，历时二十二年才最终建成，融合了多种风格。"
    train[4] = {"prompt": asked, "completion": answered}
    test[6] = {"prompt": asked.replace("请", "请你"), "completion": answered}
    assert crossing(verified(folder(train=train, test=test))) == {("near_conversation", "test", 7, "train", 5)}


def test_texts_without_prompts_are_compared_too(folder, verified, crossing, text):
    train = [{"text": text(n, 60)} for n in range(20)]
    test = [{"text": text(n, 60)} for n in range(50, 55)]
    test[2] = {"text": changed(train[9]["text"], 5)}
    test[3] = train[11]
    assert crossing(verified(folder(train=train, test=test))) == {
        ("near_conversation", "test", 3, "train", 10),
        ("same_conversation", "test", 4, "train", 12),
    }


def test_tool_calls_are_part_of_an_answer(folder, verified, train, test, text):
    def call(number):
        arguments = json.dumps({"query": text(number, 30)})
        made = [{"id": "1", "type": "function", "function": {"name": "find", "arguments": arguments}}]
        asked = {"role": "user", "content": text("asked", 30)}
        return {"messages": [asked, {"role": "assistant", "content": "", "tool_calls": made}]}

    found = verified(folder(train=[call(1)], test=[call(2)]))
    assert found.pairs[0].counts["same_prompt"] == 1
    assert verified(folder(train=[call(1)], test=[call(1)])).pairs[0].counts["same_conversation"] == 1


def example(number, split, text, **changes):
    messages = [
        Message(role="user", content=text(f"q{number}", 30)),
        Message(role="assistant", content=text(f"a{number}", 30)),
    ]
    values = {
        "id": f"s-{number}/qa",
        "content_hash": "0" * 32,
        "messages": messages,
        "document_ids": [f"s-{number}"],
        "source": "s",
        "origin": Origin(file="a", line=number),
        "group": f"g{number}",
        "split": split,
    }
    return Example(**(values | changes))


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        ("same_group", {"group": "g3"}),
        ("same_group", {"group": "g3+g99"}),
        ("same_document", {"document_ids": ["s-50", "s-3"]}),
        ("same_id", {"id": "s-3/qa"}),
    ],
)
def test_what_our_rows_say_of_themselves_is_compared_too(tmp_path, verified, text, kind, changes):
    rows = [example(n, "train" if n < 10 else "test", text) for n in range(15)]
    frame(Example, rows).write_parquet(tmp_path / "all.parquet")
    assert verified(tmp_path / "all.parquet").clean
    rows[12] = msgspec.structs.replace(rows[12], **changes)
    frame(Example, rows).write_parquet(tmp_path / "all.parquet")
    found = verified(tmp_path / "all.parquet")
    assert {name: count for name, count in found.pairs[0].counts.items() if count} == {kind: 1}
    (evidence,) = found.evidence
    assert (evidence.later.line, evidence.earlier.line, evidence.similarity) == (13, 4, None)


def test_rows_of_no_split_and_rows_that_cannot_be_read_are_told(tmp_path, verified, new_row, train, test):
    rows = [row | {"split": "train"} for row in train] + [row | {"split": "test"} for row in test]
    lines = [json.dumps(row) for row in [*rows, new_row("no split")]] + ["{broken", '{"colour": "red"}']
    (tmp_path / "all.jsonl").write_text("\n".join(lines))
    found = verified(tmp_path / "all.jsonl")
    assert found.rows == {"train": 60, "test": 20, "(no split)": 1}
    assert (found.unsplit, found.not_read) == (1, {"not_json": 1, "unrecognised": 1})
    assert found.verdict == "not_all_compared"
    (gap,) = found.gaps
    assert gap.startswith("2 of 83 rows of ")
    assert gap.endswith("all.jsonl have no text that can be read.")


def test_rows_of_no_split_are_compared_as_one_of_their_own(folder, verified, crossing, train, test):
    found = verified(folder(train=train, test=test, extra=[test[4]]))
    assert crossing(found) == {("same_conversation", "(no split)", 1, "test", 5)}
    assert found.said == ["1 rows belong to no split: compared as one of their own."]


def test_a_file_of_which_much_cannot_be_read_is_not_clean(folder, verified, train, test):
    few = verified(folder(train=train * 2 + [{"colour": "red"}], test=test))
    assert (few.verdict, few.gaps, few.not_read) == ("clean", [], {"unrecognised": 1})
    many = verified(folder(train=train + [{"colour": "red"}] * 99, test=test))
    assert (many.verdict, many.clean) == ("not_all_compared", False)
    leak = verified(folder(train=train + [{"colour": "red"}] * 99, test=[*test, train[0]]))
    assert (leak.verdict, leak.gaps) == ("leaks", many.gaps)


def test_an_evaluation_with_nothing_to_look_for_is_not_clean(folder, verified, train, test, tmp_path):
    place = folder(train=train, test=test)
    (tmp_path / "exam.jsonl").write_text("")
    with pytest.raises(InputError, match=r"exam\.jsonl: no rows, so nothing would be looked for"):
        verified(place, against=[str(tmp_path / "exam.jsonl")])
    itself = verified(f"{place}/test.jsonl", against=[f"{place}/test.jsonl"])
    assert itself.verdict == "not_all_compared"


def test_a_column_that_says_another_split_than_the_file_is_believed_and_that_is_told(folder, verified, train):
    rows = [row | {"split": "test" if n % 3 else "train"} for n, row in enumerate(train)]
    found = verified(folder(training_set=[*rows, rows[0] | {"split": "test"}]))
    assert found.rows == {"train": 20, "test": 41}
    assert found.pairs[0].crossing == 1
    assert found.said == [
        "41 rows of set/training_set.jsonl say another split in their column than the file's name: believed."
    ]


def test_a_column_of_very_many_values_is_no_split(folder, verified, train):
    with pytest.raises(UsageFault, match=r"60 splits \('fold 0', 'fold 1', 'fold 10' …\)"):
        verified(folder(rows=[row | {"split": f"fold {n}"} for n, row in enumerate(train)]))


def test_files_without_rows_are_named(folder, verified, train, test):
    found = verified(folder(train=train, test=test, validation=[]))
    assert found.said == ["Without rows: set/validation.jsonl."]
    with pytest.raises(UsageFault, match=r"only the split 'train' .*; without rows: other/test.jsonl, so"):
        verified(folder(name="other", train=train, test=[]))


def test_near_copies_that_mask_each_other_are_counted(folder, verified, train, test, text):
    copies = [{"prompt": changed(text("base", 60), n), "completion": f"Answer {n}."} for n in range(58)]
    found = verified(folder(train=train + copies[:-1], test=[*test, copies[-1]]))
    assert found.clean
    assert found.masked == 58
    assert not verified(folder(train=train + copies[:-1], test=[*test, copies[-1]]), common=1000).clean


def test_a_split_of_which_nothing_can_be_read_is_told(verified, folder, train):
    with pytest.raises(UsageFault, match=r"only the split 'test' \(60 rows\) \(not read: 3 unrecognised\), so"):
        verified(folder(train=[{"colour": "red"}] * 3, test=train))


def test_a_file_that_is_the_evaluation_itself_is_told(folder, verified, train, test):
    place = folder(train=train, test=test)
    found = verified(place, against=[f"{place}/test.jsonl"])
    assert found.said == ["Not compared with evaluations, being evaluations themselves: set/test.jsonl."]


def test_columns_of_any_name_are_compared_when_they_are_named(folder, verified, crossing, train, test):
    test[3] = train[8]
    named = {
        name: [{"ask": row["prompt"], "reply": row["completion"]} for row in rows]
        for name, rows in (("train", train), ("test", test))
    }
    with pytest.raises(UsageFault, match=r"no row with a text to compare \(80 unrecognised\).*--column prompt="):
        verified(folder(**named))
    found = verified(folder(**named), given={"prompt": "ask", "answer": "reply"})
    assert crossing(found) == {("same_conversation", "test", 4, "train", 9)}


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"train": 3}, "only the split 'train' \\(3 rows\\), so there is nothing to compare; a split is told by"),
        ({"notes": 3}, "no splits in 3 rows of 1 file, so"),
        ({"train": 0, "test": 0}, "no row with a text to compare \\(no rows; without rows: set/test.jsonl, set/train"),
    ],
)
def test_no_two_splits_is_not_clean(folder, verified, train, files, message):
    with pytest.raises(UsageFault, match=message):
        verified(folder(**{name: train[:count] for name, count in files.items()}))


def test_a_path_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(InputError, match="no such file or folder"):
        datasets_of(str(tmp_path / "nosuch"))


def test_the_json_holds_the_table_and_both_rows(folder, verified, train, test):
    test[7] = train[41]
    found = verified(folder(train=train, test=test))
    read = json.loads(verified_json([found]))
    assert read["clean"] is False
    (dataset,) = read["datasets"]
    assert dataset["clean"] is False
    assert dataset["pairs"][0]["counts"]["same_conversation"] == 1
    assert dataset["evidence"][0]["later"] == {
        "file": "set/test.jsonl",
        "line": 8,
        "id": None,
        "split": "test",
        "prompt": train[41]["prompt"],
        "answer": train[41]["completion"],
    }


def test_formats_make_no_difference(tmp_path, folder, verified, crossing, train, test):
    test[7] = train[41] | {"prompt": changed(train[41]["prompt"], 3)}
    lines = crossing(verified(folder(train=train, test=test)))
    (tmp_path / "hub/data").mkdir(parents=True)
    for name, rows in (("train", train), ("test", test)):
        pl.DataFrame(rows).write_parquet(tmp_path / f"hub/data/{name}-00000-of-00001.parquet")
    (tmp_path / "both.json").write_text(json.dumps({"train": train, "test": test}))
    assert crossing(verified(tmp_path / "hub")) == lines
    assert crossing(verified(tmp_path / "both.json")) == lines


@settings(max_examples=30)
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5), st.sampled_from(["train", "test"])), max_size=12))
def test_exactly_the_rows_whose_text_stands_in_an_earlier_split_cross(tmp_path_factory, rows):
    said = [{"prompt": f"Question {q} of six?", "completion": f"Answer {a}.", "split": split} for q, a, split in rows]
    path = tmp_path_factory.mktemp("law") / "all.jsonl"
    path.write_text("".join(json.dumps(each) + "\n" for each in said))
    splits = {each["split"] for each in said}
    ((dataset, lineage),) = datasets_of(str(path))
    if len(splits) < 2:
        with pytest.raises(UsageFault):
            verify(dataset, lineage, Settings())
        return
    (pair,) = verify(dataset, lineage, Settings()).pairs
    trained = {(q, a) for q, a, split in rows if split == "train"}
    tested = [(q, a) for q, a, split in rows if split == "test"]
    same = sum(each in trained for each in tested)
    asked = sum(each not in trained and each[0] in {q for q, _ in trained} for each in tested)
    assert (pair.counts["same_conversation"], pair.counts["same_prompt"]) == (same, asked)
    assert pair.crossing == same + asked
