"""A recipe: named steps, each a stage placed in a graph, and named trainings.

    recipe: news
    seed: 17
    steps:
      raw:     {stage: ingest.jsonl, path: data/*.jsonl, text: body}
      unique:  {stage: dedupe.minhash, threshold: 0.8}           # `from:` left out: the step above
      pairs:   {stage: render, templates: [summarization/*]}
    train:
      tuned:   {examples: pairs, model: path-or-name}

Paths are relative to the project: the folder that holds `recipes/` when the recipe lies in one, else the recipe's own.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import msgspec
import yaml

from instructkit.errors import InstructkitError, RecipeFault, TemplateFault, UsageFault, did_you_mean
from instructkit.recipe.fields import Place, compose, describe, entries, read_dataclass, read_value
from instructkit.schema import Document, Example, Noun
from instructkit.stages.contract import noun_after
from instructkit.stages.table import stage_class
from instructkit.train.config import Training

KEYS = ("recipe", "description", "seed", "steps", "train")
Seed = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
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


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What to build. Steps stand in an order in which each comes after what it reads."""

    name: str
    description: str
    seed: int
    file: Path
    root: Path
    """The project folder: what paths in the recipe are relative to."""
    steps: dict[str, Step]
    trainings: dict[str, Training]

    @property
    def file_in_project(self) -> str:
        """The recipe's path below its project folder."""
        return self.file.absolute().relative_to(self.root).as_posix()

    def training_name(self, name: str | None) -> str:
        """The training of that name; None: the only one. Raises UsageFault with those there are."""
        known = ", ".join(self.trainings)
        if not self.trainings:
            raise UsageFault(f"{self.file}: the recipe has no training; add one under the key `train`")
        if name is None and len(self.trainings) > 1:
            raise UsageFault(f"{self.file}: several trainings ({known}); name one")
        if name is not None and name not in self.trainings:
            raise UsageFault(
                f"{self.file}: no training '{name}'{did_you_mean(name, self.trainings)} (trainings: {known})"
            )
        return name or next(iter(self.trainings))


def project_of(recipe: Path) -> Path:
    """The project folder of a recipe file."""
    folder = recipe.absolute().parent
    return folder.parent if folder.name == "recipes" else folder


def load_recipe(file: Path) -> Recipe:
    """Read and check a recipe and the templates it names; no work is done.

    Raises RecipeFault or TemplateFault with every fault, UsageFault when there is no such file.
    """
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise UsageFault(f"{file}: no such recipe; recipes here: {_recipes_near(file) or 'none'}") from None
    except (UnicodeDecodeError, IsADirectoryError) as error:
        raise UsageFault(f"{file}: not a recipe: {error}") from None
    place = Place(str(file))
    top = {name: (key, value) for name, key, value in entries(compose(text, str(file)), place, "recipe")}
    for name, (key, _) in top.items():
        if name not in KEYS:
            place.fault(key, f"unknown key '{name}'{did_you_mean(name, KEYS)} (keys: {', '.join(KEYS)})")
    values = {
        n: read_value(t, top[n][1], place, n)
        for n, t in (("recipe", str), ("seed", Seed), ("description", str))
        if n in top
    }
    seed = values.get("seed") or 0
    name = values.get("recipe") or file.name.partition(".")[0]
    if not _is_name(name):
        place.fault(top["recipe"][1] if "recipe" in top else None, f"recipe: a name has {NAME_RULE}, got '{name}'")
    steps: dict[str, Step] = {}
    if "steps" not in top:
        place.fault(None, "key 'steps' is missing: a recipe needs at least one step")
    else:
        steps = _read_steps(top["steps"][1], place, seed, project_of(file))
    named = [name for name, _, _ in entries(top["steps"][1], Place(str(file)), "steps")] if "steps" in top else []
    trainings = _read_trainings(top["train"][1], place, seed, steps, named) if "train" in top else {}
    if place.faults:
        raise RecipeFault(place.faults)
    return Recipe(
        name=name,
        description=values.get("description") or "",
        seed=seed,
        file=file,
        root=project_of(file),
        steps=steps,
        trainings=trainings,
    )


def _is_name(name: str) -> bool:
    return bool(name) and name.replace("_", "").replace("-", "").isalnum() and not name.startswith("-")


def _recipes_near(file: Path) -> str:
    folders = [folder for folder in (file.parent, file.parent / "recipes") if folder.is_dir()]
    return ", ".join(str(p) for folder in folders for p in sorted(folder.glob("*.yaml")))


def _read_steps(node: yaml.Node, place: Place, seed: int, root: Path) -> dict[str, Step]:
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
    if not _is_name(name):
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
        runs = _unfold(stage, root, place, keys.get("templates", (key, key))[1], what)
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


def _unfold(stage: Any, root: Path, place: Place, node: yaml.Node, what: str) -> tuple[Any, ...]:
    """The stages that a step really runs; the faults of templates are placed in their files, all others here."""
    try:
        return tuple(stage.unfold(root))
    except TemplateFault as error:
        place.faults += [fault for fault in error.faults if fault.line]
        for fault in error.faults:
            if not fault.line:
                place.fault(node, f"{what}: {fault.message}")
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


def _read_trainings(
    node: yaml.Node, place: Place, seed: int, steps: dict[str, Step], named: Sequence[str]
) -> dict[str, Training]:
    trainings: dict[str, Training] = {}
    for name, key, body in entries(node, place, "train"):
        what = f"training '{name}'"
        if not _is_name(name):
            place.fault(key, f"{what}: a name has {NAME_RULE}")
        training = read_dataclass(Training, body, place, what, preset={"seed": seed})
        if training is None:
            continue
        if training.examples not in named:
            said = did_you_mean(training.examples, named)
            place.fault(body, f"{what}: examples: no step named '{training.examples}'{said}")
        elif training.examples not in steps:
            continue  # the step is at fault, which has been reported already
        elif steps[training.examples].noun is not Example:
            place.fault(body, f"{what}: examples: step '{training.examples}' gives no Example rows")
        else:
            trainings[name] = training
    return trainings


def stage_fields(stage: Any) -> dict[str, Any]:
    """A stage's fields and their values."""
    return {field.name: getattr(stage, field.name) for field in dataclasses.fields(stage)}
