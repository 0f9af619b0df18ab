import pytest
import torch

from instructkit.errors import TrainingError
from instructkit.train.save import checkpoint
from instructkit.train.save.checkpoint import Checkpoint
from instructkit.train.step.ranks import Ranks


def make(seed=0, frozen=False):
    torch.manual_seed(seed)
    model = torch.nn.Sequential(torch.nn.Embedding(5, 4), torch.nn.Linear(4, 5, bias=False), torch.nn.LayerNorm(5))
    model[1].weight = model[0].weight
    if frozen:
        model[0].weight.requires_grad_(False)
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=0.1, fused=True)
    return model, optimizer


def step(model, optimizer):
    model(torch.arange(5)).square().sum().backward()
    optimizer.step()
    optimizer.zero_grad()


def keep(folder, number, loss=None, latest=1, best=0, state=None, due=True):
    model, optimizer = state or make()
    about = Checkpoint(step=number, key="k", due=due, validation_loss=loss, extra={"loss_scale": {"value": 2.0}})
    checkpoint.save(folder, about, model=model, optimizer=optimizer, ranks=Ranks(), keep=latest, keep_best=best)


def steps(folder):
    return [checkpoint.read_about(path).step for path in checkpoint.checkpoints(folder)]


def test_what_is_restored_goes_on_as_if_it_had_never_stopped(tmp_path):
    model, _ = made = make()
    step(*made)
    keep(tmp_path, 1, state=made)
    other, its = again = make(seed=1)
    (path,) = checkpoint.checkpoints(tmp_path)
    assert checkpoint.restore(path, model=other, optimizer=its).extra == {"loss_scale": {"value": 2.0}}
    step(*made)
    step(*again)
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), other.parameters(), strict=True))
    assert other[1].weight is other[0].weight
    assert its.param_groups[0]["lr"] == 0.1


def test_a_checkpoint_is_safetensors_and_json_so_it_runs_no_code(tmp_path):
    keep(tmp_path, 1)
    (path,) = checkpoint.checkpoints(tmp_path)
    assert {file.suffix for file in path.iterdir()} == {".safetensors", ".json"}


def test_shared_weights_are_kept_once_and_frozen_ones_not_at_all(tmp_path):
    from safetensors import safe_open

    kept = []
    for frozen in (False, True):
        keep(tmp_path / str(frozen), 1, state=make(frozen=frozen))
        (file,) = (tmp_path / str(frozen)).rglob("*.safetensors")
        with safe_open(file, "pt") as tensors:
            kept.append({name for name in tensors.keys() if not name.startswith("state.")})  # noqa: SIM118
    assert kept == [{"0.weight", "2.weight", "2.bias"}, {"2.weight", "2.bias"}]


def test_frozen_weights_stay_what_the_base_model_has(tmp_path):
    model, optimizer = make(frozen=True)
    keep(tmp_path, 1, state=(model, optimizer))
    other, its = make(seed=1, frozen=True)
    base = other[0].weight.clone()
    checkpoint.restore(*checkpoint.checkpoints(tmp_path), model=other, optimizer=its)
    assert torch.equal(other[0].weight, base)


def test_the_latest_and_the_best_are_kept(tmp_path):
    for number, loss in enumerate((3.0, 1.0, None, 2.0, 4.0, 1.0), start=1):
        keep(tmp_path, number, loss, latest=2, best=2)
    assert steps(tmp_path) == [2, 5, 6]
    assert checkpoint.best(tmp_path).name == "step-00000002"  # the earlier of equals
    assert checkpoint.is_among_best(tmp_path, 0.9, 2)
    assert not checkpoint.is_among_best(tmp_path, 1.0, 2)
    assert checkpoint.is_among_best(tmp_path, 9.0, 4)
    assert not checkpoint.is_among_best(tmp_path, float("nan"), 4)


def test_a_checkpoint_half_written_is_swept_and_never_taken_for_one(tmp_path):
    half = tmp_path / ".writing-00000007"
    half.mkdir()
    (half / "shard-00001-model-00001-of-00001.safetensors").write_bytes(b"half")
    assert checkpoint.checkpoints(tmp_path) == []
    keep(tmp_path, 8)
    assert not half.exists()
    assert steps(tmp_path) == [8]


def test_the_same_step_may_be_written_again(tmp_path):
    keep(tmp_path, 3)
    keep(tmp_path, 3)
    assert steps(tmp_path) == [3]


def test_a_damaged_checkpoint_is_refused_with_the_way_out(tmp_path):
    keep(tmp_path, 3)
    (path,) = checkpoint.checkpoints(tmp_path)
    (file,) = path.glob("*.safetensors")
    file.write_bytes(file.read_bytes()[:-9])
    model, optimizer = make()
    with pytest.raises(TrainingError, match=r"step-00000003: cannot be read \(.*\); remove the folder to go on from"):
        checkpoint.restore(path, model=model, optimizer=optimizer)


def test_the_checkpoint_of_another_run_is_refused(tmp_path):
    keep(tmp_path, 3)
    (path,) = checkpoint.checkpoints(tmp_path)
    checkpoint.check(path, "k")
    with pytest.raises(TrainingError, match=r"belongs to another run \(key k, expected other\)"):
        checkpoint.check(path, "other")


def test_what_is_kept_for_its_loss_takes_no_place_among_the_latest(tmp_path):
    for number, loss, due in ((2, None, True), (3, 1.0, False), (4, None, True), (5, 0.5, False)):
        keep(tmp_path, number, loss, latest=2, best=1, due=due)
    assert steps(tmp_path) == [2, 4, 5]
    assert [checkpoint.read_about(path).step for path in checkpoint.due(tmp_path)] == [2, 4]
