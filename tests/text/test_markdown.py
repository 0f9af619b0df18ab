import re

import hypothesis.strategies as st
import yaml
from hypothesis import given

from instructkit.text.markdown import fenced, folded, front_matter, table

cells = st.text(st.sampled_from("ab |\n`"), max_size=8)


@given(st.text(st.sampled_from("a`\n "), max_size=40))
def test_a_fence_ends_behind_the_whole_text(text):
    first, *lines = fenced(text, "json").split("\n")
    fence = first.removesuffix("json")
    assert set(fence) == {"`"}
    assert [line.startswith(fence) for line in lines] == [False] * (len(lines) - 1) + [True]
    assert "\n".join(lines[:-1]) == text.rstrip()


@given(st.lists(st.tuples(cells, cells), max_size=4))
def test_a_table_keeps_its_columns_whatever_its_cells_hold(rows):
    lines = table(("one", "two"), rows).split("\n")
    assert len(lines) == 2 + len(rows)
    assert all(len(re.findall(r"(?<!\\)\|", line)) == 3 for line in lines)


def test_front_matter_is_what_the_hub_reads():
    text = front_matter({"language": ["de"], "pretty_name": "Bücher: eins"})
    assert text.startswith("---\n")
    assert text.endswith("\n---")
    assert "ü" in text
    assert yaml.safe_load(text.strip("-")) == {"language": ["de"], "pretty_name": "Bücher: eins"}


def test_what_is_folded_stands_behind_its_title():
    assert folded("More", "| a |") == "<details><summary>More</summary>\n\n| a |\n\n</details>"
