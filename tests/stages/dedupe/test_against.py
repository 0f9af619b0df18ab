import gzip
import json
import shutil
import socket
import subprocess
import sys
import time

import msgspec
import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from instructkit.build.keys import KeyedStage
from instructkit.errors import InputError
from instructkit.minhash import across
from instructkit.minhash.buckets import unpacked
from instructkit.report.beside import comparison_lines
from instructkit.report.duplicates import comparisons
from instructkit.report.why import why
from instructkit.stages.contract import project_path
from instructkit.stages.dedupe import redis_index
from instructkit.stages.dedupe.against import DedupeAgainst
from instructkit.stages.dedupe.reference_rows import EXCERPT_CHARACTERS

WORDS = [f"word{n}" for n in range(400)]


def prose(start, length=60):
    return " ".join(WORDS[start : start + length])


def changed(text, *places):
    words = text.split()
    for place in places:
        words[place] = "changed"
    return " ".join(words)


def jaccard(a, b, size=5):
    """By plain sets of tuples: the brute force that the engine must agree with."""
    a, b = (tuple(text.lower().split()) for text in (a, b))
    one, two = ({t[i : i + size] for i in range(max(1, len(t) - size + 1))} for t in (a, b))
    return len(one & two) / len(one | two)


@pytest.fixture
def dataset(tmp_path):
    """Texts, or whole rows, as a file of JSON Lines; gives its path."""

    def write(*rows, name="eval.jsonl"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        lines = [json.dumps({"text": row} if isinstance(row, str) else row) for row in rows]
        path.write_text("".join(line + "\n" for line in lines))
        return str(path)

    return write


@pytest.fixture
def decided():
    """The decision of a stage about a shard."""

    def decide(stage, shard):
        return stage.decide(stage.sketch(shard).lazy(), shard.lazy()).sort("id")

    return decide


@pytest.fixture
def mixed_sides(documents, dataset):
    """Two files of a dataset, with blanks and copies among their rows, and a corpus of which some is like them."""
    one = dataset(prose(0), "", prose(50), prose(0), {"text": None}, *(f"short {n}" for n in range(9)), name="a.jsonl")
    two = dataset(changed(prose(0), 2), prose(150), {"text": prose(250), "id": "q"}, name="b.jsonl")
    texts = ["", prose(300), "short 3", "short 77", changed(prose(150), 58), prose(250), changed(prose(0), 2, 3)]
    return [one, two], documents(*texts, *(prose(n, 30) for n in range(100, 140)))


def test_a_near_duplicate_of_a_row_goes_and_the_drop_says_which(documents, run_corpus_stage, dataset):
    reference = dataset(prose(200), {"text": changed(prose(0), 59), "id": "q7"})
    shard = documents(prose(0), prose(100))
    kept, dropped = run_corpus_stage(DedupeAgainst(against=reference), [shard])
    assert kept["id"].to_list() == ["d1"]
    (row,) = dropped.select("id", "rule", "value", "threshold", "detail").rows()
    measured = f"{round(jaccard(prose(0), changed(prose(0), 59)), 4)}"
    folder = reference.split("/")[-2]
    detail = f"most like 'q7' ({folder}/eval.jsonl:2)"
    assert row == ("d0", "near_duplicate_of_reference", measured, "0.8", detail)


def test_records_of_the_corpus_are_not_compared_with_one_another_and_groups_stay(documents, run_corpus_stage, dataset):
    shard = documents(prose(0), prose(0), changed(prose(0), 3), prose(300))
    kept, dropped = run_corpus_stage(DedupeAgainst(against=dataset(prose(100), prose(100))), [shard])
    assert kept.equals(shard)
    assert dropped.is_empty()


def test_copies_in_the_corpus_all_go(documents, run_corpus_stage, dataset):
    near = changed(prose(0), 59)
    kept, dropped = run_corpus_stage(DedupeAgainst(against=dataset(prose(0))), [documents(near, prose(0), near, near)])
    assert kept.is_empty()
    assert dropped["value"].to_list() == [f"{round(jaccard(prose(0), near), 4)}", "1.0", *dropped["value"][2:]]


corpora = st.lists(st.tuples(st.integers(0, 3), st.lists(st.integers(0, 39), max_size=3)), min_size=1, max_size=9).map(
    lambda rows: [changed(prose(base * 50, 40), *places) for base, places in rows]
)


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(corpora, corpora, st.integers(1, 8), st.randoms())
def test_brute_force_agrees_in_any_order_and_sharding(
    documents, run_corpus_stage, dataset, written, theirs, cut, random
):
    # recall 0.9999: brute force misses nothing, so LSH may not either
    stage = DedupeAgainst(against=dataset(*theirs), threshold=0.6, recall=0.9999, num_perm=256)
    shard = documents(*written)
    kept, dropped = run_corpus_stage(stage, [shard])

    most = [max(jaccard(one, other) for other in theirs) for one in written]
    assert kept["id"].to_list() == [f"d{n}" for n, similarity in enumerate(most) if similarity < 0.6]
    for value, detail, gone in dropped.select("value", "detail", "id").rows():
        line = int(detail.rpartition(":")[2].rstrip(")"))
        assert float(value) == pytest.approx(most[int(gone[1:])], abs=1e-4)
        assert jaccard(theirs[line - 1], written[int(gone[1:])]) == pytest.approx(most[int(gone[1:])])

    order = list(range(shard.height))
    random.shuffle(order)
    mixed = shard[order]
    kept_2, dropped_2 = run_corpus_stage(stage, [mixed[:cut], mixed[cut:]])
    assert kept_2.sort("id").equals(kept.sort("id"))
    assert dropped_2.sort("id").equals(dropped.sort("id"))


@pytest.fixture(scope="module")
def redis_url(tmp_path_factory):
    """A Redis server of its own, on a port that was free; skipped where none is installed."""
    pytest.importorskip("redis", reason="the package redis is not installed (pip install 'instructkit[index]')")
    program = shutil.which("redis-server")
    if program is None:
        pytest.skip("no redis-server on this machine")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    folder = tmp_path_factory.mktemp("redis")
    words = [program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)]
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL)
    try:
        for _ in range(200):
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                time.sleep(0.05)
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        process.terminate()
        process.wait()


def test_a_redis_index_gives_the_same_decision_cold_warm_and_after_a_break(documents, decided, mixed_sides, redis_url):
    reference, shard = mixed_sides
    plain = decided(DedupeAgainst(against=reference), shard)
    stage = DedupeAgainst(against=reference, index=redis_url)
    assert plain.height
    assert decided(stage, shard).equals(plain)
    assert decided(stage, shard).equals(plain)
    server = connected(redis_url)
    server.delete(*server.keys("*_files"))  # as if the build had been killed before it noted that all was there
    assert decided(stage, shard).equals(plain)


def test_a_warm_redis_index_is_asked_and_not_made_again(documents, decided, dataset, redis_url):
    stage = DedupeAgainst(against=dataset(prose(77)), index=redis_url)
    assert decided(stage, documents(prose(77))).height == 1
    server = connected(redis_url)
    server.delete(*server.keys("*_bucket_*"))
    assert decided(stage, documents(prose(77))).is_empty()


def connected(url):
    import redis

    return redis.Redis.from_url(url)


def test_other_settings_have_an_index_of_their_own(documents, decided, dataset, redis_url):
    reference, shard = dataset(prose(20)), documents(changed(prose(20), 30))
    assert decided(DedupeAgainst(against=reference, index=redis_url), shard).height == 1
    assert decided(DedupeAgainst(against=reference, index=redis_url, shingle=40), shard).is_empty()


def test_a_redis_server_that_does_not_answer_is_named(documents, decided, dataset):
    pytest.importorskip("redis", reason="the package redis is not installed")
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    stage = DedupeAgainst(against=dataset(prose(0)), index=f"redis://127.0.0.1:{port}/3")
    with pytest.raises(InputError, match=rf"127.0.0.1:{port} \(database 3\) does not answer"):
        decided(stage, documents(prose(0)))


def test_a_redis_index_without_its_package_says_what_to_install(documents, decided, dataset, monkeypatch):
    monkeypatch.setitem(sys.modules, "redis", None)
    stage = DedupeAgainst(against=dataset(prose(0)), index="redis://127.0.0.1/0")
    with pytest.raises(InputError, match=r"instructkit\[index\]"):
        decided(stage, documents(prose(0)))


def test_an_index_in_a_folder_gives_the_same_decision_cold_and_warm(decided, mixed_sides, tmp_path):
    reference, shard = mixed_sides
    plain = decided(DedupeAgainst(against=reference), shard)
    stage = DedupeAgainst(against=reference, index=str(tmp_path / "index"))
    assert plain.height
    assert decided(stage, shard).equals(plain)
    kept = {path: path.read_bytes() for path in (tmp_path / "index").iterdir()}
    assert len(kept) == 2
    assert decided(stage, shard).equals(plain)
    assert {path: path.read_bytes() for path in (tmp_path / "index").iterdir()} == kept


def test_a_warm_index_is_read_and_not_made_again(documents, decided, dataset, tmp_path):
    one, other = dataset(prose(0), name="one.jsonl"), dataset(prose(100), name="other.jsonl")
    stages = [DedupeAgainst(against=path, index=str(tmp_path / "index")) for path in (one, other)]
    assert decided(stages[0], documents(prose(0))).height == 1
    (kept,) = (tmp_path / "index").iterdir()
    decided(stages[1], documents(prose(0)))
    (made,) = set((tmp_path / "index").iterdir()) - {kept}
    kept.write_bytes(made.read_bytes())
    assert decided(stages[0], documents(prose(0))).is_empty()


def test_a_damaged_index_is_made_anew(documents, decided, dataset, tmp_path):
    stage = DedupeAgainst(against=dataset(prose(0)), index=str(tmp_path / "index"))
    decided(stage, documents(prose(0)))
    (kept,) = (tmp_path / "index").iterdir()
    whole = kept.read_bytes()
    kept.write_bytes(whole[:-20])
    assert decided(stage, documents(prose(0))).height == 1
    assert kept.read_bytes() == whole


def test_a_dataset_that_changed_is_not_read_from_the_index(documents, decided, dataset, tmp_path):
    stage = DedupeAgainst(against=dataset(prose(0)), index=str(tmp_path / "index"))
    assert decided(stage, documents(prose(0))).height == 1
    dataset(prose(100))
    assert decided(stage, documents(prose(0))).is_empty()


def test_an_index_of_another_version_of_the_stage_is_not_read(documents, decided, dataset, tmp_path, monkeypatch):
    stage = DedupeAgainst(against=dataset(prose(0)), index=str(tmp_path / "index"))
    decided(stage, documents(prose(0)))
    (kept,) = (tmp_path / "index").iterdir()
    monkeypatch.setattr(DedupeAgainst, "version", DedupeAgainst.version + 1)
    assert decided(stage, documents(prose(0))).height == 1
    assert len(set((tmp_path / "index").iterdir()) - {kept}) == 1


def test_an_index_that_cannot_be_written_is_named(documents, decided, dataset, tmp_path):
    (tmp_path / "index").write_text("a file")
    stage = DedupeAgainst(against=dataset(prose(0)), index=str(tmp_path / "index"))
    with pytest.raises(InputError, match=r"index: .*cannot be written"):
        decided(stage, documents(prose(0)))


def test_packed_files_tables_folders_and_globs_are_read(documents, run_corpus_stage, dataset, tmp_path):
    (tmp_path / "sets/deep").mkdir(parents=True)
    plain = dataset(prose(0), name="sets/a.jsonl")
    with gzip.open(tmp_path / "sets/deep/b.jsonl.gz", "wt") as file:
        file.write("\n" + json.dumps({"text": prose(60)}) + "\n")
    table = pl.DataFrame({"text": ["x", prose(120)], "id": [1, 2]})
    table.write_parquet(tmp_path / "sets/c.parquet", row_group_size=1)
    shard = documents(*(prose(60 * n) for n in range(5)))
    for against in (str(tmp_path / "sets"), [plain, str(tmp_path / "sets/deep/*.gz"), str(tmp_path / "sets/c.*")]):
        kept, dropped = run_corpus_stage(DedupeAgainst(against=against), [shard])
        assert kept["id"].to_list() == ["d3", "d4"]
        places = [detail.partition("(")[2].rstrip(")") or detail.split()[-1] for detail in dropped["detail"]]
        assert [place.rpartition("/")[2] for place in places] == ["a.jsonl:1", "b.jsonl.gz:2", "c.parquet:2"]
        assert "'2'" in dropped["detail"][2]


def test_a_path_without_files_is_named(dataset, tmp_path):
    with pytest.raises(InputError, match="no such file or folder"):
        DedupeAgainst(against="evil.jsonl").keyed_inputs(tmp_path)
    with pytest.raises(InputError, match="matches no file"):
        DedupeAgainst(against="*.json").keyed_inputs(tmp_path)
    with pytest.raises(InputError, match="needs the folder of a build"):
        DedupeAgainst(against=dataset("a"), step="final").keyed_inputs(tmp_path)


@pytest.mark.parametrize(
    ("rows", "text", "message"),
    [
        ([{"question": "a"}], None, "no record has the column 'text'.*columns found: question"),
        ([{"question": "a"}], "queston", "did you mean 'question'"),
        ([{"text": "a"}, {"text": 7}], None, r"eval.jsonl:2: 'text' holds int, not text"),
        ([{"text": "a"}, ["b"]], None, r"eval.jsonl:2: JSON, but an array"),
        ([{"messages": [{"role": "wizard", "content": "a"}]}], None, r"eval.jsonl:1: message 1 is of an unknown role"),
    ],
)
def test_a_dataset_that_cannot_be_compared_is_named_with_its_place(documents, decided, dataset, rows, text, message):
    with pytest.raises(InputError, match=message):
        decided(DedupeAgainst(against=dataset(*rows), text=text), documents(prose(0)))


def test_a_table_without_the_column_is_named(documents, decided, tmp_path):
    pl.DataFrame({"question": ["a"]}).write_parquet(tmp_path / "a.parquet")
    for text in ("text", None):
        with pytest.raises(InputError, match=r"no .*column 'text'"):
            decided(DedupeAgainst(against=str(tmp_path / "a.parquet"), text=text), documents(prose(0)))


TURNS = [("user", prose(0)), ("assistant", prose(100)), ("user", "And?"), ("assistant", "Done.")]


@pytest.mark.parametrize(
    "row",
    [
        {"messages": [{"role": role, "content": content} for role, content in TURNS]},
        {"conversations": [{"from": {"user": "human"}.get(r, "gpt"), "value": content} for r, content in TURNS]},
        {
            "instruction": "And?",
            "output": "Done.",
            "history": [[TURNS[0][1], TURNS[1][1]]],
        },
    ],
)
@pytest.mark.parametrize("of", ["all", "prompt", "response"])
def test_conversations_of_all_formats_are_compared_by_the_text_of_their_messages(examples, decided, dataset, row, of):
    others = {"prompt": ("assistant", "response"), "response": ("user", "prompt"), "all": (None, None)}
    untold, unlike = others[of]
    shard = examples([(role, "Something else." if role == untold else content) for role, content in TURNS])
    (similarity,) = decided(DedupeAgainst(against=dataset(row), of=of, threshold=1.0), shard)["similarity"]
    assert similarity == 1.0
    if unlike:
        assert decided(DedupeAgainst(against=dataset(row), of=unlike), shard).is_empty()


def test_prompts_are_compared_with_the_questions_of_an_evaluation_set(examples, run_corpus_stage, dataset):
    question = "What is the capital of the country that borders both France and Portugal?"
    shard = examples(
        [("user", question.upper()), ("assistant", "Madrid.")],
        [("user", "Write this question down."), ("assistant", question)],
    )
    stage = DedupeAgainst(against=dataset({"question": question, "answer": "Madrid"}), text="question", of="prompt")
    kept, dropped = run_corpus_stage(stage, [shard])
    assert kept["id"].to_list() == ["e1"]
    assert kept["group"].to_list() == shard["group"][1:].to_list()
    assert dropped["id"].to_list() == ["e0"]


def test_empty_texts_are_like_nothing(documents, run_corpus_stage, dataset):
    reference = dataset("", "  \n", {"text": None}, {"other": 1}, "word")
    kept, _ = run_corpus_stage(DedupeAgainst(against=reference), [documents("", "  ", "\n", "words", prose(0))])
    assert kept.height == 5


def test_a_dataset_of_blanks_or_a_corpus_of_nothing_is_no_trouble(documents, run_corpus_stage, dataset):
    assert run_corpus_stage(DedupeAgainst(against=dataset("", "")), [documents(prose(0))])[0].height == 1
    assert run_corpus_stage(DedupeAgainst(against=dataset(name="no.jsonl")), [documents(prose(0))])[0].height == 1
    assert run_corpus_stage(DedupeAgainst(against=dataset("a")), [documents()])[0].is_empty()


def test_the_text_of_a_repeated_row_is_kept_up_to_its_bound(documents, decided, dataset):
    long = " ".join(f"w{n}" for n in range(1000))
    (text, length) = decided(DedupeAgainst(against=dataset(long)), documents(long)).row(0)[-2:]
    assert (text, length) == (long[:EXCERPT_CHARACTERS], len(long))


def test_a_bucket_that_all_share_costs_no_product():
    size = 10_000
    hashes = np.zeros(2 * size, dtype=np.uint64)
    lengths = np.random.default_rng(7).integers(0, 5_000, 2 * size).astype(np.uint32)
    seen = 0

    def count(pairs):
        nonlocal seen
        seen += len(pairs)
        left, right = unpacked(pairs)
        assert (left < size).all()
        assert (right >= size).all()
        return pairs

    pairs = across.pairs_across([hashes], lengths, size, count)
    assert seen == size * across.COMPARED_WITH == len(pairs)
    left, right = unpacked(pairs)
    apart = np.abs(lengths[left].astype(int) - lengths[right].astype(int))
    assert apart.max() < 500  # of 5,000: the next ones in length


def test_copies_in_a_bucket_count_once(documents, decided, dataset):
    many = [changed(prose(0), 59)] * 3_000
    found = decided(DedupeAgainst(against=dataset(*[prose(0)] * 3_000)), documents(*many))
    assert found.height == 3_000
    assert found["reference_line"].unique().to_list() == [1]


def test_the_address_of_a_server_is_read_as_redis_itself_reads_it():
    said = redis_index._connection("rediss://me:p%40ss%2Fword@host:7000/3")
    assert (said["username"], said["password"], said["host"], said["port"], said["db"], said["ssl"]) == (
        "me", "p@ss/word", "host", 7000, 3, True,
    )  # fmt: skip
    assert "password" not in redis_index._connection("redis://host")


def test_faults_name_the_field():
    (fault,) = DedupeAgainst(against="a", threshold=0.01, num_perm=16).faults()
    assert "16 permutations" in fault
    (fault,) = DedupeAgainst(against=[]).faults()
    assert fault.startswith("against:")
    (fault,) = DedupeAgainst(against="a", threshold=1.0, index="redis://localhost").faults()
    assert fault.startswith("index:")
    assert DedupeAgainst(against="a", threshold=1.0, index="kept").faults() == []
    for address in ("redis://host/first", "redis://host:port/0", "http://host", "s3://bucket/index"):
        (fault,) = DedupeAgainst(against="a", index=address).faults()
        assert "neither a folder nor the address" in fault
    for address in ("redis://host", "rediss://me:p%40ss@host:7000/3"):
        assert DedupeAgainst(against="a", index=address).faults() == []


RECIPE = """\
recipe: fresh
seed: 7
steps:
  notes: {stage: ingest.jsonl, path: data/one/*.jsonl, text: body, key: number}
  fresh: {stage: dedupe.against, against: [AGAINST], threshold: 0.7}
"""


@pytest.fixture
def fresh(project, run_build):
    """Build the project's notes against something."""

    def build(*against, settings=""):
        recipe = RECIPE.replace("AGAINST", ", ".join(against)).replace("0.7}", f"0.7{settings}}}")
        (project / "recipes/fresh.yaml").write_text(recipe)
        return run_build(project, recipe="recipes/fresh.yaml").build

    return build


def calls(build):
    return [call.key for run in build.step("fresh").runs for call in run.calls]


def test_an_earlier_build_is_compared_with_by_its_last_rows_or_those_of_a_step(project, run_build, fresh):
    earlier = run_build(project).build
    build = fresh("build/notes", settings=", step: unique")
    assert build.step("fresh").rows_dropped == 40
    drop = build.drops("fresh").sort("id").collect().row(0, named=True)
    assert (drop["id"], drop["detail"]) == ("notes-0", "most like 'one-0' (build/notes/unique)")
    (comparison,) = comparisons(build, "fresh", drop["id"])
    assert (comparison.role, comparison.other, comparison.similarity) == ("reference", "one-0", 1.0)
    assert {piece.kind for piece in comparison.pieces} == {"equal"}
    # What lies beside the rows of the step is no input: a training, an export, another step.
    before = calls(build)
    (earlier.folder / "trainings/x").mkdir(parents=True)
    (earlier.folder / "trainings/x/model.safetensors").write_text("weights")
    assert calls(fresh("build/notes", settings=", step: unique")) == before
    assert calls(fresh("build/notes", settings=", step: clean")) != before
    with pytest.raises(InputError, match=r"no step 'uniqe'.*did you mean 'unique'"):
        fresh("build/notes", settings=", step: uniqe")


def test_why_shows_the_row_of_the_dataset(project, fresh):
    notes = [json.loads(line) for line in (project / "data/one/notes.jsonl").read_text().splitlines()]
    (project / "eval").mkdir()
    rows = [{"text": "Another."}, {"text": notes[3]["body"] + " And more."}]
    (project / "eval/held[1].jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    build = fresh("eval/*.jsonl")
    (drop,) = build.drops("fresh").collect()["id"]
    trace = why(build, drop)
    (comparison,) = trace.beside
    said = "\n".join(comparison_lines(comparison))
    assert "beside    eval/held[1].jsonl:2, which it is most like" in said
    assert "datasets that step 'fresh' compares with" in said
    assert "{+ And more.+}" in said


def test_neither_the_place_of_the_project_nor_the_index_is_part_of_a_key(project, fresh, run_build, tmp_path):
    (project / "eval").mkdir()
    (project / "eval/a.jsonl").write_text((project / "data/one/notes.jsonl").read_text())
    build = fresh("eval/*.jsonl", settings=", text: body, index: kept")
    assert build.step("fresh").rows_dropped == 40
    assert list((project / "kept").iterdir())
    moved = shutil.copytree(project, tmp_path / "data[1]" / "moved", ignore=shutil.ignore_patterns("build", "kept"))
    assert calls(run_build(moved, recipe="recipes/fresh.yaml").build) == calls(build)
    assert calls(fresh("eval/*.jsonl", settings=", text: body")) == calls(build)


def test_an_absolute_path_with_a_dot_in_it_leaves_the_others_in_the_project(dataset, tmp_path):
    dataset(prose(0), name="far/a.jsonl")
    dataset(prose(0), name="here/b.jsonl")
    stage = DedupeAgainst(against=[f"{tmp_path}/far/./a.jsonl", "b.jsonl"])
    fields = msgspec.json.decode(KeyedStage("fresh", "dedupe.against", stage, tmp_path / "here").fields)
    assert project_path(fields["against"]) == (tmp_path / "here", [f"{tmp_path}/far/a.jsonl", "b.jsonl"])
