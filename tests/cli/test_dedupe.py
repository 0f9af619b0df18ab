import json
import os
import pty
import signal
import subprocess
import sys
import time
from types import ModuleType

import pytest
from click.testing import CliRunner

from instructkit.cli.dedupe import _slow_start
from instructkit.cli.main import cli

SENTENCE = "The moon pulls the sea and the sea comes back twice a day, which sailors knew before anybody could say why"


@pytest.fixture
def here(tmp_path, monkeypatch):
    """The current folder, with five rows of which one repeats another and one nearly so."""
    rows = [f"{SENTENCE}.", "Something else.", f"{SENTENCE.upper()}!", f"{SENTENCE}, he said.", None]
    lines = [json.dumps({"text": text, "n": n}) for n, text in enumerate(rows)]
    (tmp_path / "in.jsonl").write_text("\n".join(lines) + "\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def dedupe():
    """Call `instructkit dedupe`; gives the result."""
    return lambda *words: CliRunner().invoke(cli, ["dedupe", *words])


def test_what_was_found_is_told(here, dedupe):
    done = dedupe("in.jsonl", "out.jsonl", "--clusters", "clusters.jsonl")
    assert done.exit_code == 0, done.output
    assert [json.loads(line)["n"] for line in (here / "out.jsonl").read_text().splitlines()] == [0, 1, 4]
    said = [" ".join(line.split()) for line in done.stdout.splitlines()]
    assert said[:4] == [
        "read 5 rows, 1 without text",
        "dropped 2 (40.0%): 1 copy, 1 near-duplicate",
        "kept 3",
        "clusters 1: 3 rows like in.jsonl:1",
    ]
    assert said[4] == "verified 1 pairs; 20 bands of 7 rows find a pair of similarity 0.8 with probability 0.990"
    assert said[6:] == ["wrote out.jsonl", "wrote clusters.jsonl: who was dropped, and for whom"]
    assert sorted(os.listdir(here)) == ["clusters.jsonl", "in.jsonl", "out.jsonl"]


def test_json_holds_the_same_figures(here, dedupe):
    found = json.loads(dedupe("in.jsonl", "out.jsonl", "--json", "--keep", "longest").stdout)
    assert (found["rows"], found["kept"], found["copies"], found["near_duplicates"]) == (5, 3, 1, 1)
    assert found["largest"] == [{"rows": 3, "file": "in.jsonl", "line": 4}]
    assert found["written"] == [{"file": "out.jsonl", "rows": 3}]
    assert found["clusters_file"] is None


@pytest.mark.parametrize("unit", ["characters", "chars"])
def test_characters_have_two_names(here, dedupe, unit):
    assert json.loads(dedupe("in.jsonl", f"{unit}.jsonl", "--unit", unit, "--json").stdout)["kept"] == 3


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["in.jsonl", "out.jsonl", "--text", "txt"], 2, "no row has the column 'txt'; did you mean 'text'? (columns"),
        (["inn.jsonl", "out.jsonl"], 2, "inn.jsonl: no such file or folder (inn.jsonl); did you mean 'in.jsonl'?"),
        (["in.jsonl", "in.jsonl", "--force"], 2, "in.jsonl: is an input too"),
        (["in.jsonl", "out.csv"], 2, "out.csv: expected a name that ends in .jsonl"),
        (["in.jsonl", "out.jsonl", "--threshold", "0.001"], 2, "reach down to 0.04"),
        (["in.jsonl"], 2, "Missing argument 'IN...'"),
        (["in.jsonl", "out.jsonl", "--threshold", "80"], 2, "80.0 is not in the range 0<x<=1"),
        (["in.jsonl", "bad.jsonl", "out.jsonl"], 1, "bad.jsonl:2: not JSON (Expecting ',' delimiter, column 13)"),
    ],
)
def test_a_fault_is_told_with_its_place_and_nothing_is_written(here, environment, words, code, said):
    (here / "bad.jsonl").write_text('{"text": ""}\n{"text": "a"\n')
    before = sorted(os.listdir(here))
    done = subprocess.run(
        [sys.executable, "-m", "instructkit", "dedupe", *words], env=environment, capture_output=True, text=True
    )
    assert done.returncode == code
    assert said in done.stderr
    assert not done.stdout
    assert sorted(os.listdir(here)) == before


def test_an_output_is_replaced_when_that_is_asked_for(here, dedupe):
    (here / "out.jsonl").write_text("dear to me")
    assert dedupe("in.jsonl", "out.jsonl").exit_code != 0
    assert (here / "out.jsonl").read_text() == "dear to me"
    assert dedupe("in.jsonl", "out.jsonl", "--force").exit_code == 0
    assert len((here / "out.jsonl").read_text().splitlines()) == 3


def test_a_link_stays_a_link(here, dedupe):
    (here / "place.jsonl").symlink_to("real.jsonl")
    assert dedupe("in.jsonl", "place.jsonl").exit_code == 0
    assert (here / "place.jsonl").is_symlink()
    assert len((here / "real.jsonl").read_text().splitlines()) == 3


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGKILL"])
def test_a_killed_run_leaves_no_output(tmp_path, environment, name):
    source = tmp_path / "in.jsonl"
    with source.open("w") as file:
        for n in range(20_000):
            words = " ".join(f"w{n % 5000}x{i}" for i in range(60))
            file.write(f'{{"text": "{words}"}}\n')
    process = subprocess.Popen(
        [sys.executable, "-m", "instructkit", "dedupe", source, tmp_path / "out.jsonl"],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    # Stopped wherever it is after a while: what is left may not depend on that.
    time.sleep(1.2)
    process.send_signal(getattr(signal, name))
    process.wait()
    left = sorted(os.listdir(tmp_path))
    if "out.jsonl" in left:  # it was quicker
        assert len((tmp_path / "out.jsonl").read_text().splitlines()) == 5000
        left.remove("out.jsonl")
    assert left == ["in.jsonl"] or (name != "SIGINT" and len(left) == 2 and left[0].endswith(".partial"))


def test_a_first_run_says_that_it_will_take_longer(tmp_path, environment):
    code = (
        "from instructkit.cli.dedupe import _slow_start\nfrom instructkit.minhash import kernels\n"
        "print(_slow_start(kernels))"
    )
    command = [sys.executable, "-c", code]
    fresh = {**environment, "NUMBA_CACHE_DIR": str(tmp_path)}
    assert "first run compiles" in subprocess.run(command, env=fresh, capture_output=True, text=True, check=True).stdout


def test_a_missing_compiler_is_told():
    assert "numba is not installed" in _slow_start(ModuleType("instructkit.minhash.numpy_kernels"))


def test_the_command_loads_no_more_than_it_needs(here, environment):
    code = (
        "import sys\nfrom instructkit.cli.main import main\n"
        "try: main(['dedupe', 'in.jsonl', 'out.jsonl'])\n"
        "except SystemExit as leave: assert not leave.code\n"
        "print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    loaded = set(done.stdout.splitlines()[-1].split())
    unwanted = {"pyarrow", "scipy", "torch", "datasets", "datasketch", "rich", "jinja2", "instructkit.build"}
    assert "instructkit.dedupe" in loaded
    assert not loaded & (unwanted | {"instructkit.recipe", "instructkit.stages.table"})


def test_progress_on_a_terminal_is_gone_before_anything_else_is_said(here, environment):
    parent, child = pty.openpty()
    (here / "bad.jsonl").write_text('{"text": "a"}\n{"text": "a"\n')
    command = [sys.executable, "-m", "instructkit", "dedupe", "in.jsonl", "bad.jsonl", "out.jsonl"]
    with subprocess.Popen(command, stderr=child, stdout=subprocess.DEVNULL, env=environment):
        os.close(child)
        said = b""
        try:
            while block := os.read(parent, 65536):
                said += block
        except OSError:  # Linux says so when the other end is closed
            pass
    os.close(parent)
    assert b"\r\x1b[Kreading: 5 rows\r\x1b[K" in said
    assert said.rpartition(b"\r\x1b[K")[2].lstrip(b"\x1b[01;3m").startswith(b"error: ")
