import json

import pytest

from instructkit.build.export import export_step
from instructkit.errors import RecipeFault, UsageFault
from instructkit.recipe.recipe import load_recipe
from instructkit.stages.export.alpaca import ExportAlpaca
from instructkit.stages.export.openai import ExportOpenai
from instructkit.stages.export.parquet import ExportParquet


def rows_of(folder):
    return [json.loads(line) for path in sorted(folder.glob("*.jsonl")) for line in path.read_text().splitlines()]


def test_files_of_another_build_are_not_taken_for_this_ones(project, run_build):
    first = run_build(project).build
    chat = first.folder / "chat"
    train = chat / "train.jsonl"
    expected = train.read_bytes()
    train.write_bytes(expected.replace(b"Give", b"Have"))  # the same size, other rows
    run_build(project)
    assert train.read_bytes() == expected


def test_the_folder_of_an_export_step_that_is_gone_goes_too(project, run_build):
    build = run_build(project).build
    recipe = project / "recipes/notes.yaml"
    recipe.write_text(recipe.read_text().replace("  chat:   {stage: export.openai}\n", ""))
    run_build(project)
    assert not (build.folder / "chat").exists()


def test_a_step_cannot_take_the_folder_of_the_trainings(project):
    recipe = project / "recipes/notes.yaml"
    recipe.write_text(recipe.read_text().replace("  chat: ", "  trainings: "))
    with pytest.raises(RecipeFault, match="'trainings' is taken"):
        load_recipe(recipe)


def test_an_export_of_ones_own_replaces_an_earlier_one_and_spares_everything_else(built, tmp_path):
    out = tmp_path / "out"
    export_step(built, "final", ExportOpenai(), out)
    assert len(rows_of(out)) == built.step("final").rows_kept
    (out / "notes.txt").write_text("mine")
    export_step(built, "final", ExportParquet(), out)
    assert not list(out.glob("*.jsonl"))
    assert (out / "notes.txt").read_text() == "mine"
    strangers = tmp_path / "strangers"
    strangers.mkdir()
    (strangers / "README.md").write_text("# Mine")
    with pytest.raises(UsageFault, match="not empty"):
        export_step(built, "final", ExportOpenai(), strangers)
    assert (strangers / "README.md").read_text() == "# Mine"


def test_the_card_counts_what_was_written_and_what_the_format_left_out(project, run_build):
    template = project / "templates/notes/write.jinja"
    more = "{% block user_2 %}More?{% endblock %}{% block assistant_2 %}No.{% endblock %}"
    template.write_text(template.read_text() + more)
    build = run_build(project).build
    result = export_step(build, "final", ExportAlpaca(), project / "out")
    written = rows_of(project / "out")
    card = (project / "out/README.md").read_text()
    assert sum(result.dropped.values()) + len(written) == build.step("final").rows_kept
    for rule, count in result.dropped.items():
        assert f"| export | {rule} | {count} |" in card
    assert f"{len(written)} examples, built by instructkit" in card


def test_documents_go_into_formats_that_take_them(built, tmp_path):
    result = export_step(built, "unique", ExportParquet(), tmp_path / "documents")
    assert sum(file.rows for file in result.files) == built.step("unique").rows_kept
    with pytest.raises(UsageFault, match="steps that do: pairs, final"):
        export_step(built, "unique", ExportOpenai(), tmp_path / "other")
