"""The benchmark of rendering runs, and its ways render the same."""

from pathlib import Path

import pytest
from click.testing import CliRunner
from jinja2 import Environment

from benchmarks.corpus import make_corpus
from benchmarks.parts import read
from benchmarks.render.__main__ import main
from benchmarks.render.page import ratio
from benchmarks.render.project import BODIES, INPUTS, PASSAGE_CHARACTERS, message_bodies, passages
from benchmarks.render.ways import Took
from instructkit.templates.rendering import Compiled
from instructkit.templates.template import from_sources


@pytest.mark.slow
def test_the_command_writes_its_part_without_places_of_this_machine(tmp_path):
    out = tmp_path / "page.md"
    done = CliRunner().invoke(main, ["--rows", "20", "--rounds", "1", "--out", str(out)])
    assert done.exit_code == 0, done.output
    text = read(out.read_text(encoding="utf-8"))["render"]
    assert "`python -m benchmarks.render --rows 20 --rounds 1`" in text
    assert "| plain | instructkit, 1 worker |" in text
    assert text.count("Target: at least") == 2
    assert str(tmp_path) not in text
    assert str(Path.home()) not in text


@pytest.mark.parametrize("name", BODIES)
def test_bare_jinja_renders_the_same_words(name):
    body = BODIES[name]
    assert len(body.splitlines()) == 5
    source = f"---\nsummary: s\ntask: t\ninputs: [{', '.join(INPUTS)}]\n---\n{body}"
    ours = Compiled(from_sources("t", {"t.jinja": source}))
    assert (ours.direct is not None) == (name == "plain")
    bare = {role: Environment().from_string(text) for role, text in message_bodies(body).items()}
    rows = list(passages(make_corpus(20).pieces, 40))
    assert len(rows) == 40
    for row in rows:
        assert len(row["text"]) <= PASSAGE_CHARACTERS
        turns = ours.render({key: row[key] for key in INPUTS}, "id", 0).turns
        assert [(t.role, t.content.split()) for t in turns] == [(r, b.render(row).split()) for r, b in bare.items()]


def test_a_ratio_is_of_rows_per_cpu_second():
    assert ratio(Took(rows=100, seconds=1, cpu_s=2), Took(rows=100, seconds=1, cpu_s=6)) == pytest.approx(3)
