import fcntl
import json
import os
import pty
import re
import struct
import subprocess
import sys
import termios

import pytest
from click.testing import CliRunner

from instructkit.cli.main import cli


@pytest.fixture
def why(built):
    """The output of `instructkit why` with some arguments, not on a terminal."""
    return lambda *args: CliRunner().invoke(cli, ["why", "-b", str(built.folder), *args]).output


@pytest.fixture
def on_terminal(built, environment):
    """The same, on a real terminal of some width."""

    def run(columns: int, **variables: str) -> str:
        parent, child = pty.openpty()
        fcntl.ioctl(child, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
        clean = {k: v for k, v in environment.items() if k not in ("COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR")}
        command = [sys.executable, "-m", "instructkit", "why", "-b", str(built.folder), "three-900"]
        with subprocess.Popen(command, stdout=child, env={**clean, "TERM": "xterm", **variables}) as process:
            os.close(child)
            said = b""
            try:
                while block := os.read(parent, 65536):
                    said += block
            except OSError:  # Linux says so when the other end is closed
                pass
        os.close(parent)
        assert process.returncode == 0
        return said.decode()

    return run


def test_a_dropped_record_is_shown_beside_its_survivor(why):
    said = why("three-900")
    assert "  beside    one-5, which it is most like" in said
    assert "  from      notes.jsonl:6  in data/one/*.jsonl" in said
    assert said.endswith("[- And more.-]\n")


def test_full_folds_nothing(why):
    assert "… 21 equal words …" in why("three-900")
    assert "equal words" not in why("three-900", "--full")


def test_a_place_in_a_source_leads_to_the_comparison_too(why):
    assert "  beside    one-5, which it is most like" in why("notes.jsonl:41")


def test_json_holds_the_pieces(why):
    (comparison,) = json.loads(why("three-900", "--json"))["beside"]
    assert comparison["other"] == "one-5"
    assert comparison["pieces"][-1] == {"kind": "changed", "old": " And more.", "new": ""}


def test_a_terminal_gets_colours_and_a_wide_one_two_columns(on_terminal):
    narrow, wide = on_terminal(80), on_terminal(160)
    assert "\x1b[9;31m And more.\x1b[0m" in narrow
    assert "│" not in narrow
    assert re.search(r"dropped: three-900 +.*│.*kept: one-5", wide)


def test_no_color_is_heeded(on_terminal):
    said = on_terminal(80, NO_COLOR="1")
    assert "\x1b[" not in said
    assert "[- And more.-]" in said
