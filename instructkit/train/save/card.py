"""The model card: how to use the model, how well it does, what it is made of. A page for people and for the hub.

The page is `card.md.jinja`; here is what stands in its places. A function of what it is given: no dates, no paths of a
machine.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import msgspec
import orjson
import polars as pl
import yaml
from jinja2 import Environment, StrictUndefined

from instructkit import __version__
from instructkit.evaluate.result import BeforeAfter, Change, Evaluation, Generation
from instructkit.evaluate.table import loss_rows, score_rows
from instructkit.models.gguf import is_gguf
from instructkit.models.place import PACKAGE
from instructkit.text.markdown import fenced, folded, front_matter, table
from instructkit.train.config.scratch import Scratch
from instructkit.train.config.stopping import SLICES
from instructkit.train.config.training import Training
from instructkit.train.data.preflight import LOST, Preflight
from instructkit.train.save.lineage import Lineage

SHOWN = 30
"""Rows of a table that stand open on the page; longer ones are folded."""
TASKS = {"causal": "text-generation", "seq2seq": "text-generation", "classifier": "text-classification"}
"""What the hub calls a kind of model."""
CLASSES = {
    "causal": "AutoModelForCausalLM",
    "seq2seq": "AutoModelForSeq2SeqLM",
    "classifier": "AutoModelForSequenceClassification",
}


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a training made."""

    kind: str
    """causal, seq2seq or classifier."""
    steps: int
    examples: int
    """That came up in these steps."""
    supervised_tokens: int
    """That the loss saw in these steps, as often as it saw them."""
    parameters: int
    trained: int
    """Parameters that were trained; those of an adapter where there is one."""
    saved_as: str
    """Numbers that the weights are saved in: fp32, bf16 or fp16."""
    adapter_of: str | None = None
    """Where the folder holds an adapter, the model that it belongs to; None: the folder holds a whole model."""
    chat: bool
    """Whether it reads conversations, as the chat template writes them, and not texts."""
    notes: Sequence[str]
    before: Evaluation | None
    after: Evaluation | None
    changes: Sequence[Change] = ()
    """after - before, with intervals."""


def model_card(
    name: str,
    config: Training,
    outcome: Outcome,
    *,
    lineage: Lineage,
    base: dict[str, str | None] | None,
    made_of: dict[str, Any],
    key: str,
    preflight: Preflight,
    shards: Sequence[Path],
) -> str:
    """README.md of an exported model: front matter for the Hugging Face hub, then a page.

    `name`: of the training. `config` in the recipe's own words; `base` as `train.save.state.model_identity` gives it;
    `made_of` and `key` of the run; `shards`: the examples.
    """
    lost = [name for name in LOST if preflight.total(name)]
    templates, languages = _composition(shards)
    of = outcome.adapter_of
    page = Environment(trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True, undefined=StrictUndefined)
    page.filters["number"] = _cell
    return page.from_string(files("instructkit.train.save").joinpath("card.md.jinja").read_text("utf-8")).render(
        front=_front(config, outcome, base, languages),
        name=name,
        config=config,
        outcome=outcome,
        lineage=lineage,
        new=isinstance(config.model, Scratch),
        ready=preflight.total("trained"),
        auto=CLASSES[outcome.kind],
        known_here=of is not None and (of.startswith(PACKAGE) or is_gguf(of)),  # names that transformers does not know
        **_results(outcome),
        lost=lost,
        data=_data(preflight, lost),
        templates=_templates(templates, lineage),
        said=fenced(yaml.safe_dump(_plain(_said(config)), sort_keys=False, allow_unicode=True), "yaml"),
        settings=folded("All settings", fenced(_json(config), "json")),
        made_of=_made_of(lineage, base, made_of, key),
        recipe=folded("Recipe", fenced(lineage.recipe_text, "yaml")) if lineage.recipe_text else "",
    )


def _front(
    config: Training, outcome: Outcome, base: dict[str, str | None] | None, languages: Sequence[str | None]
) -> str:
    head: dict[str, Any] = {
        "library_name": "transformers" if outcome.adapter_of is None else "peft",
        "pipeline_tag": TASKS[outcome.kind],
        "tags": ["instructkit", *([config.adapter.kind] if config.adapter is not None else [])],
    }
    if base is not None and "name" in base:  # the hub takes names of its own only, no folders
        head["base_model"] = config.model
        head["base_model_relation"] = "finetune" if outcome.adapter_of is None else "adapter"
    if known := sorted(code for code in languages if code is not None):
        head["language"] = known
    return front_matter(head)


def _results(outcome: Outcome) -> dict[str, Any]:
    """Losses, scores and replies on the test split, as Markdown."""
    after = outcome.after
    if after is None:
        return {}
    found = BeforeAfter(before=outcome.before, after=after, changes=[*outcome.changes])
    tables = [(by, *loss_rows(found, by)) for by in SLICES]
    scored = any(score.low is not None for score in after.scores)  # else there are a few replies, for the eye
    replies = "\n\n".join(map(_reply, after.generations))
    return {
        # A single slice says what the whole says.
        "losses": [_table(heads, rows) for by, heads, rows in tables if len(rows) > 2 or by == SLICES[0]],
        "scores": _table(*score_rows(found)) if scored else "",
        "replies": replies and folded(f"Replies to {len(after.generations)} test examples", replies),
    }


def _reply(found: Generation) -> str:
    fields = (("asked", found.prompt[-1].content), ("expected", found.expected), ("answered", found.reply))
    return "\n\n".join([f"**{found.example_id}**", *(f"{title}\n\n{fenced(text)}" for title, text in fields)])


def _data(preflight: Preflight, lost: Sequence[str]) -> str:
    names = ["source", "template", "rows", "trained", "tokens", "supervised_tokens", *lost]
    heads = [name.replace("_", " ") for name in names]
    return _table(heads, [[_cell(value) for value in row] for row in preflight.table.select(names).rows()])


def _templates(templates: pl.DataFrame, lineage: Lineage) -> str:
    rows = [
        (f"`{name}`", f"`{digest}`" if digest else "-", _cell(count), lineage.licenses.get(name) or "(not known)")
        for name, digest, count in templates.rows()
    ]
    return _table(("template", "hash", "examples", "licence"), rows) if rows else ""


def _made_of(lineage: Lineage, base: dict[str, str | None] | None, made_of: dict[str, Any], key: str) -> str:
    pinned = [(f"base model, {k}", f"`{v}`") for k, v in (base or {}).items() if k != "name"]
    known = [("recipe", lineage.recipe), ("lockfile", lineage.lock), ("dataset", lineage.dataset), ("run", key)]
    versions = {"instructkit": __version__, **made_of.get("packages", {})}
    lines = [
        *pinned,
        *((what, f"`{value}`") for what, value in known if value is not None),
        *((f"{package}, version", str(version)) for package, version in versions.items()),
    ]
    return _table(("what", "value"), lines)


def _said(settings: Any) -> dict[str, Any]:
    """The keys of a settings object that do not have their default, in plain values, and those of objects inside it."""
    said = {}
    for each in dataclasses.fields(settings):
        value = getattr(settings, each.name)
        default = each.default if each.default_factory is dataclasses.MISSING else each.default_factory()
        if value != default:
            said[each.name] = _said(value) if dataclasses.is_dataclass(value) else msgspec.to_builtins(value)
    return said


def _plain(settings: dict[str, Any]) -> dict[str, Any]:
    """Settings by the names that a recipe has for them."""
    return {key.rstrip("_"): value for key, value in settings.items()}


def _composition(shards: Sequence[Path]) -> tuple[pl.DataFrame, list[str | None]]:
    """What the training split is made of: template, hash and count, and languages."""
    every = pl.concat([pl.scan_parquet(path, glob=False) for path in shards], how="vertical")
    known = every.collect_schema()
    train = every.filter(pl.col("split") == "train") if "split" in known else every
    languages = train.select(pl.col("language").unique()).collect()["language"].to_list() if "language" in known else []
    names = ["template", "template_hash"]
    if not set(names) <= set(known):  # documents
        return pl.DataFrame(), languages
    return train.group_by(names).len().drop_nulls("template").sort(names).collect(), languages


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    text = table(heads, rows)
    return text if len(rows) <= SHOWN else folded(f"{len(rows):,} rows", text)


def _json(config: Training) -> str:
    return orjson.dumps(_plain(msgspec.to_builtins(config)), option=orjson.OPT_INDENT_2).decode()


def _cell(value: object) -> str:
    return "-" if value is None else f"{value:,}" if isinstance(value, int) else str(value)
