import gzip
import json
import os
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from instructkit.dedupe import jsonl
from instructkit.dedupe.files import plan
from instructkit.dedupe.run import dedupe
from instructkit.dedupe.settings import Settings
from instructkit.errors import InputError, UsageFault

# A text by number and how many of its 80 words are changed; None is a row without text.
texts = st.one_of(st.none(), st.tuples(st.integers(0, 3), st.sampled_from([0, 1, 2, 60])))
numbers = st.integers(-(2**127), 2**127 - 1)  # what JSON is read with has no larger ones, and says so
extras = st.dictionaries(st.sampled_from(["id", "née", "a b"]), st.text(max_size=5) | numbers | st.none())
rows = st.lists(st.tuples(texts, extras, st.sampled_from(["", " ", "\t"])), max_size=12)
formats = st.tuples(
    st.sampled_from(["\n", "\r\n"]), st.sampled_from(["", "\n", " \r\n\n"]), st.booleans(), st.booleans()
)


@pytest.fixture
def small_blocks(monkeypatch):
    """Blocks of two texts or so."""
    monkeypatch.setattr(jsonl, "BLOCK_BYTES", 1500)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=rows, layout=formats, size=st.sampled_from([64, 1500, 1 << 20]), keep=st.sampled_from(["first", "longest"]))
def test_kept_lines_are_those_of_the_input_to_the_byte(
    tmp_path, monkeypatch, text_of, clusters_by_hand, rows, layout, size, keep
):
    monkeypatch.setattr(jsonl, "BLOCK_BYTES", size)
    end, blank, bom, ended = layout
    values = [None if text is None else text_of(*text) for text, _, _ in rows]
    lines = [
        space + json.dumps(extra | ({"text": value} if value is not None or extra else {}), ensure_ascii=False)
        for value, (_, extra, space) in zip(values, rows, strict=True)
    ]
    data = "".join(blank * (i % 2) + line + end for i, line in enumerate(lines)).encode()
    source, out = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_bytes((b"\xef\xbb\xbf" if bom else b"") + (data if ended else data.removesuffix(end.encode())))
    result = dedupe(plan([str(source)], str(out), None, force=True), Settings(keep=keep))
    found = clusters_by_hand(values, 0.8)
    stays = [max(c, key=lambda i: (len(values[i]), -i)) if keep == "longest" else c[0] for c in found]
    kept = sorted(stays + [i for i, value in enumerate(values) if value is None])
    last = b"\n" if kept and kept[-1] == len(lines) - 1 and not ended else None
    expected = [(lines[i] + end).encode() for i in kept]
    if last:
        expected[-1] = lines[-1].encode() + last
    assert out.read_bytes() == b"".join(expected)
    assert result.rows == len(lines)
    assert result.kept == len(kept)
    assert result.without_text == values.count(None)
    assert result.rows == result.kept + result.copies + result.near_duplicates
    assert result.clusters == sum(len(c) > 1 for c in found)


def test_the_clusters_are_those_found_by_comparing_all_with_all(
    tmp_path, run, write_lines, text_of, clusters_by_hand, small_blocks
):
    values = [text_of(i % 7, (i * i) % 5) for i in range(40)] + [None, "", "", "one", "One!", "two"]
    write_lines("a.jsonl", [{"text": t} for t in values[:20]])
    (tmp_path / "b.jsonl").write_text("".join("\n" + json.dumps({"text": t}) + "\n" for t in values[20:]))
    result = run("a.jsonl", "b.jsonl", clusters="clusters.jsonl")
    table = pl.read_ndjson(tmp_path / "clusters.jsonl")
    places = [("a.jsonl", i + 1) for i in range(20)] + [("b.jsonl", 2 * i + 2) for i in range(len(values) - 20)]
    row_of = {(str(tmp_path / file), line): row for row, (file, line) in enumerate(places)}
    members = [
        [row_of[m["file"], m["line"]] for m in c.to_dicts()] for _, c in table.group_by("cluster", maintain_order=True)
    ]
    assert members == [c for c in clusters_by_hand(values, 0.8) if len(c) > 1]
    assert table["cluster"].unique(maintain_order=True).to_list() == list(range(1, len(members) + 1))
    assert result.clusters == len(members)
    for row in table.to_dicts():
        cluster = members[row["cluster"] - 1]
        assert row["kept"] == (row_of[row["file"], row["line"]] == cluster[0])
        assert row_of[row["survivor_file"], row["survivor_line"]] == cluster[0]
        assert row_of[row["nearest_file"], row["nearest_line"]] in cluster
        assert (row["nearest_file"], row["nearest_line"]) != (row["file"], row["line"])
        assert 0.8 <= row["similarity"] <= 1
    assert [each.rows for each in result.largest] == sorted(map(len, members), reverse=True)[:3]
    assert (result.largest[0].file, result.largest[0].line) in row_of


def test_a_nearest_row_stands_with_its_similarity(tmp_path, run, write_lines, text_of):
    # 76 shingles of 5 words each; one word changed at the end changes one, two words two.
    write_lines("in.jsonl", [{"text": text_of(1)}, {"text": text_of(1, 2)}, {"text": text_of(1, 1)}])
    run("in.jsonl", clusters="clusters.parquet", keep="longest")
    table = pl.read_parquet(tmp_path / "clusters.parquet")
    assert table["similarity"].to_list() == pytest.approx([75 / 77, 74 / 78, 75 / 77])
    assert table["nearest_line"].to_list() == [3, 1, 1]
    assert table["line"].to_list() == [1, 2, 3]


@pytest.mark.parametrize("name", ["in.jsonl.gz", "in.ndjson.zst", "in.jsonlines"])
def test_packed_files_give_what_plain_ones_give(tmp_path, run, write_lines, text_of, small_blocks, name):
    rows = [{"text": text_of(i % 5, i % 2)} for i in range(20)]
    write_lines("plain.jsonl", rows)
    data = (tmp_path / "plain.jsonl").read_bytes()
    pack = {".gz": gzip.compress, ".zst": zstandard.compress}.get(Path(name).suffix, bytes)
    (tmp_path / name).write_bytes(pack(data))
    run("plain.jsonl", out="out.jsonl")
    run(name, out="other.jsonl")
    run("plain.jsonl", out="other.jsonl.gz")
    run("plain.jsonl", out="other.jsonl.zst")
    expected = (tmp_path / "out.jsonl").read_bytes()
    assert expected == b"".join(data.splitlines(keepends=True)[:5])
    assert (tmp_path / "other.jsonl").read_bytes() == expected
    assert gzip.decompress((tmp_path / "other.jsonl.gz").read_bytes()) == expected
    with zstandard.open(tmp_path / "other.jsonl.zst", "rb") as file:
        assert file.read() == expected


def test_the_order_of_the_inputs_is_the_order_of_preference(tmp_path, run, write_lines, text_of):
    write_lines("a.jsonl", [{"text": text_of(1, 1), "from": "a"}])
    write_lines("b.jsonl", [{"text": text_of(1), "from": "b"}])
    run("b.jsonl", "a.jsonl")
    assert json.loads((tmp_path / "out.jsonl").read_text())["from"] == "b"


def test_a_folder_gets_a_file_for_each_input(tmp_path, run, write_lines, text_of):
    (tmp_path / "corpus/deep").mkdir(parents=True)
    write_lines("corpus/a.jsonl", [{"text": text_of(1)}, {"text": text_of(2)}])
    write_lines("corpus/deep/b.jsonl", [{"text": text_of(2)}, {"text": text_of(3)}])
    result = run("corpus", out="clean/")
    assert (tmp_path / "clean/a.jsonl").read_bytes() == (tmp_path / "corpus/a.jsonl").read_bytes()
    assert json.loads((tmp_path / "clean/deep/b.jsonl").read_text())["text"] == text_of(3)
    assert [each.rows for each in result.written] == [2, 1]


def test_lists_and_numbers_are_compared_by_their_json(tmp_path, run, write_lines, text_of):
    chats = [[{"role": "user", "content": text_of(i % 2)}, {"role": "assistant", "content": "Yes."}] for i in range(4)]
    write_lines("chats.jsonl", [{"messages": chat} for chat in chats] + [{"messages": 7}, {"messages": 8}])
    result = run("chats.jsonl", text="messages")
    assert result.kept == 4
    assert result.copies == 2


def test_shingles_of_characters_find_what_words_do_not(run, write_lines):
    one = "abcdefghijklmnopqrstuvwxyz" * 4
    write_lines("in.jsonl", [{"text": one}, {"text": one + "!x"}])
    assert run("in.jsonl", out="words.jsonl").kept == 2
    assert run("in.jsonl", out="characters.jsonl", unit="characters").kept == 1


def test_a_hundred_equal_rows_leave_the_first(tmp_path, run, write_lines, small_blocks):
    write_lines("in.jsonl", [{"text": "The same old story.", "n": n} for n in range(100)])
    result = run("in.jsonl")
    assert (tmp_path / "out.jsonl").read_text() == '{"text": "The same old story.", "n": 0}\n'
    assert (result.copies, result.near_duplicates, result.clusters) == (99, 0, 1)


@pytest.mark.parametrize("data", [b"", b"\n", b"\xef\xbb\xbf", b" \r\n\r\n"])
def test_a_file_without_rows_gives_one_without_rows(tmp_path, run, data):
    (tmp_path / "in.jsonl").write_bytes(data)
    result = run("in.jsonl", clusters="clusters.jsonl")
    assert (result.rows, result.kept, result.clusters) == (0, 0, 0)
    assert (tmp_path / "out.jsonl").read_bytes() == b""
    assert (tmp_path / "clusters.jsonl").read_bytes() == b""


def test_rows_without_text_stay_and_a_file_of_such_rows_is_named(run, write_lines, tmp_path):
    write_lines("a.jsonl", [{"text": "Tides."}, {"text": None}, {"other": 1}, {"text": None}])
    write_lines("b.jsonl", [{"body": "Tides."}] * 2)
    result = run("a.jsonl", "b.jsonl")
    assert (result.kept, result.without_text) == (6, 5)
    assert result.files_without_text == [str(tmp_path / "b.jsonl")]


def test_one_thread_and_four_write_the_same(tmp_path, write_lines, text_of, environment):
    # Blocks that take a thread very unequal times: the order of what they find is that of the file all the same.
    write_lines(
        "in.jsonl",
        [{"text": " ".join(text_of(i % 30 + j, i % 3) for j in range(1 if i % 3 else 60))} for i in range(120)],
    )
    code = (
        "import sys\nfrom instructkit.dedupe import jsonl\njsonl.BLOCK_BYTES = 20_000\n"
        "from instructkit.cli.main import main\nmain(sys.argv[1:])"
    )
    said = []
    for threads in "14":
        words = ["dedupe", tmp_path / "in.jsonl", tmp_path / f"{threads}.jsonl", "--json", "--clusters"]
        done = subprocess.run(
            [sys.executable, "-c", code, *map(str, words), str(tmp_path / f"c{threads}.jsonl")],
            env={**environment, "POLARS_MAX_THREADS": threads},
            capture_output=True,
            text=True,
            check=True,
        )
        said.append(
            {k: v for k, v in json.loads(done.stdout).items() if k not in ("seconds", "written", "clusters_file")}
        )
    assert (tmp_path / "1.jsonl").read_bytes() == (tmp_path / "4.jsonl").read_bytes()
    assert (tmp_path / "c1.jsonl").read_bytes() == (tmp_path / "c4.jsonl").read_bytes()
    assert said[0] == said[1]
    assert said[0]["near_duplicates"] > 5


@pytest.mark.parametrize("when", ["reading", "comparing", "writing"])
def test_a_run_that_is_stopped_leaves_nothing(tmp_path, write_lines, text_of, small_blocks, when):
    write_lines("in.jsonl", [{"text": text_of(i % 3, i % 2)} for i in range(20)])
    before = sorted(os.listdir(tmp_path))

    def stop(what: str, done: int, of: int) -> None:
        if what == when:
            raise KeyboardInterrupt

    files = plan([str(tmp_path / "in.jsonl")], str(tmp_path / "out.jsonl"), tmp_path / "c.jsonl", force=False)
    with pytest.raises(KeyboardInterrupt):
        dedupe(files, Settings(), stop)
    assert sorted(os.listdir(tmp_path)) == before


@pytest.mark.parametrize("when", ["reading", "comparing", "writing"])
@pytest.mark.parametrize("change", ["longer", "shorter", "other"])
def test_an_input_that_changes_under_way_stops_the_run(tmp_path, write_lines, text_of, small_blocks, when, change):
    source = tmp_path / "in.jsonl"
    write_lines("in.jsonl", [{"text": text_of(i % 3, i % 2)} for i in range(20)])

    def meddle(what: str, done: int, of: int) -> None:
        data = source.read_bytes()
        if what == when and (what != "reading" or done == 20):
            source.write_bytes({"longer": data + b"{}\n", "shorter": data[:-2000], "other": data[::-1]}[change])

    files = plan([str(source)], str(tmp_path / "out.jsonl"), None, force=False)
    with pytest.raises(InputError, match=r"in\.jsonl: changed while it was read"):
        dedupe(files, Settings(), meddle)
    assert os.listdir(tmp_path) == ["in.jsonl"]


def test_a_threshold_out_of_reach_is_told_with_the_least_in_reach():
    with pytest.raises(UsageFault, match=r"--threshold 0\.01 .* --recall 0\.99: .* reach down to 0\.04"):
        Settings(threshold=0.01).banding()
    assert Settings(threshold=0.04).banding().catch_probability(0.04) >= 0.99
