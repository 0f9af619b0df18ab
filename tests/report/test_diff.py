from instructkit.build.manifest import Build
from instructkit.report.diff import diff, diff_lines


def two_builds(project, run_build, change):
    first = run_build(project, build_dir=project / "first").build
    change(project)
    run_build(project, build_dir=project / "second")
    return first, Build.open(project / "second/notes")


def test_a_build_does_not_differ_from_itself(built):
    assert all(step.same for step in diff(built, built))


def test_a_changed_setting_is_named_with_the_rows_it_moved(project, run_build):
    def change(project):
        recipe = project / "recipes/notes.yaml"
        recipe.write_text(recipe.read_text().replace("min_words: 4", "min_words: 2"))

    steps = {step.step: step for step in diff(*two_builds(project, run_build, change))}
    assert steps["clean"].same
    assert steps["long"].settings == ["min_words: 4 → 2"]
    assert (steps["long"].added, steps["long"].removed, steps["long"].changed) == (1, 0, 0)
    assert steps["long"].examples == {"added": ["three-901"]}
    assert steps["final"].added == 2


def test_an_edited_template_changes_its_own_examples(project, run_build):
    def change(project):
        template = project / "templates/notes/title.jinja"
        template.write_text(template.read_text().replace("Give this note", "Give the note"))

    found = diff(*two_builds(project, run_build, change))
    steps = {step.step: step for step in found}
    count = steps["unique"].rows[0]
    assert (steps["pairs"].added, steps["pairs"].removed, steps["pairs"].changed) == (0, 0, count)
    assert len(steps["pairs"].templates) == 1
    assert "template notes/title:" in "\n".join(diff_lines(found))


def test_inputs_added_and_changed_are_named(project, run_build):
    def change(project):
        (project / "data/one/more.jsonl").write_text('{"number": 77777, "title": "t", "body": "a b c d e f"}\n')

    steps = {step.step: step for step in diff(*two_builds(project, run_build, change))}
    assert steps["one"].inputs_added == ["more.jsonl"]
    assert steps["one"].inputs_changed == []
    assert steps["one"].added == 1
