"""What stages say beforehand: an error of one of them is a line, and hides nothing of the others."""

from instructkit.build.build import outlook, planned
from instructkit.recipe.recipe import load_recipe

RECIPE = """\
recipe: notes
steps:
  one:    {stage: ingest.jsonl, path: data/one/*.jsonl, text: body, key: number}
  clean:  {stage: decontaminate, against: eval/*.jsonl}
  groups: {stage: group.near}
"""


def test_an_error_of_one_outlook_is_a_line_with_paths_as_the_recipe_names_them(project):
    (project / "eval").mkdir()
    (project / "eval/empty.jsonl").write_text("")
    (project / "recipes/notes.yaml").write_text(RECIPE)
    recipe = load_recipe(project / "recipes/notes.yaml")
    said = outlook(recipe, *planned(recipe, project / "build"))
    (line,) = said["clean"]
    assert line.startswith("the build would stop here: eval/empty.jsonl: no rows, so nothing would be looked for")
    assert "recall" in "\n".join(said["groups"])
