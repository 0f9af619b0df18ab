"""The benchmarks run, at a size that measures nothing."""

from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.__main__ import SIZES, main
from benchmarks.cases import CASES, FINAL, MEASURED, PAIRS, RAW, WHOLE, Case, write_project
from benchmarks.corpus import PIECE_CHARACTERS, cut, make_corpus
from benchmarks.measure import Measurement, measure
from benchmarks.page import growth, rate
from benchmarks.whole import builds, starts
from instructkit.build.build import build
from instructkit.executors.local import LocalExecutor
from instructkit.recipe.recipe import load_recipe
from instructkit.stages.table import STAGES


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """Eight documents of this machine, with the rows that measured steps read."""
    folder = tmp_path_factory.mktemp("benchmarks")
    write_project(folder, make_corpus(8).head(8))
    above = folder / "recipes/above.yaml"
    above.write_text(f"recipe: above\nseed: 17\nsteps:\n{RAW}{PAIRS}{FINAL}")
    with LocalExecutor(1) as executor:
        build(load_recipe(above), folder / "build", executor)
    return folder


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_every_case_runs_its_own_step_and_no_other(project, case):
    if case.needs:
        pytest.importorskip(case.needs)
    recipe = project / "recipes/case.yaml"
    recipe.write_text(case.recipe)
    result = measure(load_recipe(recipe), MEASURED, project / "build")
    assert result.calls > 0
    assert result.rows > 0
    assert result.megabytes > 0
    assert result.seconds > 0
    assert result.peak_mb >= result.base_mb > 10


def test_every_stage_has_a_case_but_those_that_need_a_hub_or_a_training():
    assert {case.name.partition(" ")[0] for case in CASES} == set(STAGES) - {"ingest.hub", "filter.ledger"}


def test_a_step_that_was_built_before_is_not_measured(project):
    (project / "recipes/case.yaml").write_text(f"recipe: case\nseed: 17\nsteps:\n{RAW}{PAIRS}{FINAL}")
    with pytest.raises(SystemExit, match="only step 'final' was to run"):
        measure(load_recipe(project / "recipes/case.yaml"), "final", project / "build")


def test_the_command_writes_a_page_without_places_of_this_machine(tmp_path):
    out = tmp_path / "page.md"
    done = CliRunner().invoke(main, ["--sizes", "8", "--only", "filter.length", "--out", str(out)])
    assert done.exit_code == 0, done.output
    text = out.read_text(encoding="utf-8")
    assert "`python -m benchmarks --sizes 8 --only 'filter.length'`" in text
    assert text.count("\n| `filter.length` | 8 |") == 1
    assert str(tmp_path) not in text
    assert str(Path.home()) not in text


def test_whole_builds_and_starts_are_measured(project):
    (project / "recipes/whole.yaml").write_text(WHOLE)
    one, two, again = builds(project / "recipes/whole.yaml")
    assert [one[0], two[0], again[0]] == ["1 worker", "2 workers", "nothing changed"]
    assert all(run.cpu_s > 0 and run.peak_mb > 10 for _, run in (one, two, again))
    (base, _, none), *others = starts(1)
    assert "import click" in base
    assert none is None
    assert all(ratio > 0 for _, _, ratio in others)


def test_the_command_knows_three_sizes_a_factor_of_four_apart_and_spares_slow_stages():
    assert [size * 4 for size in SIZES[:-1]] == list(SIZES[1:])
    slow = Case(name="slow", step="", largest=2_000)
    assert slow.sizes(SIZES) == (125, 500, 2_000)
    assert slow.sizes((1, 4)) == (1, 4)


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=900), max_size=30))
def test_pieces_are_the_text_in_order_but_for_a_short_end(lines):
    text = "\n".join(lines)
    pieces = list(cut(text))
    assert text.startswith("".join(pieces))
    assert len(text) - sum(map(len, pieces)) < PIECE_CHARACTERS / 3


@pytest.mark.parametrize(("exponent", "said"), [(1.0, "1.00"), (2.0, "2.00"), (0.5, "0.50")])
def test_growth_is_the_exponent_of_cpu_time_over_rows(exponent, said):
    def took(rows: int) -> Measurement:
        return Measurement(rows=rows, megabytes=1, seconds=1, cpu_s=rows**exponent, peak_mb=1, base_mb=1, calls=1)

    assert growth(took(100), took(1600)) == said


@pytest.mark.parametrize(("rows", "said"), [(7, "7"), (1234, "1,230"), (98_765, "98,800")])
def test_rates_have_three_digits(rows, said):
    assert rate(rows, 1.0) == said
