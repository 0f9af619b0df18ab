import subprocess
import sys

import msgspec
import pytest

from instructkit.errors import UsageFault
from instructkit.train.config.scratch import Scratch
from instructkit.train.config.training import Training


def test_a_recipe_entry_becomes_a_training():
    entry = {"examples": "final", "model": {"layers": 2, "hidden_size": 64}, "betas": [0.9, 0.99]}
    training = msgspec.convert(entry, Training)
    assert training.model == Scratch(layers=2, hidden_size=64)
    assert msgspec.convert(msgspec.to_builtins(training), Training) == training


def test_a_model_name_takes_the_place_of_a_shape():
    assert msgspec.convert({"examples": "final", "model": "some/model"}, Training).model == "some/model"


@pytest.mark.parametrize("wrong", [{"epochs": 0}, {"overlong": "cut"}, {"sequence_length": 1}, {"model": {"heads": 0}}])
def test_values_out_of_bounds_are_refused(wrong):
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"examples": "final", "model": "m", **wrong}, Training)


def test_shapes_that_do_not_divide_are_faults():
    faults = Training(examples="x", model=Scratch(hidden_size=100, heads=3, kv_heads=2)).faults()
    assert any("hidden_size 100" in f for f in faults)
    assert any("kv_heads 2" in f for f in faults)


def test_reading_a_recipe_needs_no_torch():
    code = (
        "import sys, instructkit.train.config.training, instructkit.train.watch.progress, instructkit.evaluate.table, "
        "instructkit.chat.view; sys.exit('torch' in sys.modules or 'transformers' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_paths_are_relative_to_the_project_and_other_names_are_of_the_hub(tmp_path, monkeypatch):
    for name in ("project/base", "project/org/model", "home/models/mine"):
        (tmp_path / name).mkdir(parents=True)
    root = tmp_path / "project"
    (root / "chat.jinja").touch()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))

    def placed(model, **fields):
        return Training(examples="x", model=model, **fields).at(root)

    assert placed("base").model == placed("./base").model == str(root / "base")
    assert placed("org/model").model == str(root / "org/model")
    assert placed("~/models/mine").model == str(tmp_path / "home/models/mine")
    assert placed(str(root / "base")).model == str(root / "base")
    for hub in ("gpt2", "org/other"):
        assert placed(hub).model == hub
    assert placed("gpt2", chat_template="chat.jinja").chat_template == str(root / "chat.jinja")
    for text in (None, "chatml", "{{ messages }}"):
        assert placed("gpt2", chat_template=text).chat_template == text
    assert isinstance(placed(Scratch()).model, Scratch)


@pytest.mark.parametrize("wrong", ["./nowhere", "~/nowhere", "/nowhere/at/all", "a/b/c", "../nowhere", "~nobody/x"])
def test_a_path_where_nothing_lies_is_told_with_where_it_was_looked_for(tmp_path, wrong):
    with pytest.raises(UsageFault, match=r"model: no such file or folder: \S+ \(looked for /"):
        Training(examples="x", model=wrong).at(tmp_path)
    with pytest.raises(UsageFault, match=r"chat_template: no such file or folder: chat\.jinja"):
        Training(examples="x", model="gpt2", chat_template="chat.jinja").at(tmp_path)
