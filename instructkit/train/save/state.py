"""What a run folder belongs to: the same run goes on in it, another one is refused with what differs.

out/
  run.json          key, what it is made of, the result once finished
  preflight.json    what became of the examples      dropped.parquet   those not trained on      cut.parquet   those cut
  metrics.jsonl     a line for each step
  evaluation.json   before and after             evaluation/       the losses of single examples behind it
  checkpoints/      while it runs
  cache/            tokenizer and tokens
  model/            the result
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import msgspec
import orjson

from instructkit.errors import TrainingError
from instructkit.hashing import file_digest, key_of
from instructkit.models.adapter_folder import base_of, is_adapter
from instructkit.models.load import hub_commit
from instructkit.store.atomic import beside
from instructkit.train.config.scratch import Scratch
from instructkit.train.config.training import Training

FORMAT = 3
"""Raised when the trainer's numbers change for the same input."""
NO_EFFECT = (
    "examples",
    "from_",
    "checkpoint_every",
    "keep_checkpoints",
    "ledger",
    "trackers",
    "generations",
    "scored_replies",
    "reply_tokens",
    "keep_best",
    "micro_batch_sequences",
    "activation_checkpointing",
    "compile",
    "parallel",
    "cpu_offload",
    "max_unlabelled",
    "evaluate_every",
)
"""Settings that change nothing in the trained model: a run may go on with others. But see `_without_effect`."""

OWN = (
    "checkpoints",
    "model",
    "metrics.jsonl",
    "ledger",
    "ledger.parquet",
    "curve.png",
    "curve.svg",
    "tensorboard",
    "wandb",
    "evaluation.json",
    "evaluation",
    "preflight.json",
    "dropped.parquet",
    "cut.parquet",
    "run.json",
)
"""What a run writes into its folder; starting over removes these and nothing else. `run.json` last: it claims them.

Not the cache, whose entries are named by all that they are made of: it serves the next run, and `plan` before any.
"""


class Finished(msgspec.Struct, frozen=True, kw_only=True):
    """What a finished run gave."""

    steps: int
    seconds: float
    notes: list[str]


class RunState(msgspec.Struct, frozen=True, kw_only=True):
    """`run.json`."""

    key: str
    made_of: dict[str, Any]
    """Everything that the key is the hash of."""
    base: str | None = None
    """The model that was started from: a hub name, or a folder, relative to the run's where it can be. No part of the
    key. None: a new one."""
    examples: str | None = None
    """The step whose examples it is made from. No part of the key."""
    others: dict[str, Any] = {}
    """Settings that are no part of the key, as they were at the end."""
    finished: Finished | None = None


def run_state(config: Training, shards: Sequence[Path], dataset_hash: str, out: Path | None = None) -> RunState:
    """The state of a run that has not begun, in the folder `out`.

    Files and folders count by their content, wherever they lie. Raises OSError for a shard that cannot be read.
    """
    template = _file(config.chat_template)
    by_content = [*(["model"] if isinstance(config.model, str) else []), *(["chat_template"] if template else [])]
    packages = ["torch", "transformers", "tokenizers"]
    if config.adapter is not None and find_spec("peft") is not None:  # where it is missing, `check_adapter` says so
        packages.append("peft")
    # Through JSON, so that it compares equal to what run.json gives back (lists for tuples).
    settings = orjson.loads(msgspec.json.encode(config))
    idle = _without_effect(config)
    made_of = {
        "config": {k: v for k, v in settings.items() if k not in (*idle, *by_content)},
        "dataset": dataset_hash,
        "shards": [file_digest(path) for path in shards],
        "model": None if isinstance(config.model, Scratch) else model_identity(config.pretrained),
        "chat_template": template,
        "packages": {name: version(name) for name in packages},
        "format": FORMAT,
    }
    others = {k: settings[k] for k in idle if k in settings and k not in ("examples", "from_")}
    return RunState(
        key=key_of(made_of),
        made_of=made_of,
        base=_base_from(config.model, out),
        examples=config.examples,
        others=others,
    )


def _without_effect(config: Training) -> list[str]:
    """`NO_EFFECT` but for those by which weights are chosen in this training."""
    chosen = ["checkpoint_every"] if config.average_checkpoints is not None else []
    if config.early_stopping is not None or config.export == "best":
        chosen.append("evaluate_every")
    return [name for name in NO_EFFECT if name not in chosen]


def _base_from(model: str | Scratch | None, out: Path | None) -> str | None:
    if not isinstance(model, str):
        return None
    if not Path(model).exists():
        return model
    try:
        return os.path.relpath(Path(model).absolute(), (out or Path()).absolute())
    except ValueError:  # another drive
        return str(Path(model).absolute())


def model_identity(model: str) -> dict[str, str | None]:
    """What a base model is: the content of its file or folder; or its name and commit on the hub, None if unknown.

    An adapter folder counts with the model that it belongs to. Raises TrainingError for one that names none.
    """
    folder = Path(model)
    if folder.is_file():
        return {"content": file_digest(folder)}
    if not folder.is_dir():
        return {"name": model, "commit": hub_commit(model)}
    files = sorted(p for p in folder.rglob("*") if p.is_file() and p.name != "README.md")
    made_of: list[Any] = [[p.relative_to(folder).as_posix(), file_digest(p)] for p in files]
    if is_adapter(model):
        made_of.append(model_identity(base_of(model)))
    return {"content": key_of(made_of)}


def open_run(out: Path, fresh: RunState, *, step: str, resume: bool, start_over: str) -> RunState:
    """The state that `out` holds, else the fresh one, written there. `resume` False: start over.

    A run that has trained nothing yet makes room for another. Raises TrainingError when the folder holds another run
    with something to lose, naming what differs; `step` and `start_over` are for the message: the step whose examples
    are trained on, and what to type.
    """
    path = out / "run.json"
    if path.exists():
        found = msgspec.json.decode(path.read_bytes(), type=RunState)
        if resume and found.key == fresh.key:
            return found
        if resume and ((out / "model").exists() or (out / "metrics.jsonl").exists()):
            changes = [f"  {line}" for line in differences(found.made_of, fresh.made_of, step)]
            lost = "its model" if found.finished else "what it has trained so far"
            way_out = [f"Start over, which removes {lost}:", f"  {start_over}"]
            raise TrainingError("\n".join([f"{out} holds an earlier run; since then changed", *changes, *way_out]))
        for name in OWN:
            if (out / name).is_dir():
                shutil.rmtree(out / name)
            else:
                (out / name).unlink(missing_ok=True)
    if strangers := [name for name in OWN if (out / name).exists()]:
        raise TrainingError(f"{out} holds {', '.join(strangers)} but no run.json: not a run folder; give another one")
    out.mkdir(parents=True, exist_ok=True)
    write_run(out, fresh)
    return fresh


def write_run(out: Path, state: RunState) -> None:
    """Write `run.json` whole or not at all."""
    write_json(out / "run.json", msgspec.to_builtins(state))


def write_json(path: Path, value: Any) -> None:
    """Indented JSON, written whole or not at all."""
    with beside(path) as temporary:
        temporary.write_bytes(orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))


def differences(old: dict[str, Any], new: dict[str, Any], step: str) -> list[str]:
    """What differs between what two runs are made of, one line each, in the words of the recipe.

    `step`: the one whose examples are trained on.
    """
    found = []
    if any(old.get(k) != new.get(k) for k in ("dataset", "shards")):
        found.append(f"data of step '{step}'")
    before, now = (dict(made_of.get("config") or {}) for made_of in (old, new))
    if old.get("model") != new.get("model"):
        for settings in (before, now):
            settings.pop("model", None)  # the shape of a new model, where only one of the two is new
        found.append(f"model: {_base(old.get('model'))} → {_base(new.get('model'))}")
    found += _changes(before, now)
    if old.get("chat_template") != new.get("chat_template"):
        found.append("chat_template: its content")
    found += _changes(old.get("packages"), new.get("packages"))
    if old.get("format") != new.get("format"):
        found.append("instructkit: the way it trains")
    return found


def asked_since(finished: RunState, fresh: RunState) -> list[str]:
    """Settings that are no part of the key and that a finished run was not made with, one line each."""
    return _changes(finished.others, fresh.others) if finished.others else []


def _changes(old: Any, new: Any, name: str = "") -> list[str]:
    if isinstance(old, dict) and isinstance(new, dict):
        keys = [*old, *(k for k in new if k not in old)]
        return [d for k in keys for d in _changes(old.get(k), new.get(k), f"{name}.{k}" if name else k)]
    return [] if old == new else [f"{name}: {_short(old)} → {_short(new)}"]


def _base(model: Any) -> str:
    """A `model_identity` in a few words."""
    if not isinstance(model, dict):
        return "a new one" if model is None else str(model)
    if "content" in model:
        return f"a model with content {str(model['content'])[:8]}"
    return f"{model['name']} at {str(model['commit'] or 'an unknown commit')[:17]}"


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else orjson.dumps(value).decode()
    return text if len(text) <= 60 else f"{text[:57]}…"


def _file(template: str | None) -> str | None:
    if template is not None and template.endswith(".jinja") and Path(template).is_file():
        return file_digest(Path(template))
    return None
