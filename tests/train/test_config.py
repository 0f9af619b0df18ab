import subprocess
import sys

import msgspec
import pytest

from instructkit.train.config import Scratch, Training


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
        "import sys, instructkit.train.config, instructkit.train.progress, instructkit.evaluate.table, "
        "instructkit.chat.view; sys.exit('torch' in sys.modules or 'transformers' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
