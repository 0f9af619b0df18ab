"""A small project on disk that many tests build: three sources of notes, two templates, one of each kind of step."""

import json
import os
import shutil
from pathlib import Path

import hypothesis
import pytest

import instructkit
from instructkit.build.build import build
from instructkit.executors.local import LocalExecutor
from instructkit.recipe.recipe import load_recipe

# No test fails for the slowness of the machine that it runs on.
hypothesis.settings.register_profile("patient", deadline=None)
hypothesis.settings.load_profile("patient")

RECIPE = """\
recipe: notes
seed: 7
steps:
  one:    {stage: ingest.jsonl, path: data/one/*.jsonl, text: body, key: number}
  two:    {stage: ingest.jsonl, path: data/two/*.jsonl, text: body, key: number}
  three:  {stage: ingest.jsonl, path: data/three/*.jsonl, text: body, key: number}
  clean:  {stage: clean.text, from: [one, two, three]}
  long:   {stage: filter.length, min_words: 4}
  unique: {stage: dedupe.minhash, threshold: 0.7}
  pairs:  {stage: render, templates: [notes/*]}
  final:  {stage: split, train: 0.8, validation: 0.1, test: 0.1}
  chat:   {stage: export.openai}
"""
TITLE = """\
---
summary: Ask for a title.
task: title
inputs: [title, text]
---
{% block user %}Give this note a title: {{ text }}{% endblock %}
{% block assistant %}{{ title }}{% endblock %}
"""
WRITE = """\
---
summary: Ask for the note itself.
task: writing
inputs: [title, text]
---
{% block user %}Write a note called {{ title }}.{% endblock %}
{% block assistant %}{{ text }}{% endblock %}
"""
SUBJECTS = ["the sea", "old maps", "bread", "rain", "a bridge", "the owl", "salt", "a clock", "tin", "the harbour"]
VERBS = ["found", "sold", "painted", "lost", "measured", "buried", "mended"]


def note(number: int) -> dict:
    """A note that is near no other: its words are drawn by its number."""
    subject, verb = SUBJECTS[number % 10], VERBS[number % 7]
    words = " ".join(f"{verb}{(number * k) % 97} {subject} w{number}x{k}" for k in range(1, 9))
    return {"number": number, "title": f"Note {number}", "body": f"In year {number} somebody {words}."}


def write_notes(path: Path, numbers) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(note(n)) + "\n" for n in numbers))


@pytest.fixture(scope="session")
def _project_files(tmp_path_factory):
    root = tmp_path_factory.mktemp("project")
    for i, source in enumerate(("one", "two", "three")):
        write_notes(root / f"data/{source}/notes.jsonl", range(i * 40, i * 40 + 40))
    with (root / "data/three/notes.jsonl").open("a") as file:
        copy = note(5) | {"number": 900}
        copy["body"] += " And more."
        file.write(json.dumps(copy) + "\n")
        file.write(json.dumps({"number": 901, "title": "Short", "body": "Too short."}) + "\n")
        file.write('{"number": 902, "title": "Broken\n')
    for name, text in (("title", TITLE), ("write", WRITE)):
        (root / "templates/notes").mkdir(parents=True, exist_ok=True)
        (root / f"templates/notes/{name}.jinja").write_text(text)
    (root / "recipes").mkdir()
    (root / "recipes/notes.yaml").write_text(RECIPE)
    return root


@pytest.fixture
def project(_project_files, tmp_path) -> Path:
    """A fresh copy of the project; change it at will."""
    return Path(shutil.copytree(_project_files, tmp_path / "project"))


@pytest.fixture(scope="session")
def environment():
    """Of a process that is to find this package, installed or not."""
    return {**os.environ, "PYTHONPATH": str(Path(instructkit.__file__).parents[1])}


@pytest.fixture
def more_notes():
    """Write notes of some numbers to a file."""
    return write_notes


@pytest.fixture
def run_build():
    """Build a project's recipe with some number of workers; gives the BuildResult."""

    def run(
        project: Path, workers: int = 1, recipe: str = "recipes/notes.yaml", build_dir: Path | None = None, **options
    ):
        with LocalExecutor(workers) as executor:
            return build(load_recipe(project / recipe), build_dir or project / "build", executor, **options)

    return run


@pytest.fixture(scope="session")
def built(_project_files, tmp_path_factory):
    """The project, built once; do not change it."""
    root = Path(shutil.copytree(_project_files, tmp_path_factory.mktemp("built") / "project"))
    with LocalExecutor(1) as executor:
        return build(load_recipe(root / "recipes/notes.yaml"), root / "build", executor).build
