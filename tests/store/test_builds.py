import shutil

import pytest

from instructkit.errors import InputError, StoreError
from instructkit.stages.ingest.dataset import open_dataset
from instructkit.stages.split.previous import stood
from instructkit.store.builds import is_build, looks_like_build, step_shards


def test_the_rows_of_a_step_are_those_that_the_build_says(built):
    for name in built.row_steps():
        step, shards = step_shards(built.folder, name)
        assert step == name
        assert [path for path, _ in shards] == built.paths(name)
        assert [ref for _, ref in shards] == built.step(name).kept


def test_the_last_step_with_rows_is_meant_where_none_is_said(built):
    assert step_shards(built.folder)[0] == "final"


def test_a_step_that_is_not_there_or_is_an_export_is_named(built):
    with pytest.raises(InputError, match=r"no step 'finl'.*did you mean 'final'"):
        step_shards(built.folder, "finl")
    with pytest.raises(InputError, match=r"no step 'chat'"):
        step_shards(built.folder, "chat")


def test_a_folder_without_a_manifest_of_ours_is_no_build(tmp_path, built):
    assert is_build(built.folder)
    assert not is_build(tmp_path)
    (tmp_path / "manifest.json").write_text('{"files": []}')
    assert not is_build(tmp_path)


def test_a_build_that_never_came_to_its_end_says_so(tmp_path):
    (tmp_path / "build/.store").mkdir(parents=True)
    folder = tmp_path / "build/notes"
    folder.mkdir()
    assert not is_build(folder)
    (folder / "log.jsonl").write_text("{}\n")
    assert looks_like_build(folder)
    with pytest.raises(InputError, match=r"notes: the build in this folder has never come to its end .*run `instruct"):
        is_build(folder)
    with pytest.raises(InputError, match=r"^previous: .*never come to its end.*own, build once without `previous`"):
        stood("build/notes", tmp_path, None)
    with pytest.raises(InputError, match=r"never come to its end"):
        open_dataset("build/notes", tmp_path)
    with pytest.raises(InputError, match=r"build: holds builds, not rows; name one: build/notes"):
        open_dataset("build", tmp_path)


@pytest.mark.parametrize("text", ['{"instructkit": "1", "steps": {"a"', '{\n "instructkit": "1", "steps": []}'])
def test_a_manifest_that_cannot_be_read_is_named_with_the_way_out(tmp_path, text):
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(InputError, match=r"manifest\.json: damaged, or of another version .*`instructkit build`"):
        is_build(tmp_path)
    (tmp_path / "manifest.json").write_text("no JSON")
    assert not is_build(tmp_path)


def test_a_build_without_its_store_says_so(tmp_path, built):
    shutil.copytree(built.folder, tmp_path / "build/notes")
    with pytest.raises(StoreError, match="missing"):
        step_shards(tmp_path / "build/notes")
