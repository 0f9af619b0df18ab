import json

import pytest

from instructkit.train.config.adapter import Adapter
from instructkit.train.config.stopping import EarlyStopping
from instructkit.train.save.state import differences, model_identity, run_state


def made_of(model=None, **config):
    shape = {} if model else {"model": {"layers": 2}}
    return {"dataset": "d", "shards": ["s"], "model": model, "config": {"epochs": 1.0, **shape, **config}}


def test_differences_are_told_in_the_words_of_the_recipe():
    old = made_of()
    assert differences(old, old, "final") == []
    assert differences(old, made_of(epochs=2.0, betas=[0.9, 0.95]), "final") == [
        "epochs: 1.0 → 2.0",
        "betas: null → [0.9,0.95]",
    ]
    assert differences(old, made_of(model={"name": "org/m", "commit": "c" * 40}), "final") == [
        f"model: a new one → org/m at {'c' * 17}"
    ]
    other = made_of() | {"shards": ["t"], "dataset": "e", "packages": {"torch": "2.13"}, "format": 2}
    assert differences(old | {"packages": {"torch": "2.12"}, "format": 1}, other, "final") == [
        "data of step 'final'",
        "torch: 2.12 → 2.13",
        "instructkit: the way it trains",
    ]
    deeper = made_of() | {"config": {"epochs": 1.0, "model": {"layers": 3}}}
    assert differences(old, deeper, "final") == ["model.layers: 2 → 3"]


def test_a_model_folder_is_known_by_its_content_not_its_place(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").write_text("{}")
    assert model_identity(str(tmp_path / "a")) == model_identity(str(tmp_path / "b"))
    (tmp_path / "b/config.json").write_text("{ }")
    assert model_identity(str(tmp_path / "a")) != model_identity(str(tmp_path / "b"))


def test_an_adapter_folder_is_known_by_its_base_too(tmp_path):
    for name in ("base", "adapter"):
        (tmp_path / name).mkdir()
    (tmp_path / "adapter/adapter_config.json").write_text(json.dumps({"base_model_name_or_path": "base"}))
    found = []
    for text in ("{}", "{ }"):
        (tmp_path / "base/config.json").write_text(text)
        found.append(model_identity(str(tmp_path / "adapter")))
    assert found[0] != found[1]


def test_a_run_with_an_adapter_is_made_of_the_version_of_peft_too(small, tmp_path):
    (tmp_path / "config.json").write_text("{}")
    plain, adapted = (
        run_state(small(model=str(tmp_path), adapter=adapter), [], "d").made_of for adapter in (None, Adapter())
    )
    assert adapted["packages"].keys() - plain["packages"].keys() == {"peft"}


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


@pytest.mark.parametrize(
    ("fields", "changed", "same"),
    [
        ({}, {"evaluate_every": 5}, True),
        ({}, {"max_unlabelled": 0.2}, True),
        ({"evaluate_every": 2, "export": "best"}, {"evaluate_every": 5}, False),
        ({"evaluate_every": 2, "early_stopping": EarlyStopping()}, {"evaluate_every": 5}, False),
        ({"evaluate_every": 2, "early_stopping": EarlyStopping()}, {"checkpoint_every": 5}, True),
        ({"average_checkpoints": 2}, {"checkpoint_every": 5}, False),
        ({"average_checkpoints": 2, "evaluate_every": 2}, {"keep_best": 5}, True),
    ],
)
def test_a_setting_is_part_of_the_key_where_the_weights_depend_on_it(small, shards, fields, changed, same):
    one, other = (run_state(small(**each), shards, "d").key for each in (fields, {**fields, **changed}))
    assert (one == other) is same
