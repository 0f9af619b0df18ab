"""What a preview looks like."""

import click
import pytest
from rich.cells import cell_len

from instructkit.report.preview.drawing import Look, fault_lines, heading_lines, template_lines
from instructkit.report.preview.rendering import render
from instructkit.report.preview.rows import rows_of

PLAIN = Look()


@pytest.fixture
def drawn(template, project):
    def draw(look=PLAIN, **options):
        rows = rows_of("notes.jsonl", [template], text="body", seed=5, **options)
        (result,) = render(template, rows, limit=10)
        return [*heading_lines(rows, look), *template_lines(result, rows, look)]

    return draw


def test_a_preview_says_rows_messages_drops_and_counts(drawn):
    text = "\n".join(drawn())
    assert "as a recipe reads them with {stage: ingest.jsonl, path: notes.jsonl, text: body}" in text
    assert "not read: 1 empty_text, first notes.jsonl:3: 'body' is empty" in text
    assert "  user\n  │ " in text
    assert "  assistant  trained, 1 word, 5 characters\n  │ Tides\n" in text
    assert "  dropped: missing_input (title)\n  the template needs 'title', which is missing or empty" in text
    assert "mine/name: 2 rows: 1 example, 1 dropped\n  1 missing_input (title), first notes.jsonl:2" in text
    assert "\x1b" not in text


def test_lines_fit_the_terminal_and_wrapped_ones_are_told_from_lines(drawn, project, template):
    row = '{"body": "' + "a long sentence " * 20 + '", "title": "' + "中文" * 60 + '"}'
    (project / "notes.jsonl").write_text(row)
    lines = [click.unstyle(line) for line in drawn(Look(width=60, colour=True))]
    assert max(map(cell_len, lines)) <= 60
    assert sum(line.startswith("  │") for line in lines) == 2
    assert sum(line.startswith("  ┆") for line in lines) > 4


def test_trained_text_is_green(drawn):
    assert "\x1b[32mTides" in "\n".join(drawn(Look(width=80, colour=True)))


def test_long_messages_are_folded_in_the_middle_and_say_so(drawn, project):
    (project / "notes.jsonl").write_text('{"body": "' + "word " * 1000 + 'end", "title": "T"}')
    text = "\n".join(drawn())
    assert "characters folded; --full shows them" in text
    assert "word end" in text
    assert "folded" not in "\n".join(drawn(Look(full=True)))


def test_the_text_column_read_by_its_own_name_gets_a_hint(project, template):
    from instructkit.report.preview.choice import choose

    source = (project / "templates/mine/name.jinja").read_text().replace("text", "body")
    (project / "templates/mine/other.jinja").write_text(source)
    other = choose(["mine/other"], project)[0].load()
    rows = rows_of("notes.jsonl", [other], text="body")
    (result,) = render(other, rows, limit=1)
    assert "column 'body' is the document's text here" in "\n".join(template_lines(result, rows, PLAIN))


def test_faults_keep_their_places(project):
    from instructkit.report.preview.choice import choose

    path = project / "templates/mine/name.jinja"
    path.write_text(path.read_text().replace("{{ title }}", "{{ titel }}"))
    (choice,) = choose(["mine/name"], project)
    text = "\n".join(fault_lines("mine/name", choice.load(), PLAIN))
    assert "templates/mine/name.jinja:13:25: block 'assistant' uses 'titel'" in text
