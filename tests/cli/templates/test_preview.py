import json
import subprocess
import sys
import threading
from queue import Empty, Queue

import pytest

WAIT_S = 60


@pytest.fixture
def rows(run, tmp_path):
    path = tmp_path / "notes.jsonl"
    path.write_text('{"text": "The sea. "}\n{"text": "A bridge."}\n{"text": ""}\n')
    return str(path)


def test_conversations_drops_and_counts_are_printed(run, rows):
    done = run("preview", "mine/say", "--rows", rows)
    assert done.exit_code == 0
    assert "  assistant  trained, 2 words, 8 characters\n  │ The sea.\n" in done.output
    assert "not read: 1 empty_text, first notes.jsonl:3" in done.output
    assert "mine/say: 2 rows: 2 examples, 0 dropped" in done.output


def test_a_file_may_be_named_by_its_path(run, rows):
    assert "mine/say: 2 rows" in run("preview", str(run.file), "--rows", rows).output


def test_json_is_for_scripts(run, rows):
    found = json.loads(run("preview", "mine/say", "--rows", rows, "--json", "--limit", "1").output)
    (template,) = found["templates"]
    assert (template["rendered"], len(template["rows"]), found["faults"]) == (2, 1, [])


def test_a_faulty_template_exits_2_beside_the_others(run, rows):
    other = run.file.with_name("other.jinja")
    other.write_text(run.file.read_text().replace("{{ text }}", "{{ txt }}{{ text }}"))
    done = run("preview", "mine/*", "--rows", rows)
    assert done.exit_code == 2
    assert "mine/say: 2 rows" in done.output
    assert "other.jinja:9:25: block 'assistant' uses 'txt'" in done.stderr


def test_unknown_names_and_rows_exit_2(run, rows):
    assert "did you mean 'mine/say'?" in run("preview", "mine/sya", "--rows", rows).stderr
    assert run("preview", "mine/say", "--rows", "no-such-step").exit_code == 2


def test_tokens_need_a_tokenizer_that_is_there(run, rows, tmp_path):
    done = run("preview", "mine/say", "--rows", rows, "--tokenizer", str(tmp_path / "none"))
    assert done.exit_code == 1


@pytest.fixture
def watching(run, rows, tmp_path, environment):
    """The real process, and a way to wait for what it prints."""
    words = [sys.executable, "-u", "-m", "instructkit", "templates", "preview", "mine/say", "--rows", rows]
    process = subprocess.Popen(
        [*words, "--watch", "--project", str(tmp_path)], stdout=subprocess.PIPE, text=True, env=environment
    )
    lines: Queue[str] = Queue()
    reader = threading.Thread(target=lambda: [lines.put(line) for line in process.stdout], daemon=True)
    reader.start()

    def wait_for(text):
        seen = ""
        while text not in seen:
            try:
                seen += lines.get(timeout=WAIT_S)
            except Empty:
                pytest.fail(f"never printed {text!r}, but {seen!r}")
        return seen

    yield wait_for
    process.kill()
    process.wait()
    reader.join()
    process.stdout.close()


def test_watch_redraws_on_save_and_survives_faults_and_renames(run, watching):
    good = run.file.read_text()
    assert "The sea." in watching("Ctrl-C ends")
    run.file.write_text(good.replace("{{ text }}", "Said: {{ text }}"))
    watching("│ Said: The sea.")
    run.file.write_text(good.replace("{{ text }}", "{{ txt }}{{ text }}"))
    watching("block 'assistant' uses 'txt'")
    beside = run.file.with_name("say.jinja~")
    beside.write_text(good.replace("{{ text }}", "Again: {{ text }}"))
    beside.replace(run.file)
    watching("│ Again: The sea.")
    run.file.unlink()
    watching("the file is gone")
    run.file.write_text(good)
    watching("│ The sea.")


def test_watch_and_json_exclude_each_other(run, rows):
    assert "leave --json out" in run("preview", "mine/say", "--rows", rows, "--watch", "--json").stderr


@pytest.fixture
def odd(run, tmp_path):
    path = tmp_path / "odd.csv"
    path.write_text("id,Care Notes,Plant name\n1,Bright.,Ficus\n2,,Aloe\n")
    run.file.write_text(run.file.read_text().replace("text", "note"))
    return str(path)


def test_columns_of_a_file_are_read_by_inputs_of_other_names(run, odd):
    done = run("preview", "mine/say", "--rows", odd, "--text", "Plant name", "--column", "note=Care Notes")
    assert "and renders them with columns: {note: Care Notes}" in done.output
    assert "  │ Bright.\n" in done.output
    assert "2 rows: 1 example, 1 dropped" in done.output
    assert "it is read from the column 'Care Notes'" in done.output
    found = json.loads(run("preview", "mine/say", "--rows", odd, "--column", "note=fields.id", "--json").output)
    assert found["columns"] == {"note": "fields.id"}
    assert [row["messages"][0]["content"] for row in found["templates"][0]["rows"]] == ["1", "2"]


def test_the_column_of_the_text_and_a_column_that_is_not_there_are_told(run, odd):
    done = run("preview", "mine/say", "--rows", odd, "--text", "Care Notes", "--column", "note=Care Notes")
    assert "read 'note' from the text (--column note=text" in done.output
    done = run("preview", "mine/say", "--rows", odd, "--text", "Plant name", "--column", "note=Care Note")
    assert "no column 'Care Note' in the first rows; did you mean 'Care Notes'?" in done.output


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--column", "nte=Care Notes"], "--column: no template here has an input 'nte'; did you mean 'note'?"),
        (["--column", "note"], "write INPUT=COLUMN"),
        (["--column", "note=a", "--column", "note=b"], "'note' is given two columns, 'a' and 'b'"),
    ],
)
def test_columns_that_say_nothing_exit_2(run, odd, words, said):
    done = run("preview", "mine/say", "--rows", odd, *words)
    assert (done.exit_code, said in done.stderr) == (2, True)
    assert "name --rows" in run("preview", "mine/say", "--column", "note=a").stderr


def test_a_file_without_the_column_is_told_how_to_read_another(run, odd):
    done = run("preview", "mine/say", "--rows", odd, "--text", "Plant name")
    assert "has no column 'note' (it has id, Care Notes, Plant name); --column note=COLUMN reads" in done.output
