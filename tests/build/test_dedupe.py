"""Near-duplicate removal as a build: workers, shards, kills and new files change nothing but what they must."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time

import polars as pl
import pytest

from instructkit.build.build import build, read_log
from instructkit.executors.local import LocalExecutor
from instructkit.recipe.recipe import load_recipe
from instructkit.stages.ingest import limits

SOURCES = ["a", "b", "c", "d", "e"]
RECIPE = "\n".join(
    [
        "recipe: alike",
        "seed: 7",
        "steps:",
        *(f"  {name}: {{stage: ingest.jsonl, path: data/{name}/*.jsonl, text: body, key: number}}" for name in SOURCES),
        f"  same: {{stage: dedupe.exact, from: [{', '.join(SOURCES)}], ignore: [case, whitespace, diacritics]}}",
        "  unique: {stage: dedupe.minhash, threshold: 0.8, group_threshold: 0.6, keep: longest, prefer: [c]}",
    ]
)
RECIPE_FILE = "recipes/alike.yaml"
WORDS = [f"word{n}" for n in range(3000)]
ENDS = ["end", "end.", "énd", "end of the text", " ".join(WORDS[:30])]
"""What makes a text of its kind: the first, the same to both stages or to one of them, a near-duplicate, and kin."""
KINDS = 60


def body(kind, end):
    return " ".join([*random.Random(kind).choices(WORDS, k=80), end])


def write(path, rows):
    """Rows: number, kind and end of each text."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps({"number": n, "body": body(kind, end)}) + "\n" for n, kind, end in rows))


@pytest.fixture(scope="module")
def _files(tmp_path_factory):
    root = tmp_path_factory.mktemp("alike")
    for place, source in enumerate(SOURCES):
        # Of each kind a source lacks one end or another, so that clusters, kin and texts of their own are there.
        rows = [(kind, kind, ENDS[(kind + place) % 5]) for kind in range(KINDS) if (kind * 3 + place) % 4]
        write(root / f"data/{source}/texts.jsonl", rows)
    (root / "recipes").mkdir()
    (root / RECIPE_FILE).write_text(RECIPE)
    return root


@pytest.fixture
def alike(_files, tmp_path):
    """A fresh copy of the project; change it at will."""
    return shutil.copytree(_files, tmp_path / "alike")


@pytest.fixture(scope="module")
def whole(_files, tmp_path_factory):
    """The project, built by one process without a pause; do not change it."""
    root = shutil.copytree(_files, tmp_path_factory.mktemp("whole") / "alike")
    with LocalExecutor(1) as executor:
        return build(load_recipe(root / RECIPE_FILE), root / "build", executor).build


def calls(built, step, verb):
    return [call for run in built.step(step).runs for call in run.calls if call.verb == verb]


def decision(built, step):
    (call,) = calls(built, step, "decide")
    return pl.read_parquet(built.store.paths(call.kept))


def test_the_corpus_has_every_kind_of_verdict(whole):
    for step in ("same", "unique"):
        kept, gone = whole.step(step).rows_kept, whole.step(step).rows_dropped
        assert min(kept, gone) >= 30
    found = decision(whole, "unique")
    assert found["cluster"].null_count() > 10
    assert (found["nearest"] != found["survivor"]).any()


@pytest.mark.parametrize("workers", [2, 4])
def test_workers_change_no_byte(alike, whole, run_build, snapshot, workers):
    run_build(alike, workers, RECIPE_FILE)
    assert snapshot(alike / "build") == snapshot(whole.folder.parent)


@pytest.mark.parametrize("rows", [7, 20])
def test_smaller_shards_keep_and_drop_the_same(alike, whole, run_build, monkeypatch, rows):
    monkeypatch.setattr(limits, "SHARD_ROWS", rows)
    built = run_build(alike, 1, RECIPE_FILE).build
    assert len(built.step("unique").kept) > len(whole.step("unique").kept)
    for step in ("same", "unique"):
        assert decision(built, step).equals(decision(whole, step))
        assert built.rows(step).sort("id").collect().equals(whole.rows(step).sort("id").collect())
        assert built.drops(step).sort("id").collect().equals(whole.drops(step).sort("id").collect())


def test_a_build_killed_in_each_verb_goes_on_from_there_to_the_same_bytes(alike, whole, snapshot, environment):
    """Killed when so many calls of a verb are done: amid the sketches, behind the last, behind the decision ..."""
    moments = [("unique", "sketch", 1), ("unique", "sketch", 5), ("unique", "decide", 1)]
    landed = []
    for step, verb, count in [*moments, ("unique", "apply", 2), ("unique", "apply", float("inf"))]:
        process = subprocess.Popen(
            [sys.executable, "-m", "instructkit", "build", RECIPE_FILE, "--workers", "2"],
            cwd=alike,
            start_new_session=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env=environment,
        )
        while process.poll() is None and done(alike, step, verb) < count:
            time.sleep(0.002)
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            landed.append((step, verb))
        _, said = process.communicate()
        assert process.returncode in (0, -signal.SIGKILL), said.decode()
    assert process.returncode == 0
    assert {("unique", "sketch"), ("unique", "decide")} <= set(landed)
    keys = [line["key"] for line in read_log(alike / "build/alike") if "key" in line]
    assert len(keys) == len(set(keys)), "a finished call ran again"
    found, expected = snapshot(alike / "build"), snapshot(whole.folder.parent)
    # A kill between a shard's bytes and its record leaves litter for gc; every file of the whole build is there.
    assert {name: found.get(name) for name in expected} == expected


def done(project, step, verb):
    """Calls of a step that the log says are done."""
    path = project / "build/alike/log.jsonl"
    lines = path.read_text().split("\n")[:-1] if path.exists() else []  # the last may be half written
    return sum(line["step"] == step and line["verb"] == verb for line in map(json.loads, lines) if "key" in line)


def test_a_new_file_reapplies_only_the_shards_whose_verdict_changed(alike, run_build):
    recipe = alike / RECIPE_FILE
    extra = "  extra: {stage: ingest.jsonl, path: data/extra/*.jsonl, text: body, key: number}\n  same:"
    recipe.write_text(recipe.read_text().replace("  same:", extra).replace("[a,", "[extra, a,"))
    write(alike / "data/extra/0.jsonl", [(n, 1000 + n, "") for n in range(5)])
    write(alike / "data/d/texts.jsonl", [(n, 2000 + n, "") for n in range(5)])
    before = run_build(alike, 1, RECIPE_FILE).build
    write(alike / "data/extra/1.jsonl", [(5, 2003, "and some more")])
    after = run_build(alike, 1, RECIPE_FILE).build
    assert decision(after, "unique").filter(pl.col("id").is_in(["d-3", "extra-5"])).select("id", "survivor").rows() == [
        ("d-3", "extra-5"),
        ("extra-5", None),
    ]
    ran = {
        (step, verb): [call.where for call in calls(after, step, verb) if call.key not in made(before, step)]
        for step in ("same", "unique")
        for verb in ("sketch", "apply")
    }
    assert ran == {
        ("same", "sketch"): ["shard 1 of 6"],
        ("same", "apply"): ["shard 1 of 6"],
        ("unique", "sketch"): ["shard 1 of 6"],
        ("unique", "apply"): ["shard 1 of 6", "shard 5 of 6"],
    }


def made(built, step):
    return {call.key for run in built.step(step).runs for call in run.calls}
