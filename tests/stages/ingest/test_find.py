import os

import pytest

from instructkit.errors import InputError
from instructkit.stages.ingest.find import find_files


@pytest.fixture
def tree(write, tmp_path):
    for name in (
        "d/b.jsonl",
        "d/a.jsonl.gz",
        "d/x/c.jsonl",
        "d/x/y/e.jsonl",
        "d/x/n.txt",
        "d/.hidden.jsonl",
        "d/.git/z.jsonl",
    ):
        write(name, name)
    return tmp_path


def names(tree, path):
    return [found.name for found in find_files(path, tree, (".jsonl",))]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("d/b.jsonl", ["b.jsonl"]),
        ("d", ["a.jsonl.gz", "b.jsonl", "x/c.jsonl", "x/y/e.jsonl"]),
        ("d/*.jsonl", ["b.jsonl"]),
        ("d/?.jsonl*", ["a.jsonl.gz", "b.jsonl"]),
        ("d/[!b]*", ["a.jsonl.gz"]),
        ("d/**/*.jsonl", ["b.jsonl", "x/c.jsonl", "x/y/e.jsonl"]),
        ("d/x/**", ["c.jsonl", "n.txt", "y/e.jsonl"]),
        ("d/*/*", ["x/c.jsonl", "x/n.txt"]),
        ("*/x/y/*.jsonl", ["d/x/y/e.jsonl"]),
        ("d/.*.jsonl", [".hidden.jsonl"]),
        ("d/.git", ["z.jsonl"]),
        (["d/x/y", "d/*.jsonl"], ["b.jsonl", "e.jsonl"]),
    ],
)
def test_names_are_relative_to_what_has_no_wildcard(tree, path, expected):
    assert names(tree, path) == expected


def test_absolute_and_home_paths_are_allowed(tree, monkeypatch):
    monkeypatch.setenv("HOME", str(tree))
    assert names(tree / "elsewhere", str(tree / "d/b.jsonl")) == ["b.jsonl"]
    assert names(tree / "elsewhere", "~/d/*.jsonl") == ["b.jsonl"]


def test_a_name_with_wildcard_characters_that_exists_is_that_file(tree, write):
    write("d/[1].jsonl", "x")
    assert names(tree, "d/[1].jsonl") == ["[1].jsonl"]


@pytest.mark.parametrize("folder", ["data[1]", "what?", "*"])
def test_only_the_pattern_of_the_recipe_is_a_pattern(write, tmp_path, monkeypatch, folder):
    write(f"{folder}/d/a.jsonl", "x")
    monkeypatch.setenv("HOME", str(tmp_path / folder))
    assert names(tmp_path / folder, "*/*.jsonl") == ["d/a.jsonl"]
    assert names(tmp_path / folder / "d", "../d/*.jsonl") == ["a.jsonl"]
    assert names(tmp_path, "~/d/*.jsonl") == ["a.jsonl"]


@pytest.mark.parametrize("name", [b"\xff.jsonl", b"\xff/a.jsonl"])
def test_a_name_that_is_not_utf8_is_shown_with_a_way_out(tmp_path, name):
    path = os.path.join(os.fsencode(tmp_path), b"d", name)
    try:
        os.makedirs(os.path.dirname(path))
        os.close(os.open(path, os.O_CREAT))
    except OSError:
        pytest.skip("this file system holds no such names")
    with pytest.raises(InputError, match=r"d/\\xff(/a)?\.jsonl: the name is not UTF-8, .*rename") as fault:
        names(tmp_path, "d")
    assert str(fault.value).isascii()
    (tmp_path / "d/b.jsonl").write_text("x")
    assert names(tmp_path, "d/b*.jsonl") == ["b.jsonl"]


def test_link_loops_end_and_a_file_reached_twice_is_read_once(tree):
    os.symlink(tree / "d", tree / "d/x/loop")
    os.symlink(tree / "d/b.jsonl", tree / "d/x/again.jsonl")
    assert names(tree, "d") == ["a.jsonl.gz", "b.jsonl", "x/c.jsonl", "x/y/e.jsonl"]
    assert names(tree, ["d", "d/**/*.jsonl"]) == ["a.jsonl.gz", "b.jsonl", "x/c.jsonl", "x/y/e.jsonl"]


def test_a_linked_folder_is_followed(tree):
    os.symlink(tree / "d/x", tree / "linked")
    assert names(tree, "linked") == ["c.jsonl", "y/e.jsonl"]


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("d/bb.jsonl", r"no such file or folder .*did you mean 'b\.jsonl'"),
        ("no/a.jsonl", "there is no folder"),
        ("d/*.csv", "matches no file"),
        ("d/x/n.txt/*", "matches no file|cannot be listed"),
        ([], "an empty list"),
    ],
)
def test_a_path_without_files_is_an_error_with_a_way_out(tree, path, message):
    with pytest.raises(InputError, match=message):
        names(tree, path)


def test_a_folder_without_the_suffix_says_what_it_holds(tree):
    with pytest.raises(InputError, match=r"no file ends in \.csv .*3 with \.jsonl"):
        find_files("d", tree, (".csv",))


def test_two_files_of_one_name_are_refused(tree, write):
    write("e/b.jsonl", "x")
    with pytest.raises(InputError, match=r"would both be called 'b\.jsonl'"):
        names(tree, ["d", "e"])
    write("d/b.jsonl.gz", "x")
    with pytest.raises(InputError, match=r"b\.jsonl\.gz would both be called"):
        names(tree, "d")
