"""A stage whose source has changed has another version, or somebody has said that its output is the same."""

import copy
import json

import pytest

from docs.stage_versions import RECORD, changed_without_a_version, closure, compare, source_hash, stage_versions


@pytest.fixture
def hash_of(tmp_path, monkeypatch):
    """Hash of a source text."""
    monkeypatch.setattr("docs.stage_versions.ROOT", tmp_path)
    names = iter(range(100))

    def hashed(text: str) -> str:
        folder = tmp_path / str(next(names))
        folder.mkdir()
        (folder / "stage.py").write_text(text)
        monkeypatch.setattr("docs.stage_versions.ROOT", folder)
        return source_hash([folder / "stage.py"])

    return hashed


def test_no_stage_changed_under_its_old_version(root):
    messages = changed_without_a_version(root)
    assert not messages, "\n".join(messages)


def test_the_record_is_current(root):
    recorded = json.loads((root / RECORD).read_text(encoding="utf-8"))
    found = stage_versions()
    differ = [name for name in {**recorded, **found} if recorded.get(name) != found.get(name)]
    assert not differ, f"{RECORD} is not current for {', '.join(differ)}; run `make docs` and commit what it writes"


def test_a_changed_source_under_an_old_version_is_told_with_the_way_out():
    before = {"filter.length": {"version": {"FilterLength": 1}, "source": "a"}}
    after = copy.deepcopy(before)
    assert compare(before, after) == []
    after["filter.length"]["source"] = "b"
    (message,) = compare(before, after)
    assert "filter.length" in message
    assert "raise `version`" in message
    assert "make docs" in message
    after["filter.length"]["version"]["FilterLength"] = 2
    assert compare(before, after) == []


def test_comments_docstrings_and_layout_are_not_source(hash_of):
    plain = hash_of("class A:\n    n: int = 1\n    def f(self, x):\n        return f'{x:>{self.n}}'\n")
    dressed = hash_of(
        '"""A module."""\nclass A:\n    """A class."""\n\n    n: int = 1\n    """A field."""\n'
        "    def f(self, x):\n        # why\n        return f'{x:>{self.n}}'\n"
    )
    assert plain == dressed


@pytest.mark.parametrize("other", ["x = [1, 2]", "x = ['', 1]", "y = [1]", "x = (1,)", "x = [True]", "x = ['1']"])
def test_any_other_code_is_another_source(hash_of, other):
    assert hash_of("x = [1]") != hash_of(other)


def test_the_source_of_a_stage_holds_what_it_imports_at_any_depth():
    found = closure("instructkit.stages.dedupe.minhash")
    assert "instructkit.minhash.verify" in found
    assert "instructkit.minhash.kernels" in found
    assert "instructkit.stages.filter.length" not in found
    assert "instructkit.templates.environment" in closure("instructkit.stages.render.render")
