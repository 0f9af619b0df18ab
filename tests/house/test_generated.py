"""Generated files are current and complete."""

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from docs.command_page import every_command
from docs.generate import generated
from docs.stage_versions import RECORD
from docs.template_pages import fenced
from instructkit.recipe.reference import field_docs
from instructkit.stages.table import STAGES, stage_class
from instructkit.templates.frontmatter import FrontMatter
from instructkit.templates.library import template_names


@pytest.fixture(scope="module")
def pages():
    return generated()


@pytest.fixture(scope="module")
def reference(root):
    return {path.stem: path.read_text(encoding="utf-8") for path in (root / "docs/reference").glob("*.md")}


def test_every_generated_file_is_current(pages, root):
    # The record of versions has a test of its own, with a message of its own.
    stale = [
        name
        for name, text in pages.items()
        if name != RECORD and (not (root / name).is_file() or (root / name).read_text(encoding="utf-8") != text)
    ]
    assert not stale, f"not current: {', '.join(stale)}; run `make docs` and commit what it writes"


def test_no_reference_page_or_schema_outlives_its_generator(pages, root):
    folders = ("docs/reference", "instructkit/share/schemas")
    there = {path.relative_to(root).as_posix() for folder in folders for path in (root / folder).iterdir()}
    assert there == {name for name in pages if name.startswith(folders)}


def test_generated_pages_do_not_depend_on_the_terminal(pages, monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setenv("TERM", "dumb")
    assert generated() == pages


def test_generated_pages_do_not_list_stages_of_third_parties(pages, monkeypatch, tmp_path):
    (tmp_path / "theirs-1.dist-info").mkdir()
    (tmp_path / "theirs-1.dist-info/METADATA").write_text("Metadata-Version: 2.1\nName: theirs\nVersion: 1\n")
    (tmp_path / "theirs-1.dist-info/entry_points.txt").write_text("[instructkit.stages]\ntheirs.stage = theirs:Stage\n")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    from instructkit.stages.table import stage_table

    stage_table.cache_clear()
    try:
        assert "theirs.stage" in stage_table()
        assert generated() == pages
    finally:
        stage_table.cache_clear()


@pytest.mark.parametrize("name", STAGES)
def test_every_stage_has_a_section_with_its_keys(name, reference):
    _, _, after = reference["stages"].partition(f"\n## `{name}`\n")
    section = after.partition("\n## ")[0]
    assert section
    for doc in field_docs(stage_class(name)):
        assert f"| `{doc.name}` |" in section


def test_defaults_that_hold_line_breaks_are_shown_as_json(reference):
    assert '| `separator` | text | `"\\n\\n"` |' in reference["stages"]


@pytest.mark.parametrize("name", [name for name, _ in every_command()])
def test_every_command_has_a_section_with_its_options(name, reference):
    _, _, after = reference["commands"].partition(f"\n## `instructkit {name}`\n")
    section = after.partition("\n## ")[0]
    assert f"instructkit {name}" in section
    for option in (p for p in dict(every_command())[name].params if p.param_type_name == "option"):
        assert f"`{option.opts[0]}`" in section
        assert option.help


def test_every_template_is_listed_with_a_sample(root):
    page = (root / "docs/templates.md").read_text(encoding="utf-8")
    for name in template_names([root / "templates"]):
        section = page.partition(f"\n### `{name}`\n")[2].partition("\n### ")[0]
        assert "\n**" in section, name


def test_every_key_of_a_template_is_documented(reference):
    for name in FrontMatter.__struct_fields__:
        assert f"| `{name}` |" in reference["templates"]


@given(st.text(st.sampled_from("`ab\n"), max_size=30))
def test_no_text_ends_its_block(text):
    head, *lines, fence = fenced(text)
    assert head == f"{fence}text"
    assert "\n".join(lines) == text
    assert not any(line.strip().startswith(fence) for line in lines)
