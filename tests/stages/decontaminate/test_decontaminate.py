import json
import shutil

import hypothesis.strategies as st
import msgspec
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings

from instructkit.build.keys import KeyedStage
from instructkit.contamination.literals import literal_texts
from instructkit.contamination.rows import turns
from instructkit.errors import InputError
from instructkit.schema import Candidate, Message
from instructkit.stages.decontaminate import decision
from instructkit.stages.decontaminate.decision import DECISION
from instructkit.stages.decontaminate.decontaminate import Decontaminate
from instructkit.stages.decontaminate.sketched import SKETCH
from instructkit.stages.ingest.evaluations import Evaluation
from instructkit.templates.library import library_folder, load_template

WORDS = [f"word{n}" for n in range(2_000)]
CLEAN = "The harbour master counts ships every morning and writes their names into a book that nobody reads."


def prose(start, length=30):
    return " ".join(WORDS[start : start + length])


@pytest.fixture
def rows(tmp_path):
    """Rows as a file of JSON Lines; gives its path."""

    def write(*given, name="eval.jsonl"):
        path = tmp_path / name
        path.write_text("".join(json.dumps(row) + "\n" for row in given))
        return str(path)

    return write


@pytest.fixture
def asked(rows):
    """Three rows: with an answer, with a passage, with a short prompt."""
    return rows(
        {"question": prose(0), "answer": prose(100), "id": "first"},
        {"question": prose(200), "answer": "72", "context": prose(300, 60)},
        {"question": prose(400, 6), "answer": "72"},
    )


def test_a_drop_names_file_line_part_and_both_texts(run_corpus_stage, documents, asked):
    shard = documents(CLEAN, f"{prose(0).upper()}\n\n{prose(100)}", CLEAN)
    kept, dropped = run_corpus_stage(Decontaminate(against=asked), [shard])
    assert kept["id"].to_list() == ["d0", "d2"]
    (drop,) = dropped.iter_rows(named=True)
    assert (drop["id"], drop["rule"], drop["value"], drop["threshold"]) == ("d1", "contaminated", "1.0", "0.8")
    assert drop["detail"].startswith("prompt and answer of ")
    assert "eval.jsonl:1 ('first'); here: “WORD0 WORD1" in drop["detail"]
    assert "there: “word0 word1" in drop["detail"]


def test_turns_of_examples_are_looked_through_reasoning_and_alternatives_too(run_corpus_stage, examples, asked):
    user = Message(role="user", content="Think.")
    shard = examples(
        [("user", prose(0)), ("assistant", "no")],
        [user, Message(role="assistant", content="72", reasoning=f"So: {prose(200)}")],
        {
            "messages": [user, Message(role="assistant", content="no")],
            "candidates": [Candidate(messages=[Message(role="assistant", content=prose(100))])],
        },
        [("user", "Think."), ("assistant", "72")],
    )
    kept, dropped = run_corpus_stage(Decontaminate(against=asked), [shard])
    assert kept["id"].to_list() == ["e3"]
    assert [detail.partition(" of ")[0] for detail in dropped["detail"]] == ["prompt", "prompt", "answer"]


def test_a_mode_that_reports_keeps_all_and_decides_the_same(run_corpus_stage, documents, asked):
    shard = documents(CLEAN, prose(0), prose(200))
    dropping, reporting = (Decontaminate(against=asked, mode=mode) for mode in ("drop", "report"))
    kept, dropped = run_corpus_stage(reporting, [shard])
    assert kept.equals(shard)
    assert dropped.is_empty()
    decisions = [stage.decide(stage.sketch(shard).lazy(), shard.lazy()) for stage in (dropping, reporting)]
    assert decisions[0].equals(decisions[1])
    assert decisions[1]["rule"].to_list() == ["contaminated", "contaminated"]


def test_a_passage_alone_is_listed_and_only_dropped_where_asked(run_corpus_stage, documents, asked):
    shard = documents(prose(300, 60), f"{prose(300, 60)} {prose(200)}")
    stage = Decontaminate(against=asked)
    kept, dropped = run_corpus_stage(stage, [shard])
    assert kept["id"].to_list() == ["d0"]
    assert dropped["rule"].to_list() == ["contaminated"]
    decision = stage.decide(stage.sketch(shard).lazy(), shard.lazy())
    assert decision["rule"].to_list() == [None, "contaminated"]
    assert [[row["part"] for row in found] for found in decision["evaluation_rows"]] == [
        ["passage"],
        ["prompt", "passage"],
    ]
    _, dropped = run_corpus_stage(Decontaminate(against=asked, passages=True), [shard])
    assert dropped["rule"].to_list() == ["contaminated_passage", "contaminated"]


def test_a_short_prompt_counts_with_its_answer_only(run_corpus_stage, documents, asked):
    shard = documents(f"Here we ask {prose(400, 6)} and say 72.", f"Here we ask {prose(400, 6)} and say 73.")
    kept, dropped = run_corpus_stage(Decontaminate(against=asked), [shard])
    assert kept["id"].to_list() == ["d1"]
    assert dropped["detail"][0].startswith("prompt and answer of ")


def test_the_text_of_the_records_own_template_is_no_contamination(run_corpus_stage, examples, rows):
    template = load_template("summarization/one_sentence", library_folder(), [library_folder()])
    texts = literal_texts(template.name, template.hash, library_folder())
    literal = max(texts, key=lambda text: len(text.split()))
    assert len(literal.split()) >= 9
    against = rows({"prompt": f"{literal} Tides."})
    made = {"template": template.name, "template_hash": template.hash}
    talk = [("user", f"{literal} Ships and their names."), ("assistant", "Ships.")]
    shard = examples({"messages": talk, **made}, {"messages": talk, **made, "template_hash": "of another version"})
    kept, dropped = run_corpus_stage(Decontaminate(against=against), [shard])
    assert kept["id"].to_list() == ["e0"]
    assert dropped["id"].to_list() == ["e1"]


def test_rows_of_examples_of_one_document_are_no_more_common_for_it(run_corpus_stage, documents, asked):
    text = f"{CLEAN} {prose(0, 15)} otherwise {prose(16, 14)}"
    one = documents(*({"text": text, "group": "same"} for _ in range(30)), *(f"{CLEAN} w{n}" for n in range(9)))
    many = documents(*(text for _ in range(30)), *(f"{CLEAN} w{n}" for n in range(9)))
    assert run_corpus_stage(Decontaminate(against=asked), [one])[1].height == 30
    assert run_corpus_stage(Decontaminate(against=asked), [many])[1].height == 0, "what 30 of 39 groups say is common"


@pytest.mark.parametrize("texts", [[], [CLEAN], ["", "…"]], ids=["no rows", "clean rows", "no words"])
def test_nothing_found_is_a_decision_without_rows(run_corpus_stage, documents, asked, texts):
    stage, shard = Decontaminate(against=asked), documents(*texts)
    assert stage.sketch(shard).schema == SKETCH
    decision = stage.decide(stage.sketch(shard).lazy(), shard.lazy())
    assert decision.schema == DECISION
    assert decision.is_empty()
    kept, dropped = run_corpus_stage(stage, [shard])
    assert kept.equals(shard)
    assert dropped.is_empty()


@given(data=st.data())
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_shards_and_their_order_change_no_verdict(run_corpus_stage, documents, asked, data):
    pieces = [
        CLEAN,
        prose(0),
        prose(100),
        prose(200),
        prose(300, 60),
        prose(400, 6),
        "72",
        prose(0, 15),
        prose(112, 14),
    ]
    texts = data.draw(
        st.lists(st.lists(st.sampled_from(pieces), min_size=1, max_size=4).map(" ".join), min_size=2, max_size=9)
    )
    shard = documents(*texts)
    order = data.draw(st.permutations(range(len(texts))))
    cut = data.draw(st.integers(1, len(texts) - 1))
    stage = Decontaminate(against=asked)
    whole = run_corpus_stage(stage, [shard])
    parts = run_corpus_stage(stage, [shard[order[:cut]], shard[order[cut:]]])
    for one, other in zip(whole, parts, strict=True):
        assert one.sort("id").equals(other.sort("id"))


def test_a_changed_evaluation_decides_anew_and_a_renamed_folder_does_not(tmp_path, asked):
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    shutil.copy(asked, here / "eval.jsonl")
    shutil.copytree(here, there)
    stage = Decontaminate(against=[Evaluation(path="eval.jsonl", prompt="question"), "eval.jsonl"])
    keys = [KeyedStage("clean", "decontaminate", stage, root).identity for root in (here, there)]
    assert keys[0] == keys[1]
    with (there / "eval.jsonl").open("a") as file:
        file.write('{"question": "one more?"}\n')
    assert KeyedStage("clean", "decontaminate", stage, there).identity != keys[0]
    other = Decontaminate(against=[Evaluation(path="eval.jsonl", prompt="answer"), "eval.jsonl"])
    assert KeyedStage("clean", "decontaminate", other, here).identity != keys[0]
    # As a worker gets it: with the place of the project, which no name of a file tells.
    run = msgspec.json.decode(KeyedStage("clean", "decontaminate", stage, here).fields, type=Decontaminate)
    assert run.decide(
        run.sketch(pl.DataFrame(schema={"id": pl.String, "group": pl.String, "text": pl.String})).lazy(), pl.LazyFrame()
    ).is_empty()


def test_the_outlook_says_what_was_taken_and_which_rows_are_short(asked):
    (line,) = Decontaminate(against=asked).outlook(None)
    assert "3 rows (prompt from question, answer from answer)" in line
    assert line.endswith("1 are short, found with their answer or as a whole text")


def test_the_outlook_has_a_line_for_each_set_of_columns_and_says_where_answers_are_missing(rows, tmp_path):
    rows({"question": prose(0), "answer": prose(100)}, name="a.jsonl")
    rows({"frage": "x", "prompt": prose(200)}, {"prompt": prose(300)}, name="b.jsonl")
    rows({"question": prose(0), "answer": prose(100)}, {"question": prose(400), "answer": None}, name="c.jsonl")
    path = f"{tmp_path}/*.jsonl"
    assert Decontaminate(against=path).outlook(None) == [
        f"against {path} (a.jsonl, c.jsonl): 3 rows (prompt from question, answer from answer); no answer found in 1",
        f"against {path} (b.jsonl): 2 rows (prompt from prompt); no answers found",
    ]


def test_an_evaluation_without_rows_or_without_text_stops_with_its_file(rows, documents, run_corpus_stage):
    shard = [documents(CLEAN)]
    with pytest.raises(InputError, match=r"none.jsonl: no rows, so nothing would be looked for; mend the file or"):
        run_corpus_stage(Decontaminate(against=rows(name="none.jsonl")), shard)
    empty = rows({"question": None, "answer": " "}, name="empty.jsonl")
    with pytest.raises(InputError, match=r"empty.jsonl: no row has a prompt or an answer"):
        run_corpus_stage(Decontaminate(against=empty), shard)
    with pytest.raises(InputError, match=r"empty.jsonl: no row has text under `prompt` \(question\); name other"):
        run_corpus_stage(Decontaminate(against=Evaluation(path=empty, prompt="question")), shard)


def test_an_evaluation_without_a_prompt_or_an_answer_stops_with_its_columns(rows, documents, run_corpus_stage):
    path = rows({"frage": "x", "antwort": "y"})
    with pytest.raises(InputError, match=r"columns found: antwort, frage\); name the columns: \{path: .*prompt: …"):
        run_corpus_stage(Decontaminate(against=path), [documents(CLEAN)])
    with pytest.raises(InputError, match=r"no record has the column 'Frage' that `prompt` names; did you mean 'frage'"):
        run_corpus_stage(Decontaminate(against=[Evaluation(path=path, prompt="Frage")]), [documents(CLEAN)])
    with pytest.raises(InputError, match="no such file"):
        Decontaminate(against="nowhere.jsonl").outlook(None)
    assert Decontaminate(against=[]).faults() == ["against: an empty list names no evaluation; give at least one"]


def test_what_is_compared_of_a_record(documents, examples):
    shard = examples([Message(role="user", content="a"), Message(role="assistant", content="b", reasoning="c")])
    assert shard.select(turns(shard).alias("t"))["t"].to_list() == [["a", "c\n\nb"]]
    shard = documents("text")
    assert shard.select(turns(shard).alias("t"))["t"].to_list() == [["text"]]


def test_of_very_many_records_the_first_by_id_keep_their_texts(run_corpus_stage, documents, asked, monkeypatch):
    monkeypatch.setattr(decision, "MOST_EVIDENCE", 1)
    shard = documents({"text": prose(0), "id": "b"}, {"text": prose(200), "id": "a"})
    _, dropped = run_corpus_stage(Decontaminate(against=asked), [shard])
    assert ["here:" in detail for detail in dropped.sort("id")["detail"]] == [True, False]
    assert dropped["rule"].to_list() == ["contaminated", "contaminated"]
