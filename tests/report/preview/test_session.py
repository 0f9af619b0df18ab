"""A session loads and renders what changed, and survives faults."""

from instructkit.report.preview.choice import choose
from instructkit.report.preview.drawing import Look
from instructkit.report.preview.rows import rows_of
from instructkit.report.preview.session import Session


def session(project, **options):
    read = []

    def find(templates):
        read.append(len(templates))
        return rows_of("notes.jsonl", templates, text="body")

    made = Session(choices=choose(["mine/*"], project), find_rows=find, **options)
    made.update(range(len(made.choices)))
    return made, read


def drawn(made):
    return "\n".join(made.lines(Look()))


def test_a_fault_is_shown_in_place_and_mended_by_the_next_save(project):
    made, _ = session(project)
    path = project / "templates/mine/name.jinja"
    good = path.read_text()
    path.write_text(good.replace("{{ title }}", "{{ titel }}"))
    made.update([0])
    assert "at fault" in drawn(made)
    assert "name.jinja:13:25" in drawn(made)
    path.write_text(good.replace("Name this", "Call this"))
    made.update([0])
    assert "at fault" not in drawn(made)
    assert "Call this: The moon" in drawn(made) or "Please name this" in drawn(made)


def test_rows_are_read_once_while_the_inputs_stay(project):
    made, read = session(project)
    path = project / "templates/mine/name.jinja"
    path.write_text(path.read_text().replace("Name this", "Call this"))
    made.update([0])
    assert read == [1]
    path.write_text(
        path.read_text().replace("[text, title]", "[text, title, link]").replace("{{ title }}", "{{ link }}{{ title }}")
    )
    made.update([0])
    assert read == [1, 1]


def test_other_templates_are_neither_loaded_nor_rendered_again(project):
    second = project / "templates/mine/second.jinja"
    second.write_text((project / "templates/mine/name.jinja").read_text())
    made, _ = session(project)
    before = made.results[0]
    second.write_text(second.read_text().replace("Name this", "Call this"))
    made.update([1])
    assert made.results[0] is before
    assert made.results[1][0].template.hash != before[0].template.hash


def test_rows_that_cannot_be_read_are_a_fault_too(project):
    made, _ = session(project)
    (project / "notes.jsonl").unlink()
    path = project / "templates/mine/name.jinja"
    path.write_text(path.read_text().replace("[text, title]", "{text: , title: {required: false}}"))
    made.rows = None
    made.update([0])
    assert "no such file or folder" in drawn(made)
