import polars as pl
import pytest

from instructkit.errors import UsageFault
from instructkit.report.why import at, trace_lines, why
from instructkit.schema import Drop, Origin, frame


def test_an_example_walks_back_to_file_line_and_template(built):
    trace = why(built, "two-47/notes/title")
    said = "\n".join(trace_lines(trace))
    assert trace.template_file == "templates/notes/title.jinja"
    assert trace.record.template_hash in said
    assert "notes.jsonl:8" in said
    assert "data/two/*.jsonl" in said
    assert "pairs → final" in said
    (document,) = trace.documents
    assert document.passed == ["two", "clean", "long", "unique"]
    assert document.made == ["two-47/notes/title", "two-47/notes/write"]


def test_every_example_of_a_build_has_its_way_back(built):
    for example in built.rows("final").select("id").collect()["id"].sample(20, seed=1):
        trace = why(built, example)
        assert trace.documents[0].origin == trace.origin
        assert trace.origin.line is not None


def test_a_dropped_document_names_step_rule_value_and_threshold(built):
    said = "\n".join(trace_lines(why(built, "three-901")))
    assert "dropped   by step 'long': min_words" in said
    assert "value     2" in said
    assert "threshold 4" in said


def test_a_near_duplicate_names_whom_it_repeats(built):
    trace = why(built, "three-900")
    (drop,) = trace.drops
    assert (drop.step, drop.rule) == ("unique", "near_duplicate")
    assert "one-5" in drop.detail
    assert float(drop.value) >= float(drop.threshold) == 0.7


def test_a_line_that_could_not_be_read_is_among_the_drops_with_its_place(built):
    (drop,) = built.drops("three").collect().iter_rows(named=True)
    assert drop["origin"] == {"file": "notes.jsonl", "line": 43}


def test_an_unknown_id_is_refused_with_ids_that_begin_alike(built):
    with pytest.raises(UsageFault, match=r"no record 'two-4x'; ids that begin alike: .*two-4"):
        why(built, "two-4x")


def test_drops_add_up_to_what_went_missing(built):
    missing = sum(step.rows_dropped for step in built.manifest.steps.values())
    assert built.drops().select(pl.len()).collect().item() == missing


def test_an_example_that_was_never_made_is_traced_to_the_template_that_refused_it(project, run_build):
    lines = (project / "data/one/notes.jsonl").read_text().splitlines()
    (project / "data/one/notes.jsonl").write_text("\n".join([lines[0].replace('"Note 0"', '""'), *lines[1:]]) + "\n")
    build = run_build(project).build
    (drop,) = why(build, "one-0/notes/title").drops
    assert (drop.step, drop.template, drop.rule) == ("pairs", "notes/title", "missing_input")


def test_a_place_in_a_source_says_what_was_read_there(built):
    _, lost = at(built, "notes.jsonl", 43)
    assert [drop.rule for drop in lost] == ["not_json"]
    ids, _ = at(built, "notes.jsonl", 2)
    assert ids == ["one-1", "two-41", "three-81"]


def test_an_example_whose_prompt_a_training_has_shortened_says_so(project, run_build):
    build = run_build(project).build
    folder = build.folder / "trainings/tuned"
    folder.mkdir(parents=True)
    taken = "tokens, 172 of the prompt taken out"
    told = {"rule": "train.cut_prompt", "value": "300", "threshold": "128", "detail": taken}
    cut = Drop(id="two-47/notes/title", origin=Origin(file="notes.jsonl", line=8), **told)
    frame(Drop, [cut]).write_parquet(folder / "cut.parquet")
    said = trace_lines(why(build, "two-47/notes/title"))
    assert f"  cut       by step 'training tuned' to 128: 300 {taken}" in said
    assert not any("cut  " in line for line in trace_lines(why(build, "two-47/notes/write")))
