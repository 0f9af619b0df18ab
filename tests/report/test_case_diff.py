import re
from difflib import unified_diff

from hypothesis import given
from hypothesis import strategies as st

from instructkit.report.case_diff import case_lines

EXPECTED = "[user]\nSay it.\n[assistant]\nThe moon pulls the sea."
RENDERED = "[user]\nSay it.\n[assistant]\nThe sun pulls the sea.·"


def difference(expected, rendered):
    return "\n".join(unified_diff(expected.split("\n"), rendered.split("\n"), "expected", "rendered", lineterm="", n=2))


def test_a_pipe_gets_the_lines_as_they_are():
    found = case_lines(difference(EXPECTED, RENDERED), None, False)
    assert found[-2:] == ["    -The moon pulls the sea.", "    +The sun pulls the sea.·"]
    assert "    --- expected" in found


def test_a_wide_terminal_shows_both_side_by_side():
    found = case_lines(difference(EXPECTED, RENDERED), 140, False)
    assert [cell.strip() for cell in found[0].split("│")] == ["expected", "rendered"]
    last = [cell.strip() for cell in found[-1].split("│")]
    assert last == ["The [-moon-] pulls the [-sea.-]", "The {+sun+} pulls the {+sea.·+}"]
    assert [cell.strip() for cell in found[-2].split("│")] == ["[assistant]", "[assistant]"]


def test_a_narrow_terminal_shows_both_in_one_column():
    found = case_lines(difference(EXPECTED, RENDERED), 60, False)
    assert found[0].strip() == "[-expected-] {+rendered+}"
    assert found[-1].strip() == "The [-moon-]{+sun+} pulls the [-sea.-]{+sea.·+}"


def test_colours_stand_in_for_marks():
    (last,) = case_lines(difference(EXPECTED, RENDERED), 60, True)[-1:]
    assert "\x1b[" in last
    assert "[-" not in re.sub(r"\x1b\[[0-9;]*m", "", last)


def test_a_line_that_looks_like_the_head_of_a_diff_is_shown():
    lines = case_lines("--- expected\n+++ rendered\n@@ -1 +1 @@\n--- expected\n+x", 60, False)
    assert "-- expected" in "\n".join(lines)


@given(*[st.text(st.sampled_from("ab \n-+@·"), max_size=30)] * 2, st.sampled_from([30, 60, 120]))
def test_every_word_of_both_sides_is_shown(expected, rendered, width):
    found = "".join(case_lines(difference(expected, rendered) or "-a\n+b", width, True))
    seen = set(re.sub(r"\x1b\[[0-9;]*m", "", found))
    changed = set(expected.split("\n")) ^ set(rendered.split("\n"))
    assert {char for line in changed for char in line if not char.isspace()} <= seen
