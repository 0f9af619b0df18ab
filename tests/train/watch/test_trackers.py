import sys

import pytest

from instructkit.errors import UsageFault
from instructkit.train.run import train
from instructkit.train.watch.recorder import read_metrics
from instructkit.train.watch.trackers import flat

pytest.importorskip("tensorboard", reason="a tracker is an extra")


def scalars(folder):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder), size_guidance={"scalars": 0})
    events.Reload()
    return {tag: [(e.step, e.value) for e in events.Scalars(tag)] for tag in events.Tags()["scalars"]}


@pytest.mark.filterwarnings("ignore:datetime.datetime.utc:DeprecationWarning")
def test_tensorboard_has_every_number_of_every_step_after_a_stop_too(small, shards, tmp_path):
    class Stop(Exception):
        pass

    def stop(event):
        if event.phase == "train" and event.done == 4:
            raise Stop

    config = small(trackers=("tensorboard",), checkpoint_every=3, evaluate_every=3, evaluate_examples=5)
    with pytest.raises(Stop):
        train(config, shards, tmp_path / "run", dataset_hash="d", progress=stop)
    train(config, shards, tmp_path / "run", dataset_hash="d")
    found = scalars(tmp_path / "run/tensorboard")
    lines = read_metrics(tmp_path / "run/metrics.jsonl")
    assert [step for step, _ in found["loss"]] == [1, 2, 3, 4, 5, 6]
    for step, value in found["loss"]:
        assert value == pytest.approx(lines[step - 1]["loss"], rel=1e-6)
    assert [step for step, _ in found["validation/template/ask0"]] == [3, 6]
    assert {"learning_rate", "mfu", "memory_bytes", "validation_loss"} <= set(found)


@pytest.mark.skipif("wandb" in sys.modules, reason="it is installed")
def test_a_tracker_that_is_not_installed_is_a_fault_before_any_work(small, shards, tmp_path):
    with pytest.raises(UsageFault, match=r"trackers: wandb is not installed; pip install wandb"):
        train(small(trackers=("wandb",)), shards, tmp_path / "run", dataset_hash="d")
    assert not (tmp_path / "run").exists()


def test_nested_numbers_have_names_with_slashes_and_words_are_left_out():
    line = {"step": 3, "loss": 1.5, "note": "x", "validation": {"template": {"a/b": 2.0}, "source": {"s": 1}}}
    assert dict(flat(line)) == {"step": 3, "loss": 1.5, "validation/template/a/b": 2.0, "validation/source/s": 1}
