"""Saves are seen whatever way an editor writes."""

import os

import pytest

from instructkit.report.preview.choice import choose
from instructkit.report.preview.watch import GONE_S, changes, files_of


@pytest.fixture
def watched(project):
    """Runs `changes` with edits in place of waiting: each call gives what the edits before it changed."""

    class Watched:
        folder = project / "templates/mine"
        file = folder / "name.jinja"
        choices = choose(["mine/name"], project)
        edits = ()
        now = 0.0

        def sleep(self, _):
            if not self.edits:
                raise KeyboardInterrupt
            self.edits.pop(0)()

        def run(self, *edits):
            self.edits = list(edits)
            found = []
            try:
                for changed in changes(self.choices, self.sleep, lambda: self.now):
                    found.append(changed)
            except KeyboardInterrupt:
                pass
            return found[1:]

        def wait(self):
            self.now += GONE_S + 0.1

    return Watched()


def test_a_write_in_place_is_seen_once(watched):
    assert watched.run(lambda: watched.file.write_text("new"), lambda: None) == [[0]]


def test_a_write_of_the_same_length_in_the_same_moment_is_seen(watched):
    text, stat = watched.file.read_text(), watched.file.stat()

    def edit():
        watched.file.write_text(text.replace("Name", "Call"))
        os.utime(watched.file, ns=(stat.st_atime_ns, stat.st_mtime_ns))

    assert watched.run(edit) == [[0]]


def test_a_touch_redraws_nothing(watched):
    assert watched.run(lambda: os.utime(watched.file), lambda: None) == []


def test_a_write_by_rename_is_one_change(watched):
    def edit():
        (watched.folder / "tmp").write_text("new")
        (watched.folder / "tmp").replace(watched.file)

    assert watched.run(edit, lambda: None) == [[0]]


def test_a_file_that_is_away_for_a_moment_is_waited_for(watched):
    text = watched.file.read_text()
    back = [watched.file.unlink, lambda: None, lambda: watched.file.write_text(text), lambda: None]
    assert watched.run(*back) == []
    empty = [lambda: watched.file.write_text(""), lambda: watched.file.write_text("new"), lambda: None]
    assert watched.run(*empty) == [[0]]


def test_a_file_that_stays_away_is_a_change(watched):
    assert watched.run(watched.file.unlink, watched.wait, lambda: None) == [[0]]


def test_what_is_imported_is_watched_also_where_it_is_not_there_yet(watched):
    source = '{% from "mine/_m.jinja" import m %}\n'
    watched.file.write_text(watched.file.read_text() + source)
    macros = watched.folder / "_m.jinja"
    (choice,) = watched.choices
    assert files_of(choice)[macros] is None
    assert watched.run(lambda: macros.write_text("a"), lambda: macros.write_text("b")) == [[0], [0]]


def test_only_the_template_that_changed_is_named(watched, project):
    (watched.folder / "two.jinja").write_text("x")
    watched.choices = choose(["mine/*"], project)
    assert watched.run(lambda: (watched.folder / "two.jinja").write_text("y")) == [[1]]
