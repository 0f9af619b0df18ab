"""From documents and chats to a mix and a model: plain texts are learned beside conversations."""

import json

import pytest

from instructkit.build.build import build
from instructkit.errors import TrainingError
from instructkit.evaluate.run import evaluate
from instructkit.executors.local import LocalExecutor
from instructkit.recipe.recipe import load_recipe
from instructkit.schema import Example, records
from instructkit.store.builds import step_shards
from instructkit.train.config.scratch import Scratch
from instructkit.train.run import train

RECIPE = """\
recipe: mixed
seed: 3
steps:
  notes:    {stage: ingest.jsonl, path: notes.jsonl, key: number}
  texts:    {stage: render, templates: [pretraining/text]}
  chats:    {stage: ingest.chat, path: chats.jsonl}
  final:    {stage: split, from: [texts, chats], train: 0.8, validation: 0.1, test: 0.1}
  tuning:   {stage: mix, by: task, weights: {pretraining: 1, -: 3}, rows: 160, epochs: 2}
"""
LEARNS = {"max_steps": 40, "learning_rate": 5e-3}


@pytest.fixture(scope="module")
def mixed(tmp_path_factory):
    """Shards of the mix: 80 notes, every tenth long, and 80 chats."""
    root = tmp_path_factory.mktemp("project")
    sky = "The sky is blue and the grass is green. "
    notes = [{"number": n, "text": f"Note {n}. " + sky * (29 if n % 10 == 0 else 2)} for n in range(80)]
    chats = [{"prompt": f"({n}) Colour of the sky?", "completion": "It is blue."} for n in range(80)]
    for name, rows in (("notes", notes), ("chats", chats)):
        (root / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (root / "mixed.yaml").write_text(RECIPE)
    with LocalExecutor(1) as executor:
        result = build(load_recipe(root / "mixed.yaml"), root / "build", executor)
    return result.build, [path for path, _ in step_shards(result.build.folder, "tuning")[1]]


def test_a_model_learns_texts_and_conversations_as_often_as_the_mix_says(mixed, small, tmp_path):
    made, shards = mixed
    rows = [row for row in records(Example, made.rows("tuning").collect()) if row.split == "train"]
    assert sum(row.repeats for row in rows) == 160
    assert sum(row.repeats for row in rows if row.messages[0].role == "text") == 40

    result = train(small(**LEARNS), shards, tmp_path / "run", dataset_hash="d")
    total = json.loads((tmp_path / "run/preflight.json").read_text())["total"]
    assert total["trained"] == total["rows"] > len(rows)  # long notes in pieces, and nothing is lost
    assert result.after.overall.loss < result.before.overall.loss - 1

    measured = evaluate(result.model, shards, by=["task"], generations=4)
    assert {reply.template for reply in measured.generations} == {None}  # a text asks nothing
    found = {part.name: part for part in measured.slices}
    assert set(found) == {"pretraining", "-"}
    assert all(part.loss < 3 for part in found.values())


def test_an_encoder_decoder_has_no_use_for_texts_and_says_so(mixed, small, tmp_path):
    shape = Scratch(architecture="t5", hidden_size=32, layers=2, heads=2, vocab_size=360)
    with pytest.raises(TrainingError, match=r"cannot be labelled.*a plain text has no reply"):
        train(small(model=shape), mixed[1], tmp_path / "run", dataset_hash="d")
