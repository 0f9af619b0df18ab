"""The model card: what the model is made of, and how well it does."""

from __future__ import annotations

import msgspec
import orjson

from instructkit import __version__
from instructkit.evaluate.result import Evaluation
from instructkit.evaluate.table import rows
from instructkit.train.config.scratch import Scratch
from instructkit.train.config.training import Training
from instructkit.train.data.preflight import Preflight


def model_card(
    config: Training,
    *,
    base: dict[str, str | None] | None,
    dataset_hash: str,
    key: str,
    steps: int,
    parameters: int,
    preflight: Preflight,
    before: Evaluation | None,
    after: Evaluation | None,
) -> str:
    """README.md of an exported model: front matter for the Hugging Face hub, then lineage, data and losses.

    `config` in the recipe's own words, `base` as `train.save.state.model_identity` gives it.
    """
    front = ["---", "library_name: transformers", "pipeline_tag: text-generation", "tags: [instructkit]"]
    name = None if isinstance(config.model, Scratch) else config.model
    if base is not None and "name" in base:  # the hub takes names of its own only, no folders
        front.append(f"base_model: {orjson.dumps(name).decode()}")
    origin = "Trained from random weights" if name is None else f"Tuned from `{name}`"
    if config.from_ is not None:
        origin = f"Tuned from the model of the training `{config.from_}`"
    pinned = [(f"base model, {k}", f"`{v}`") for k, v in (base or {}).items() if k != "name"]
    settings = orjson.dumps(msgspec.to_builtins(config), option=orjson.OPT_INDENT_2).decode()
    parts = [
        "\n".join([*front, "---"]),
        "# A model tuned with instructkit",
        f"{origin} on instruction data; {parameters:,} parameters, {steps:,} steps.",
        "## Lineage",
        _table(
            ("what", "value"),
            [*pinned, ("dataset", f"`{dataset_hash}`"), ("run", f"`{key}`"), ("instructkit", __version__)],
        ),
        f"```json\n{settings}\n```",
        "## Data",
        _table(
            tuple(preflight.table.columns),
            [tuple("-" if v is None else str(v) for v in row) for row in preflight.table.rows()],
        ),
    ]
    if after is not None:
        heads, lines = rows(before, after)
        parts += [f"## Loss on the {after.split} split", "Nats per supervised token.", _table(heads, lines)]
    return "\n\n".join(parts) + "\n"


def _table(heads: tuple[str, ...], lines: list[tuple[str, ...]]) -> str:
    cells = [heads, tuple("---" for _ in heads), *lines]
    return "\n".join("| " + " | ".join(c.replace("|", "\\|") for c in row) + " |" for row in cells)
