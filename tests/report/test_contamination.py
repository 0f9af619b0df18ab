"""A build that was decontaminated: its rows of evaluations listed, and its records beside them."""

import json

import pytest
from click.testing import CliRunner

from instructkit.cli.main import cli
from instructkit.errors import UsageFault
from instructkit.report.beside import comparison_lines
from instructkit.report.contamination import contaminated_lines, contaminated_rows
from instructkit.report.why import all_comparisons, trace_lines, why

RECIPE = """\
recipe: notes
steps:
  one:   {{stage: ingest.jsonl, path: data/one/*.jsonl, text: body, key: number}}
  clean: {{stage: decontaminate, mode: {mode}, against: [{{path: eval/*.jsonl, prompt: question, answer: answer}}]}}
"""


@pytest.fixture
def decontaminated(project, run_build):
    """decontaminated(mode): the project's notes without, or with, those that an evaluation asks about."""

    def build(mode):
        notes = [json.loads(line) for line in (project / "data/one/notes.jsonl").read_text().splitlines()]
        words = notes[3]["body"].split()
        rows = [
            {"id": "q7", "question": notes[7]["body"].upper(), "answer": "42"},
            {"question": " ".join([*words[:9], "otherwise", *words[10:]]), "answer": "no"},
        ]
        (project / "eval").mkdir()
        (project / "eval/a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        (project / "recipes/notes.yaml").write_text(RECIPE.format(mode=mode))
        return run_build(project).build

    return build


def test_rows_of_evaluations_are_listed_with_the_records_that_hold_them(decontaminated):
    build = decontaminated("drop")
    rows = contaminated_rows(build, "clean").drop("score").rows()
    assert rows == [("eval/a.jsonl", 1, "q7", "prompt", ["one-7"]), ("eval/a.jsonl", 2, None, "prompt", ["one-3"])]
    assert contaminated_lines(build, "clean", 1) == [
        "2 rows of evaluations stand in 2 records",
        "        2  eval/a.jsonl",
        "",
        "eval/a.jsonl:1 'q7'",
        "  prompt (1) in one-7",
        "",
        "and 1 more; --json lists all",
    ]


@pytest.mark.parametrize("mode", ["drop", "report"])
def test_why_shows_a_record_beside_the_row_it_holds_dropped_or_not(decontaminated, mode):
    build = decontaminated(mode)
    trace = why(build, "one-3")
    assert ("contaminated" in "\n".join(trace_lines(trace))) == (mode == "drop")
    assert trace.passed == (["one"] if mode == "drop" else ["one", "clean"])
    (comparison,) = all_comparisons(trace)
    said = comparison_lines(comparison)
    assert said[1].startswith("  holds     the prompt of eval/a.jsonl:2, by a score of 0.9")
    assert said[2].startswith("  differs   in 1 place")
    assert "{+otherwise+}" in "\n".join(said)
    (same,) = all_comparisons(why(build, "one-7"))
    assert "'q7' (eval/a.jsonl:1)" in comparison_lines(same)[1]
    assert "only in" in comparison_lines(same)[2]
    assert "dropped:" not in "\n".join(comparison_lines(comparison, width=100))


def test_the_command_lists_them_as_text_and_as_json(decontaminated):
    build = decontaminated("report")
    run = CliRunner().invoke(cli, ["show", "clean", "--contaminated", "--json", "--build", str(build.folder)])
    rows = [json.loads(line) for line in run.output.splitlines()]
    assert [(row["file"], row["line"], row["records"]) for row in rows] == [
        ("eval/a.jsonl", 1, ["one-7"]),
        ("eval/a.jsonl", 2, ["one-3"]),
    ]
    for more in ([], ["--json"]):
        run = CliRunner().invoke(cli, ["show", "one", "--contaminated", *more, "--build", str(build.folder)])
        assert isinstance(run.exception, UsageFault)
        assert str(run.exception) == "step 'one' looks for no rows of evaluations (steps that do: clean)"


def test_a_build_that_looks_for_no_evaluation_says_so(project, run_build):
    with pytest.raises(UsageFault, match=r"looks for no rows of evaluations \(no step of this build does"):
        contaminated_rows(run_build(project).build, "one")
