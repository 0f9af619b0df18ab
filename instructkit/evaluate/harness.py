"""A bridge to the lm-evaluation-harness: its tasks, on our model folder, with the model's chat template."""

from __future__ import annotations

import re
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import orjson

from instructkit.errors import UsageFault
from instructkit.models.load import best_device

_NAME = re.compile(r"^task:\s*['\"]?([\w.-]+)", re.MULTILINE)


def require_harness() -> None:
    """Raises UsageFault where the harness is not installed: better known before the work than behind it."""
    if find_spec("lm_eval") is None:
        raise UsageFault("--lm-eval needs the lm-evaluation-harness: pip install 'lm_eval[hf]'")


def run_tasks(model: str | Path, tasks: Sequence[str], limit: int | None = None) -> dict[str, Any]:
    """Results by task, as the harness names them.

    A task is a name that the harness knows, or a YAML file of one's own. `limit`: documents per task. Raises UsageFault
    where the harness is not installed or knows no such task.
    """
    require_harness()
    import lm_eval
    from lm_eval.tasks import TaskManager

    files = {task: Path(task) for task in tasks if task.endswith(".yaml") and Path(task).is_file()}
    manager = TaskManager(include_path=sorted({str(file.parent) for file in files.values()}) or None)
    names = [_name(files[task]) if task in files else task for task in tasks]
    if unknown := [name for name in names if name not in manager.all_tasks]:
        raise UsageFault(
            f"the lm-evaluation-harness has no task {', '.join(unknown)}; `lm-eval ls tasks` lists them, and a file "
            "that ends in .yaml is a task of your own"
        )
    found = lm_eval.simple_evaluate(
        model="hf",
        model_args={"pretrained": str(model)},
        device=str(best_device()),  # its own default is a GPU, present or not
        tasks=names,
        limit=limit,
        apply_chat_template=True,
        task_manager=manager,
    )
    # Numbers of numpy, and settings that are functions: what JSON cannot hold becomes text.
    results: dict[str, Any] = orjson.loads(
        orjson.dumps(found["results"], default=str, option=orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS)
    )
    return results


def _name(file: Path) -> str:
    match = _NAME.search(file.read_text(encoding="utf-8"))
    if match is None:
        raise UsageFault(f"{file}: no `task:` key, which names a task of the lm-evaluation-harness")
    return match[1]
