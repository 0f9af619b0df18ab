import json

import pytest

from instructkit.errors import LockMismatch, UsageFault


def test_a_locked_build_elsewhere_gives_the_locked_bytes(project, tmp_path, run_build):
    import shutil

    elsewhere = shutil.copytree(project, tmp_path / "elsewhere")
    first = run_build(project)
    second = run_build(elsewhere, locked=first.build.folder / "recipe.lock")
    assert (second.build.folder / "recipe.lock").read_bytes() == (first.build.folder / "recipe.lock").read_bytes()


def test_a_changed_input_is_named_before_the_rows_that_differ_for_it(project, run_build):
    lock = run_build(project).build.folder / "recipe.lock"
    with (project / "data/one/notes.jsonl").open("a") as file:
        file.write(json.dumps({"number": 555, "title": "New", "body": "A new note that nobody has locked."}) + "\n")
    with pytest.raises(LockMismatch, match=r"(?s)not the locked one\n  steps\.one\.inputs.*rows") as caught:
        run_build(project, locked=lock)
    assert "notes.jsonl" in str(caught.value)


def test_a_changed_setting_and_a_changed_template_are_named(project, run_build):
    lock = run_build(project).build.folder / "recipe.lock"
    template = project / "templates/notes/title.jinja"
    template.write_text(template.read_text().replace("Give", "Find"))
    with pytest.raises(LockMismatch, match=r"steps\.pairs\.templates\.notes/title"):
        run_build(project, locked=lock)


def test_a_lock_that_is_none_is_refused(project, run_build, tmp_path):
    with pytest.raises(UsageFault, match="no such lock"):
        run_build(project, locked=tmp_path / "none.lock")
    (tmp_path / "bad.lock").write_text("[1")
    with pytest.raises(UsageFault, match="not a lock"):
        run_build(project, locked=tmp_path / "bad.lock")
