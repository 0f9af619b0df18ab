"""Adapter folders of peft: a few weights, and the name of the model that they belong to."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from instructkit.errors import TrainingError, first_line
from instructkit.models.place import placed

CONFIG = "adapter_config.json"


def is_adapter(name: str) -> bool:
    """Whether a model's name is that of a folder that holds an adapter and no whole model."""
    return (Path(name) / CONFIG).is_file()


def base_of(name: str) -> str:
    """The model that an adapter folder belongs to. Raises TrainingError where it names none."""
    try:
        base = json.loads((Path(name) / CONFIG).read_bytes()).get("base_model_name_or_path")
    except (OSError, ValueError, AttributeError) as error:
        raise TrainingError(f"{Path(name) / CONFIG}: cannot be read ({error})") from error
    if not base:
        raise TrainingError(f"{Path(name) / CONFIG}: names no base model (base_model_name_or_path)")
    return placed(base, Path(name))


@contextmanager
def peft_warnings_off() -> Iterator[None]:
    """Peft asks models of transformers by a name that is on its way out, and they warn of it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        yield


def put_on(model: Any, folder: str) -> Any:
    """A base model with the adapter of a folder: added to its weights, or for prefixes around it."""
    from peft import PeftModel

    try:
        with peft_warnings_off():
            adapted = PeftModel.from_pretrained(model, folder)
        if adapted.active_peft_config.is_prompt_learning:
            return adapted
        return adapted.merge_and_unload(safe_merge=True).requires_grad_(True)
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise TrainingError(f"{folder}: the adapter does not fit its base model: {first_line(error)}") from error
