"""Branches of a recipe that divide the same documents, each for itself, and meet again."""

import pytest

from instructkit.build.meeting import refuse_divided
from instructkit.errors import StageError
from instructkit.schema import Document, Origin, frame

BRANCHES = """\
recipe: branches
seed: 7
steps:
  raw:    {stage: ingest.jsonl, path: data/one/*.jsonl, text: body, key: number}
  sets:   {stage: split, train: 0.5, validation: 0, test: 0.5}
  titles: {stage: render, templates: [notes/title]}
  others: {stage: split, from: raw, train: 0.5, validation: 0, test: 0.5, seed: SEED}
  notes:  {stage: render, templates: [notes/write]}
  chat:   {stage: export.openai, from: [titles, notes]}
"""


def rows(*given):
    return frame(
        Document,
        [
            Document(id=name, source="s", origin=Origin(file="f"), text="x", group=group, split=split)
            for name, group, split in given
        ],
    ).lazy()


def test_branches_that_divide_alike_meet_and_others_are_refused(project, run_build):
    (project / "recipes/branches.yaml").write_text(BRANCHES.replace("SEED", "7"))
    assert run_build(project, recipe="recipes/branches.yaml").build.step("chat").rows_in == 80
    (project / "recipes/branches.yaml").write_text(BRANCHES.replace("SEED", "8"))
    with pytest.raises(
        StageError,
        match=r"step 'chat': document 'raw-\d+' lies in different splits on the branches that meet here",
    ) as error:
        run_build(project, recipe="recipes/branches.yaml")
    assert "Divide once, before the recipe branches or after the branches meet" in str(error.value)


def test_groups_that_branches_divide_are_named_with_a_record_of_each():
    one, other = rows(("a", "g", "train"), ("b", "h", "test")), rows(("c", "g+k", "test"))
    with pytest.raises(StageError, match=r"step 's': group 'g' lies in .*: 'c' in test, 'a' in train"):
        refuse_divided("s", [one, other])
    with pytest.raises(StageError, match=r"document 'x' .*: 'x' in test, 'x' in train"):
        refuse_divided("s", [rows(("x", "g", "test")), rows(("x", "h", None))])


def test_what_one_branch_divides_itself_is_not_the_meetings_affair():
    leaky = rows(("a", "g", "train"), ("b", "g", "test"))
    refuse_divided("s", [leaky, rows(("c", "h", "test"))])
    refuse_divided("s", [rows(("a", "g", None)), rows(("b", "g", None)), rows(("c", "g", None))])
    refuse_divided("s", [])
