"""The steps of a recipe: each a stage placed in a graph whose edges are typed."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from instructkit.errors import InstructkitError, TemplateFault, UsageFault, did_you_mean
from instructkit.recipe.fields import Place, describe, entries, read_dataclass
from instructkit.schema import Document, Example, Noun
from instructkit.stages.contract import noun_after
from instructkit.stages.table import stage_class

RESERVED = ("trainings",)
"""Names in a build's folder that are no step's."""
NAME_RULE = "letters, digits, '_' and '-'"


@dataclass(frozen=True, kw_only=True)
class Step:
    """A stage placed in a recipe."""

    name: str
    line: int
    """Of the recipe file."""
    stage_name: str
    stage: Any
    """The stage, its fields set."""
    upstream: tuple[str, ...]
    """Steps whose rows it reads, in order; empty for an ingest."""
    noun: Noun | None
    """What its rows are; None for the lines of an export."""
    runs: tuple[Any, ...]
    """The stages that really run: the stage itself, or what it unfolds into."""


def is_name(name: str) -> bool:
    """Whether a recipe, step or training may be called that."""
    return bool(name) and name.replace("_", "").replace("-", "").isalnum() and not name.startswith("-")


def read_steps(node: yaml.Node, place: Place, seed: int, root: Path) -> dict[str, Step]:
    """The steps that have no fault, in order; the faults of the others are noted."""
    listed = list(entries(node, place, "steps"))
    names = [name for name, _, _ in listed]
    if isinstance(node, yaml.MappingNode) and not listed:
        place.fault(node, "steps: a recipe needs at least one step")
    steps: dict[str, Step] = {}
    broken: set[str] = set()
    above: str | None = None
    for name, key, body in listed:
        step = _read_step(name, key, body, place, seed, root, steps, names, broken, above)
        if step is None:
            broken.add(name)
        else:
            steps[name] = step
        above = name
    return steps


def _read_step(
    name: str,
    key: yaml.Node,
    body: yaml.Node,
    place: Place,
    seed: int,
    root: Path,
    steps: dict[str, Step],
    names: Sequence[str],
    broken: set[str],
    above: str | None,
) -> Step | None:
    what = f"step '{name}'"
    before = len(place.faults)
    if not is_name(name):
        place.fault(key, f"{what}: a name has {NAME_RULE}")
    if name in RESERVED:
        place.fault(key, f"{what}: the name '{name}' is taken by the build's own folder; give the step another")
    keys = {k: (kn, v) for k, kn, v in entries(body, place, what)}
    if "stage" not in keys:
        if isinstance(body, yaml.MappingNode):
            place.fault(body, f"{what}: key 'stage' is missing")
        return None
    stage_node = keys["stage"][1]
    stage_name = stage_node.value if isinstance(stage_node, yaml.ScalarNode) else ""
    try:
        cls = stage_class(stage_name)
    except UsageFault as error:
        place.fault(stage_node, f"{what}: {error}")
        return None
    stage = read_dataclass(cls, body, place, what, skip=("stage", "from"), preset={"seed": seed, "source": name})
    upstream = _upstream(cls, keys, place, what, names, name, above)
    runs: tuple[Any, ...] = (stage,)
    if hasattr(stage, "unfold"):
        runs = _unfold(stage, root, place, {"": key, **{k: v for k, (_, v) in keys.items()}}, what)
    known = [steps[up] for up in upstream if up in steps]
    if stage is None or len(place.faults) > before or len(known) < len(upstream):
        return None  # an upstream step that is itself at fault has been reported already
    noun = _noun(stage, known, place, keys.get("from", (None, key))[1] or key, what)
    if len(place.faults) > before:
        return None
    return Step(
        name=name,
        line=key.start_mark.line + 1,
        stage_name=stage_name,
        stage=stage,
        upstream=upstream,
        noun=noun,
        runs=runs,
    )


def _unfold(stage: Any, root: Path, place: Place, nodes: dict[str, yaml.Node], what: str) -> tuple[Any, ...]:
    """The stages that a step really runs; the faults of templates are placed in their files, all others here.

    `nodes` are the values of the step's keys: a fault without a line names the key that it is about in place of a file.
    """
    node = nodes.get("templates", nodes[""])
    try:
        return tuple(stage.unfold(root))
    except TemplateFault as error:
        place.faults += [fault for fault in error.faults if fault.line]
        for fault in error.faults:
            if not fault.line:
                place.fault(nodes.get(fault.file, node), f"{what}: {fault.message}")
    except InstructkitError as error:
        place.fault(node, f"{what}: {error}")
    return ()


def _upstream(
    cls: type[Any],
    keys: dict[str, tuple[yaml.Node, yaml.Node]],
    place: Place,
    what: str,
    names: Sequence[str],
    name: str,
    above: str | None,
) -> tuple[str, ...]:
    if not cls.reads:
        if "from" in keys:
            place.fault(keys["from"][0], f"{what}: an ingest reads no other step; take 'from' away")
        return ()
    if "from" not in keys:
        if above is None:
            place.fault(
                keys["stage"][1], f"{what}: the first step must be an ingest, {keys['stage'][1].value} reads rows"
            )
            return ()
        return (above,)
    node = keys["from"][1]
    listed = node.value if isinstance(node, yaml.SequenceNode) else [node]
    upstream = []
    for item in listed:
        said = item.value if isinstance(item, yaml.ScalarNode) else ""
        if said not in names:
            place.fault(item, f"{what}: from: no step named {describe(item)}{did_you_mean(said, names)}")
        elif names.index(said) >= names.index(name):
            place.fault(item, f"{what}: from: step '{said}' stands below; a step reads only steps above it")
        elif said in upstream:
            place.fault(item, f"{what}: from: step '{said}' stands twice")
        else:
            upstream.append(said)
    if not listed:
        place.fault(node, f"{what}: from: names no step")
    return tuple(upstream)


def _noun(stage: Any, upstream: Sequence[Step], place: Place, node: yaml.Node, what: str) -> Noun | None:
    if not upstream:
        return noun_after(stage, None)
    nouns: dict[Noun, str] = {}
    for step in upstream:
        if step.noun is None:
            place.fault(node, f"{what}: '{step.name}' is an export; read the step that it reads ('{step.upstream[0]}')")
            return None
        nouns[step.noun] = step.name
    if len(nouns) > 1:
        said = ", ".join(f"'{name}' gives {noun.__name__} rows" for noun, name in nouns.items())
        place.fault(node, f"{what}: reads two kinds of rows: {said}; render the documents first")
        return None
    (noun,) = nouns
    if noun not in stage.reads:
        takes = " or ".join(n.__name__ for n in stage.reads)
        hint = "; render them first" if noun is Document else "" if noun is not Example else "; put it before rendering"
        place.fault(node, f"{what}: reads {takes} rows, but '{upstream[0].name}' gives {noun.__name__} rows{hint}")
        return None
    return noun_after(stage, noun)


def stage_fields(stage: Any) -> dict[str, Any]:
    """A stage's fields and their values."""
    return {field.name: getattr(stage, field.name) for field in dataclasses.fields(stage)}
