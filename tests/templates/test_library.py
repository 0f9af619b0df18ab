import os
import re
from pathlib import Path

import pytest

from instructkit.errors import TemplateFault
from instructkit.templates.cases import run_tests
from instructkit.templates.library import find_templates, library_folder, template_names
from instructkit.templates.lint.subject import Subject
from instructkit.templates.options import FORMATS
from instructkit.templates.rendering import Compiled
from instructkit.templates.template import from_sources
from instructkit.templates.turns import Turn

MACRO = "{% macro f(x) %}{{ x }}{% endmacro %}"
USES = '{% from "qa/_m.jinja" import f %}{% block assistant %}{{ f(text) }}{% endblock %}'
SHIPPED = find_templates(["*"], [library_folder()])


def messages(fault):
    return [f.message for f in fault.value.faults]


def test_the_page_about_templates_shows_a_template_and_a_fault_as_they_are(project):
    page = (Path(__file__).parents[2] / "docs/writing-templates.md").read_text(encoding="utf-8")
    page = re.sub(r"```jinja\n.*?```", "", page, flags=re.DOTALL)
    shown = [line[4:] for line in page.splitlines() if line.startswith("    ")]
    project.write("qa/open.jinja", "\n".join(shown[:-1]))
    (template,) = project.find("qa/open")
    assert [result.passed for result in run_tests(template)] == [True]
    project.template(
        "qa/open.jinja",
        "\n" * 6 + "{% block assistant %}{{ answr }}{{ question, answer }}{% endblock %}",
        inputs="[question, answer]",
    )
    with pytest.raises(TemplateFault) as fault:
        project.find("qa/open")
    assert [str(f)[str(f).index("templates/qa/") :] for f in fault.value.faults] == [shown[-1]]


def test_the_examples_of_the_page_pass_their_own_tests():
    page = (Path(__file__).parents[2] / "docs/writing-templates.md").read_text(encoding="utf-8")
    examples = re.findall(r"```jinja\n(.*?)```", page, re.DOTALL)
    results = [result for text in examples for result in run_tests(from_sources("t", {"t.jinja": text}))]
    assert [result.difference for result in results] == ["", ""]
    assert all(f"`{name}`" in page for name in FORMATS)


def test_names_and_globs_are_found_in_the_order_of_the_patterns_and_none_twice(project):
    for name in ("qa/open", "qa/closed", "news/title"):
        project.template(f"{name}.jinja")
    project.write("qa/_m.jinja", MACRO)
    assert [t.name for t in project.find("qa/open", "qa/*")] == ["qa/open", "qa/closed"]
    assert [t.name for t in project.find("*")] == ["news/title", "qa/closed", "qa/open"]


def test_patterns_that_match_nothing_and_faulty_templates_are_reported_together(project):
    project.template("qa/open.jinja")
    project.template("qa/bad.jinja", body="{% block assistant %}{{ txt }}{{ text }}{% endblock %}")
    project.write("qa/worse.jinja", "no front matter")
    with pytest.raises(TemplateFault) as fault:
        project.find("qa/*", "qa/opn", "zzzzzzzz")
    assert len(fault.value.faults) == 4
    assert "no template matches 'qa/opn'; did you mean 'qa/open'?" in messages(fault)
    assert any("did you mean 'text'?" in message for message in messages(fault))


def test_the_first_folder_goes_before_the_second(tmp_path, project):
    mine = project.template("qa/open.jinja")
    other = tmp_path / "other" / "qa"
    other.mkdir(parents=True)
    (other / "open.jinja").write_text(mine.read_text().replace("A test.", "Another."))
    (other / "more.jinja").write_text(mine.read_text())
    found = {t.name: t for t in find_templates(["*"], [project.folder, tmp_path / "other"])}
    assert set(found) == {"qa/open", "qa/more"}
    assert found["qa/open"].front.summary == "A test."


def test_a_template_imports_from_its_own_folder_first_then_from_the_others(tmp_path, project):
    project.template("qa/open.jinja", USES)
    project.write("qa/_m.jinja", MACRO)
    other = tmp_path / "other" / "qa"
    other.mkdir(parents=True)
    (other / "_m.jinja").write_text(MACRO.replace("{{ x }}", "other {{ x }}"))
    (other / "far.jinja").write_text((project.folder / "qa/open.jinja").read_text())
    folders = [project.folder, tmp_path / "other"]
    near, far = find_templates(["qa/open", "qa/far"], folders)
    assert Compiled(near).render({"text": "a"}, "", 0).turns == [Turn("assistant", "a")]
    assert Compiled(far).render({"text": "a"}, "", 0).turns == [Turn("assistant", "other a")]
    (project.folder / "qa/_m.jinja").unlink()
    (near,) = find_templates(["qa/open"], folders)
    assert Compiled(near).render({"text": "a"}, "", 0).turns == [Turn("assistant", "other a")]


def test_the_hash_follows_the_template_and_what_it_imports_and_nothing_else(project):
    path = project.template("qa/open.jinja", USES)
    project.write("qa/_m.jinja", MACRO)
    project.template("qa/other.jinja")

    def hashes():
        return {t.name: t.hash for t in project.find("*")}

    first = hashes()
    os.utime(path)
    project.write("qa/_unused.jinja", MACRO)
    assert hashes() == first
    project.write("qa/_m.jinja", MACRO + "{# edited #}")
    second = hashes()
    assert second["qa/open"] != first["qa/open"]
    assert second["qa/other"] == first["qa/other"]


def test_line_ends_and_byte_order_marks_change_nothing(project):
    path = project.template("qa/open.jinja")
    (plain,) = project.find("qa/open")
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    (windows,) = project.find("qa/open")
    assert windows.hash == plain.hash


def test_a_template_that_is_not_utf8_says_in_which_line(project):
    path = project.template("qa/open.jinja")
    path.write_bytes(path.read_bytes() + b"\n{# caf\xe9 #}")
    with pytest.raises(TemplateFault, match=r"open.jinja:7: not UTF-8 text"):
        project.find("qa/open")


@pytest.mark.parametrize(
    "name", ["../secret.jinja", "/etc/passwd", "qa/../../secret.jinja", "link.jinja", "qa\\\\m.jinja", "no.jinja"]
)
def test_nothing_outside_of_the_template_folders_is_imported(project, tmp_path, name):
    (tmp_path / "secret.jinja").write_text(MACRO)
    project.template("qa/open.jinja", USES.replace("qa/_m.jinja", name))
    (project.folder / "link.jinja").symlink_to(tmp_path / "secret.jinja")
    with pytest.raises(TemplateFault, match=r"open.jinja:6: no file '.*' in the template folders"):
        project.find("qa/open")


def test_a_folder_that_is_not_there_holds_no_templates(tmp_path):
    assert template_names([tmp_path / "nothing"]) == {}


@pytest.mark.parametrize("template", SHIPPED, ids=lambda t: t.name)
def test_every_shipped_template_passes_its_own_tests_and_has_two(template):
    results = run_tests(template)
    assert len(results) >= 2
    assert not [result.difference for result in results if not result.passed]


@pytest.mark.parametrize("template", SHIPPED, ids=lambda t: t.name)
def test_every_shipped_template_says_where_it_comes_from(template):
    assert template.front.license
    assert template.front.source
    assert template.front.languages or not Subject(template=template, file="").wordings


@pytest.mark.parametrize("template", [t for t in SHIPPED if t.name.startswith("python/")], ids=lambda t: t.name)
def test_no_python_template_puts_the_answer_into_the_question(template):
    row = {
        "kind": "function",
        "module": "collections.tools",
        "qualname": "first_match",
        "name": "first_match",
        "signature": "def first_match(items, test, default=None):",
        "docstring": "Give the leading item that passes.\n\nNothing passes: the default.",
        "summary": "Give the leading item that passes.",
        "body": "def first_match(items, test, default=None):\n    for item in items:\n        if test(item):\n"
        "            return item\n    else:\n        return default\n    # never here",
        "decorators": [],
    }
    asked = ""
    for turn in Compiled(template).render(row, "id", 0).turns:
        if turn.role == "assistant":
            assert turn.content.strip("`") not in asked
        asked += turn.content


def test_python_docstrings_written_out_are_docstrings_again():
    import ast

    (template,) = (t for t in SHIPPED if t.name == "python/write_docstring")
    compiled = Compiled(template)
    for docstring in (
        "One.",
        'Says "hi"',
        "Ends in \\",
        "a\n\n  b\nc",
        '"""',
        "'''",
        "a''' \"x\"",
        "\\n",
        "é漢",
        "``` x",
    ):
        row = {"kind": "function", "signature": "def f():", "body": "def f(): ...", "docstring": docstring}
        code = compiled.render(row, "id", 0).turns[1].content.strip("`").removeprefix("python\n")
        assert ast.get_docstring(ast.parse(code).body[0]).strip() == docstring


def test_a_name_that_could_be_a_template_and_its_wording_is_a_fault(project):
    project.template("qa/a.jinja")
    for name in ("qa/a@b", "q@a/b"):
        project.template(f"{name}.jinja")
        with pytest.raises(TemplateFault, match=f"a template's name has no '@' .'{name}'.: .* rename the file"):
            project.find(name)
    assert [t.name for t in project.find("qa/a")] == ["qa/a"]
