import json
import shutil
from pathlib import Path

import msgspec
import pytest

from instructkit.build.build import build
from instructkit.executors.local import LocalExecutor
from instructkit.recipe.recipe import load_recipe
from instructkit.report.duplicates import comparisons, verdict
from instructkit.report.why import all_comparisons, as_json, why

CHAIN = """\
recipe: chain
seed: 1
steps:
  notes: {stage: ingest.jsonl, path: data/chain/*.jsonl, text: body, key: number}
  unique: {stage: dedupe.minhash, threshold: 0.7}
  clean: {stage: clean.text}
  pairs: {stage: render, templates: [notes/*]}
  alike: {stage: dedupe.exact, of: response}
"""
WORDS = [f"word{n}" for n in range(100)]


def with_words(**changed):
    """A hundred words, some of them others."""
    return " ".join(changed.get(word, word) for word in WORDS)


@pytest.fixture(scope="module")
def chain(_project_files, tmp_path_factory):
    """A build where c is most like b, and b and c go for a."""
    root = Path(shutil.copytree(_project_files, tmp_path_factory.mktemp("chain") / "project"))
    bodies = {
        "a": with_words(),
        "b": with_words(word20="B"),
        "c": with_words(word20="B", word60="C") + "  \u00adDone.",
        "same": "A note \n of its own.",
        "Same": "a NOTE of its own.",
    }
    rows = [{"number": key, "title": "A title", "body": body} for key, body in bodies.items()]
    (root / "data/chain").mkdir()
    (root / "data/chain/notes.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (root / "recipes/chain.yaml").write_text(CHAIN)
    with LocalExecutor(1) as executor:
        return build(load_recipe(root / "recipes/chain.yaml"), root / "build", executor).build


def texts(comparison):
    return tuple("".join(getattr(piece, side) for piece in comparison.pieces) for side in ("old", "new"))


def test_a_duplicate_stands_beside_its_survivor(built):
    (comparison,) = comparisons(built, "unique", "three-900")
    assert (comparison.dropped, comparison.other, comparison.role) == ("three-900", "one-5", "nearest and kept")
    assert (comparison.origin.file, comparison.origin.line) == ("notes.jsonl", 6)
    assert comparison.location == ["data/one/*.jsonl"]
    assert comparison.ignore == ["case", "punctuation", "whitespace"]
    assert [(p.old, p.new) for p in comparison.pieces if p.kind == "changed"] == [(" And more.", "")]
    old, new = texts(comparison)
    assert old == new + " And more."
    drop = built.drops("unique").collect().row(0, named=True)
    assert comparison.similarity == pytest.approx(float(drop["value"]), abs=1e-4)


def test_of_a_chain_the_nearest_comes_first(chain):
    nearest, kept = comparisons(chain, "unique", "notes-c")
    assert (nearest.other, nearest.role, kept.other, kept.role) == ("notes-b", "nearest", "notes-a", "kept")
    assert nearest.similarity >= 0.7
    assert kept.similarity is None
    assert (nearest.origin.line, kept.origin.line) == (2, 1)


def test_texts_are_those_that_the_step_read_whatever_became_of_them(chain):
    nearest, _ = comparisons(chain, "unique", "notes-c")
    old, new = texts(nearest)
    assert old.endswith("  \u00adDone.")
    assert new == with_words(word20="B")


def test_examples_are_compared_by_the_text_that_the_step_looked_at(chain):
    found = [
        each
        for drop in chain.drops("alike").collect()["id"]
        for each in comparisons(chain, "alike", drop)
        if drop.endswith("title")
    ]
    assert found
    assert {each.of for each in found} == {"response"}
    assert {texts(each) for each in found} == {("A title", "A title")}


def test_a_record_that_was_kept_stands_beside_none(chain):
    assert verdict(chain, "unique", "notes-a") is None
    assert why(chain, "notes-a").beside == []


def test_a_step_that_looks_for_no_duplicates_has_no_verdict(built):
    assert comparisons(built, "long", "three-901") == []
    assert comparisons(built, "final", "one-1/notes/title") == []


def test_the_verdict_is_what_the_drop_says(chain):
    for drop in chain.drops("unique").collect().iter_rows(named=True):
        found = verdict(chain, "unique", drop["id"])
        assert f"'{found.survivor}'" in drop["detail"]
        assert f"'{found.nearest}'" in drop["detail"]
        assert f"{found.similarity:.4f}".rstrip("0") == f"{float(drop['value']):.4f}".rstrip("0")


def test_a_trace_holds_the_comparisons_as_plain_data(chain):
    trace = why(chain, "notes-c")
    data = as_json(trace)["beside"]
    assert [each["other"] for each in data] == ["notes-b", "notes-a"]
    assert "".join(piece["old"] for piece in data[0]["pieces"]) == texts(trace.beside[0])[0]
    json.dumps(data)


def test_an_example_shows_what_dropped_its_document(chain):
    step = "alike"
    dropped = chain.drops(step).collect()["id"].sort()[0]
    trace = why(chain, dropped)
    assert [each.step for each in all_comparisons(trace)] == [step]
    (document,) = trace.documents
    inner = msgspec.structs.replace(
        trace, beside=[], documents=[msgspec.structs.replace(document, beside=trace.beside)]
    )
    assert all_comparisons(inner) == trace.beside
