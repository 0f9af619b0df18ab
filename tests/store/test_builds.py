import shutil

import pytest

from instructkit.errors import InputError, StoreError
from instructkit.store.builds import is_build, step_shards


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


def test_a_build_without_its_store_says_so(tmp_path, built):
    shutil.copytree(built.folder, tmp_path / "build/notes")
    with pytest.raises(StoreError, match="missing"):
        step_shards(tmp_path / "build/notes")
