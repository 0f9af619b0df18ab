import json

import click
import pytest
from rich.cells import cell_len

from instructkit.audit.run import audit
from instructkit.report.audit import audit_lines

ENDS = "The boat came back to the harbour in the evening, and all the children of the village ran down to see {} land"
ROWS = [
    {"instruction": "描述一下春天的景色。", "output": "nan"},
    *(
        {"instruction": f"Tell story number {n}.", "output": ENDS.format(f"captain{n} and crew{n}") + "."}
        for n in range(30)
    ),
    {"instruction": "Tell another story.", "output": ENDS.format("the old captain") + " with a"},
    {"instruction": "What is this?", "output": "很抱歉，我无法回答这个问题，请您换一个问题再试一次，谢谢您的理解。"},
    {"messages": [{"role": "narrator", "content": "Once."}]},
    {"instruction": "Say nothing.", "output": ""},
]


@pytest.fixture
def found(tmp_path):
    """An audit with errors, warnings and texts of wide characters."""
    (tmp_path / "stories.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    return audit([str(tmp_path / "stories.jsonl")])


@pytest.mark.parametrize("width", [30, 40, 60, 80, 120, 200])
def test_no_line_is_wider_than_the_terminal(found, width):
    lines = audit_lines(found, width)
    assert max(cell_len(line) for line in lines) <= width, lines


def test_the_worst_comes_first_and_says_where_to_look(found):
    lines = audit_lines(found, 120)
    assert lines[0].startswith("ERRORS    2 of 35 rows (5.7%) are wrong; ")
    kinds = [line.split()[0] for line in lines if line.startswith(("  error", "  warning", "  note"))]
    assert kinds == sorted(kinds, key=["error", "warning", "note"].index)
    assert any("unknown_role, row 34" in line for line in lines)


def test_of_an_answer_cut_off_the_end_is_shown(found):
    (line,) = (line for line in audit_lines(found, 100) if "answer cut off" in line)
    assert line.endswith("with a")


def test_a_narrow_terminal_loses_evidence_before_counts(found):
    wide, narrow = (" ".join(audit_lines(found, width)) for width in (120, 40))
    assert "row 34" in wide
    assert "row 34" not in narrow
    assert "no conversation" in narrow


def test_sixty_columns_show_which_row_repeats_which_even_of_long_paths(tmp_path):
    place = tmp_path / "a folder with a long name" / "another folder with a long name"
    place.mkdir(parents=True)
    for name, rows in {"train-00003-of-00007": ROWS[1:9], "test-00000-of-00001": ROWS[3:4]}.items():
        (place / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    lines = audit_lines(audit([str(place)], root=tmp_path), 60)
    assert max(map(cell_len, lines[2:])) <= 60
    (leak,) = (number for number, line in enumerate(lines) if "in two splits" in line)
    assert lines[leak + 1].strip().startswith("…")
    assert "00001.jsonl:1: as …" in lines[leak + 1]
    assert lines[leak + 1].endswith(".jsonl:3 of train")


def test_where_nothing_is_a_conversation_no_recipe_is_advised(tmp_path):
    rows = [{"foo": n} for n in range(5)]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    lines = audit_lines(audit([str(tmp_path / "rows.jsonl")]), 160)
    assert lines[0].startswith("ERRORS    5 of 5 rows (100%) are wrong")
    assert not any("ingest.chat" in line for line in lines)


def test_what_stands_in_a_row_tells_the_terminal_nothing(tmp_path):
    row = {"instruction": "Paint it.", "output": f"{ENDS.format('him')}, \x1b[31mred\x07 and"}
    (tmp_path / "rows.jsonl").write_text(json.dumps(row))
    (line,) = (line for line in audit_lines(audit([str(tmp_path / "rows.jsonl")]), 160) if "answer cut off" in line)
    assert line.isprintable()
    assert "[31mred  and" in line


def test_one_wording_carries_and_several_carry(tmp_path):
    rows = [{"instruction": "Go on with the tale.", "output": f"{n} boats came."} for n in range(9)]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (line,) = (line for line in audit_lines(audit([str(tmp_path / "rows.jsonl")]), 160) if "wordings" in line)
    assert "1 wording carries half of the prompts, 1 carries 90%" in line


def test_colours_change_nothing_but_colours(found):
    plain, coloured = audit_lines(found, 100), audit_lines(found, 100, colour=True)
    assert plain != coloured
    assert [click.unstyle(line) for line in coloured] == plain


def test_a_summary_fits_a_screen(found):
    assert len(audit_lines(found, 100)) <= 24
