"""The model card: how to use the model, how well it does, what it is made of. A page for people and for the hub.

A function of what it is given: no dates, no paths of a machine.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import orjson
import polars as pl
import yaml

from instructkit import __version__
from instructkit.evaluate.result import BeforeAfter, Change, Evaluation, Generation
from instructkit.evaluate.table import loss_rows, score_rows
from instructkit.models.gguf import is_gguf
from instructkit.models.place import PACKAGE
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
UNKNOWN = "(not known)"


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a training made."""

    kind: str
    """causal, seq2seq or classifier."""
    steps: int
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
    content = _composition(shards)
    parts = [
        _front(config, outcome, base, content),
        f"# {name}" if lineage.recipe is None else f"# {lineage.recipe}: {name}",
        _origin(config, outcome, preflight),
        "## Use",
        _usage(outcome),
        *_results(outcome),
        *_data(preflight, content, lineage),
        *_training(config, outcome),
        *_lineage(lineage, base, made_of, key),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _front(
    config: Training, outcome: Outcome, base: dict[str, str | None] | None, content: dict[str, pl.DataFrame]
) -> str:
    head: dict[str, Any] = {
        "library_name": "transformers" if outcome.adapter_of is None else "peft",
        "pipeline_tag": TASKS[outcome.kind],
        "tags": ["instructkit", *([config.adapter.kind] if config.adapter is not None else [])],
    }
    if base is not None and "name" in base:  # the hub takes names of its own only, no folders
        head["base_model"] = config.model
        head["base_model_relation"] = "finetune" if outcome.adapter_of is None else "adapter"
    languages = [code for code in content["language"]["language"].to_list() if code is not None]
    if languages:
        head["language"] = sorted(languages)
    return f"---\n{yaml.safe_dump(head, sort_keys=False, allow_unicode=True)}---"


def _origin(config: Training, outcome: Outcome, preflight: Preflight) -> str:
    begun = "Trained from random weights" if isinstance(config.model, Scratch) else f"Tuned from `{config.model}`"
    if config.from_ is not None:
        begun = f"Tuned from the model of the training `{config.from_}`"
    how = f" with {config.adapter.kind}" if config.adapter is not None else ""
    share = "" if outcome.trained == outcome.parameters else f", {outcome.trained:,} of them trained"
    if config.adapter is not None:
        share = f"; the adapter has {outcome.trained:,}"
    return (
        f"{begun}{how} on {preflight.total('trained'):,} examples "
        f"({preflight.total('supervised_tokens'):,} tokens that the loss saw) in {outcome.steps:,} steps. "
        f"{outcome.parameters:,} parameters{share}. Made with instructkit: each example names its source and template."
    )


def _usage(outcome: Outcome) -> str:
    auto, folder = CLASSES[outcome.kind], '"path/to/this/folder"'
    imports, load = [f"from transformers import {auto}, AutoTokenizer"], [f"model = {auto}.from_pretrained({folder})"]
    base = outcome.adapter_of
    if base is not None and (base.startswith(PACKAGE) or is_gguf(base)):  # names that transformers does not know
        imports = ["from instructkit.models.load import load_model", "from transformers import AutoTokenizer"]
        load = [f"model = load_model({folder})"]
    elif base is not None:
        imports.insert(0, "from peft import PeftModel")
        load = [
            f'model = {auto}.from_pretrained("{base}")',
            f"model = PeftModel.from_pretrained(model, {folder})",
        ]
    read = ['inputs = tokenizer("Your text", return_tensors="pt")']
    if outcome.chat:
        read = [
            'chat = [{"role": "user", "content": "Your question"}]',
            'inputs = tokenizer.apply_chat_template(chat, add_generation_prompt=True, return_tensors="pt", '
            "return_dict=True)",
        ]
    written = 'reply[inputs["input_ids"].shape[1]:]' if outcome.kind == "causal" else "reply"
    ask = [
        "reply = model.generate(**inputs, max_new_tokens=200)[0]",
        f"print(tokenizer.decode({written}, skip_special_tokens=True))",
    ]
    if outcome.kind == "classifier":
        ask = ["print(model.config.id2label[model(**inputs).logits.argmax().item()])"]
    tokenizer = f"tokenizer = AutoTokenizer.from_pretrained({folder})"
    return "```python\n" + "\n".join([*imports, "", tokenizer, *load, *read, *ask]) + "\n```"


def _results(outcome: Outcome) -> list[str]:
    after = outcome.after
    if after is None:
        return ["## Results", "Not evaluated: there were no examples of split `test`."]
    found = BeforeAfter(before=outcome.before, after=after, changes=[*outcome.changes])
    over = "the change" if outcome.before is not None else "the loss"
    parts = [
        "## Results",
        f"Loss on the {after.split} split, in nats per token that the loss sees. 95 %: where {over} lies in 95 of 100 "
        "resamples of the groups that examples belong to (bootstrap).",
    ]
    for by in SLICES:
        heads, lines = loss_rows(found, by)
        if len(lines) > 2 or by == SLICES[0]:  # a single slice says what the whole says
            parts.append(_table(heads, lines))
    if any(score.low is not None for score in after.scores):  # else there are a few replies, for the eye
        parts += [f"Replies on the {after.split} split. {' '.join(n + '.' for n in after.notes)}".strip()]
        parts += [_table(*score_rows(found))]
    parts += [_fold(f"Replies to {len(after.generations)} test examples", _replies(after.generations))]
    return parts


def _replies(generations: Sequence[Generation]) -> str:
    shown = []
    for each in generations:
        fields = (("asked", each.prompt[-1].content), ("expected", each.expected), ("answered", each.reply))
        shown.append("\n\n".join([f"**{each.example_id}**", *(f"{title}\n\n{_fence(text)}" for title, text in fields)]))
    return "\n\n".join(shown)


def _data(preflight: Preflight, content: dict[str, pl.DataFrame], lineage: Lineage) -> list[str]:
    lost = [name for name in LOST if preflight.total(name)]
    names = ["source", "template", "rows", "trained", "tokens", "supervised_tokens", *lost]
    heads = tuple(name.replace("_", " ") for name in names)
    lines = [tuple(_cell(value) for value in row) for row in preflight.table.select(names).rows()]
    said = "All of them were trained on." if not lost else "What was not trained on is counted by reason."
    parts = ["## Data", f"Examples of split `train`. {said}", _table(heads, lines)]
    templates = content["template"]
    if templates.height:
        listed = [
            (f"`{name}`", f"`{digest}`" if digest else "-", f"{count:,}", lineage.licenses.get(name) or UNKNOWN)
            for name, digest, count in templates.rows()
        ]
        words = "The templates' words are part of the examples; their licences:"
        parts += ["## Templates", words, _table(("template", "hash", "examples", "licence"), listed)]
        parts.append("The licences of the sources and of the base model apply as well; they are not known here.")
    return parts


def _training(config: Training, outcome: Outcome) -> list[str]:
    settings = {key.rstrip("_"): value for key, value in msgspec.to_builtins(config).items()}
    changed = {key.rstrip("_"): value for key, value in _said(config).items()}
    return [
        "## Training",
        "What the recipe says of it; all else has its default.",
        f"```yaml\n{yaml.safe_dump(changed, sort_keys=False, allow_unicode=True).rstrip()}\n```",
        f"Weights are saved in {outcome.saved_as}.",
        "The loss of each example is in `ledger.parquet` of the training's folder." if config.ledger else "",
        "\n".join(f"- {note}" for note in outcome.notes),
        _fold("All settings", _fence(orjson.dumps(settings, option=orjson.OPT_INDENT_2).decode(), "json")),
    ]


def _said(settings: Any) -> dict[str, Any]:
    """The keys of a settings object that do not have their default, in plain values, and those of objects inside it."""
    said = {}
    for each in dataclasses.fields(settings):
        value = getattr(settings, each.name)
        default = each.default if each.default_factory is dataclasses.MISSING else each.default_factory()
        if value != default:
            said[each.name] = _said(value) if dataclasses.is_dataclass(value) else msgspec.to_builtins(value)
    return said


def _lineage(lineage: Lineage, base: dict[str, str | None] | None, made_of: dict[str, Any], key: str) -> list[str]:
    pinned = [(f"base model, {k}", f"`{v}`") for k, v in (base or {}).items() if k != "name"]
    known = [("recipe", lineage.recipe), ("lockfile", lineage.lock), ("dataset", lineage.dataset), ("run", key)]
    versions = {"instructkit": __version__, **made_of.get("packages", {})}
    lines = [
        *pinned,
        *((what, f"`{value}`") for what, value in known if value is not None),
        *((f"{package}, version", str(version)) for package, version in versions.items()),
    ]
    text = lineage.recipe_text
    return ["## Lineage", _table(("what", "value"), lines), _fold("Recipe", _fence(text, "yaml")) if text else ""]


def _composition(shards: Sequence[Path]) -> dict[str, pl.DataFrame]:
    """What the training split is made of: rows by template and hash, and by language."""
    every = pl.concat([pl.scan_parquet(path, glob=False) for path in shards], how="vertical")
    known = every.collect_schema()
    train = every.filter(pl.col("split") == "train") if "split" in known else every
    templates, languages = (("template", "template_hash"), ("language",))
    return {
        names[0]: (
            train.group_by(names).len().drop_nulls(names[0]).sort(names).collect()
            if set(names) <= set(known)
            else pl.DataFrame(schema={**dict.fromkeys(names, pl.String), "len": pl.UInt32})
        )
        for names in (templates, languages)
    }


def _table(heads: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    cells = [heads, ["---"] * len(heads), *lines]
    text = "\n".join("| " + " | ".join(_flat(c) for c in row) + " |" for row in cells)
    return text if len(lines) <= SHOWN else _fold(f"{len(lines):,} rows", text)


def _flat(cell: str) -> str:
    return cell.replace("|", "\\|").replace("\n", " ")


def _fold(title: str, text: str) -> str:
    return f"<details><summary>{title}</summary>\n\n{text}\n\n</details>" if text else ""


def _fence(text: str, language: str = "") -> str:
    """The text in a fence longer than any run of backticks that it holds."""
    fence = "```"
    while fence in text:
        fence += "`"
    return f"{fence}{language}\n{text.rstrip()}\n{fence}"


def _cell(value: object) -> str:
    return "-" if value is None else f"{value:,}" if isinstance(value, int) else str(value)
