"""A bridge to the lm-evaluation-harness: its tasks, on our model folder, with the model's chat template."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson

from instructkit.errors import UsageFault


def run_tasks(
    model: str | Path, tasks: Sequence[str], limit: int | None = None, include: Path | None = None
) -> dict[str, Any]:
    """Results by task, as the harness names them.

    `limit`: documents per task; `include`: folder with tasks of one's own.
    Raises UsageFault where the harness is not installed or knows no such task.
    """
    try:
        import lm_eval
        from lm_eval.tasks import TaskManager
    except ImportError:
        raise UsageFault("--lm-eval needs the lm-evaluation-harness: pip install 'lm_eval[hf]'") from None
    manager = TaskManager(include_path=str(include) if include else None)
    unknown = [task for task in tasks if task not in manager.all_tasks and not Path(task).exists()]
    if unknown:
        raise UsageFault(f"the lm-evaluation-harness has no task {', '.join(unknown)}; `lm-eval ls tasks` lists them")
    found = lm_eval.simple_evaluate(
        model="hf",
        model_args={"pretrained": str(model)},
        tasks=list(tasks),
        limit=limit,
        apply_chat_template=True,
        task_manager=manager,
    )
    # Numbers of numpy and functions among the settings: what JSON cannot hold becomes text.
    plain = orjson.dumps(found["results"], default=str, option=orjson.OPT_SERIALIZE_NUMPY)
    results: dict[str, Any] = orjson.loads(plain)
    return results
