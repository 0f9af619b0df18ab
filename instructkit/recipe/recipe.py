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

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import msgspec
import yaml

from instructkit.errors import RecipeFault, UsageFault, did_you_mean
from instructkit.recipe.fields import Place, compose, entries, read_dataclass, read_value
from instructkit.recipe.steps import NAME_RULE, Step, is_name, read_steps
from instructkit.schema import Document, Example
from instructkit.train.config.training import Training

KEYS = ("recipe", "description", "seed", "steps", "train")
Seed = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]


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

    def chain(self, name: str) -> list[str]:
        """A training and those it starts from, in the order in which they run; it is the last."""
        names = [name]
        while (earlier := self.trainings[names[0]].from_) is not None:
            names.insert(0, earlier)
        return names


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
    if not is_name(name):
        place.fault(top["recipe"][1] if "recipe" in top else None, f"recipe: a name has {NAME_RULE}, got '{name}'")
    steps: dict[str, Step] = {}
    if "steps" not in top:
        place.fault(None, "key 'steps' is missing: a recipe needs at least one step")
    else:
        steps = read_steps(top["steps"][1], place, seed, project_of(file))
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


def _recipes_near(file: Path) -> str:
    folders = [folder for folder in (file.parent, file.parent / "recipes") if folder.is_dir()]
    return ", ".join(str(p) for folder in folders for p in sorted(folder.glob("*.yaml")))


def _read_trainings(
    node: yaml.Node, place: Place, seed: int, steps: dict[str, Step], named: Sequence[str]
) -> dict[str, Training]:
    listed = list(entries(node, place, "train"))
    trainings: dict[str, Training] = {}
    bodies = {name: body for name, _, body in listed}
    for name, key, body in listed:
        what = f"training '{name}'"
        if not is_name(name):
            place.fault(key, f"{what}: a name has {NAME_RULE}")
        training = read_dataclass(Training, body, place, what, preset={"seed": seed})
        if training is None:
            continue
        if training.from_ is not None and training.from_ not in bodies:
            said = did_you_mean(training.from_, bodies)
            place.fault(body, f"{what}: from: no training named '{training.from_}'{said}")
        if training.examples not in named:
            said = did_you_mean(training.examples, named)
            place.fault(body, f"{what}: examples: no step named '{training.examples}'{said}")
        elif training.examples not in steps:
            continue  # the step is at fault, which has been reported already
        elif fault := _cannot_train_on(steps[training.examples], training):
            place.fault(body, f"{what}: examples: {fault}")
        else:
            trainings[name] = training
    for name in _circular(trainings):
        place.fault(bodies[name], f"training '{name}': from: leads back to '{name}'; let one of them name a model")
    return trainings


def _cannot_train_on(step: Step, training: Training) -> str | None:
    if step.noun is Example:
        return None
    if step.noun is not Document:
        return f"step '{step.name}' gives no Example rows"
    if training.objective == "language-modeling":
        return None
    way_out = "set objective: language-modeling to learn the texts themselves, or render them first"
    return f"step '{step.name}' gives Document rows; {way_out}"


def _circular(trainings: dict[str, Training]) -> list[str]:
    found = []
    for name in trainings:
        seen, at = {name}, trainings[name].from_
        while at is not None and at in trainings and at not in seen:
            seen.add(at)
            at = trainings[at].from_
        if at == name:
            found.append(name)
    return found
