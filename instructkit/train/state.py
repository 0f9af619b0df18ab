"""What a run folder belongs to: the same run goes on in it, another one is refused with what differs.

out/
  run.json          key, what it is made of, the result once finished
  preflight.json    what became of the examples      dropped.parquet   those not trained on
  metrics.jsonl     a line for each step
  evaluation.json   before and after
  checkpoints/      while it runs
  cache/            tokenizer and tokens
  model/            the result
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import msgspec
import orjson

from instructkit.errors import TrainingError
from instructkit.hashing import file_digest, key_of
from instructkit.models.load import hub_commit
from instructkit.train.config import Scratch, Training

FORMAT = 1
"""Raised when the trainer's numbers change for the same input."""
NO_EFFECT = ("examples", "checkpoint_every", "keep_checkpoints")
"""Settings that change nothing in the trained model: a run may go on with others."""

OWN = (
    "checkpoints",
    "cache",
    "model",
    "metrics.jsonl",
    "evaluation.json",
    "preflight.json",
    "dropped.parquet",
    "run.json",
)
"""What a run writes into its folder; starting over removes these and nothing else. `run.json` last: it claims them."""


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
    finished: Finished | None = None


def run_state(config: Training, shards: Sequence[Path], dataset_hash: str) -> RunState:
    """The state of a run that has not begun. Files and folders count by their content, wherever they lie.

    Raises OSError for a shard that cannot be read.
    """
    template = _file(config.chat_template)
    by_content = [*(["model"] if isinstance(config.model, str) else []), *(["chat_template"] if template else [])]
    # Through JSON, so that it compares equal to what run.json gives back (lists for tuples).
    settings = orjson.loads(msgspec.json.encode(config))
    made_of = {
        "config": {k: v for k, v in settings.items() if k not in (*NO_EFFECT, *by_content)},
        "dataset": dataset_hash,
        "shards": [file_digest(path) for path in shards],
        "model": None if isinstance(config.model, Scratch) else model_identity(config.model),
        "chat_template": template,
        "packages": {name: version(name) for name in ("torch", "transformers", "tokenizers")},
        "format": FORMAT,
    }
    return RunState(key=key_of(made_of), made_of=made_of)


def model_identity(model: str) -> dict[str, str | None]:
    """What a base model is: the content of its folder, or name and commit on the hub (None: could not be found out)."""
    folder = Path(model)
    if not folder.is_dir():
        return {"name": model, "commit": hub_commit(model)}
    files = sorted(p for p in folder.rglob("*") if p.is_file() and p.name != "README.md")
    return {"content": key_of([[p.relative_to(folder).as_posix(), file_digest(p)] for p in files])}


def open_run(out: Path, fresh: RunState, resume: bool) -> RunState:
    """The state that `out` holds, else the fresh one, written there. `resume` False: start over.

    Raises TrainingError when the folder holds another run, naming what differs.
    """
    path = out / "run.json"
    if path.exists() and not resume:
        for name in OWN:
            if (out / name).is_dir():
                shutil.rmtree(out / name)
            else:
                (out / name).unlink(missing_ok=True)
    if path.exists():
        found = msgspec.json.decode(path.read_bytes(), type=RunState)
        if found.key == fresh.key:
            return found
        changes = "; ".join(differences(found.made_of, fresh.made_of))
        raise TrainingError(
            f"{out} holds another run: {changes}. "
            "Give a new folder, or start over (--fresh), which removes that run's model"
        )
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
    beside = path.with_suffix(".writing")
    beside.write_bytes(orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
    beside.replace(path)


def differences(old: Any, new: Any, name: str = "") -> list[str]:
    """What differs between two JSON values, one line each: `config.epochs 1.0 → 2.0`."""
    if isinstance(old, dict) and isinstance(new, dict):
        keys = [*old, *(k for k in new if k not in old)]
        return [d for k in keys for d in differences(old.get(k), new.get(k), f"{name}.{k}" if name else k)]
    return [] if old == new else [f"{name} {_short(old)} → {_short(new)}"]


def _short(value: Any) -> str:
    text = orjson.dumps(value).decode()
    return text if len(text) <= 60 else f"{text[:57]}…"


def _file(template: str | None) -> str | None:
    if template is not None and template.endswith(".jinja") and Path(template).is_file():
        return file_digest(Path(template))
    return None
