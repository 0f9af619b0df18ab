import pytest

from instructkit.train.state import differences, model_identity


def test_differences_are_named_by_their_path():
    old = {"config": {"epochs": 1.0, "model": {"layers": 2}}, "gone": 1}
    new = {"config": {"epochs": 2.0, "model": {"layers": 2}}, "new": "x"}
    assert differences(old, new) == ["config.epochs 1.0 → 2.0", "gone 1 → null", 'new null → "x"']


def test_a_model_folder_is_known_by_its_content_not_its_place(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").write_text("{}")
    assert model_identity(str(tmp_path / "a")) == model_identity(str(tmp_path / "b"))
    (tmp_path / "b/config.json").write_text("{ }")
    assert model_identity(str(tmp_path / "a")) != model_identity(str(tmp_path / "b"))


def test_large_files_are_read_whole(tmp_path):
    path = tmp_path / "model.safetensors"
    found = []
    for middle in (b"", b"other"):
        with path.open("wb") as file:  # a hole: takes no room on the disk
            file.truncate(66 << 20)
            file.seek(33 << 20)
            file.write(middle)
        found.append(model_identity(str(tmp_path)))
    assert found[0] != found[1]


@pytest.fixture
def hub_cache(tmp_path, monkeypatch):
    """An empty cache of the hub, and no network."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    return tmp_path


def test_a_hub_name_is_pinned_to_the_commit_in_the_cache(hub_cache):
    assert model_identity("org/name") == {"name": "org/name", "commit": None}
    folder = hub_cache / "models--org--name"
    for commit in ("a" * 40, "b" * 40):
        for path, text in ((folder / "refs/main", commit), (folder / f"snapshots/{commit}/config.json", "{}")):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        assert model_identity("org/name") == {"name": "org/name", "commit": commit}
