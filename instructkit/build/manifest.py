"""The manifest: what was built from what.

It holds the graph of calls, so that an example can be walked back to its file and line. Nothing in it depends on when,
where, how fast or with how many workers the build ran: two builds of the same inputs have the same manifest, to the
byte.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import polars as pl

from instructkit.build.split_files import FileInfo
from instructkit.errors import UsageFault, did_you_mean
from instructkit.hashing import key_of
from instructkit.schema import NOUNS, Drop, Example, Noun, columns
from instructkit.store.atomic import write_text
from instructkit.store.shards import scan_shards
from instructkit.store.store import ShardRef, Store
from instructkit.templates.head import read_head
from instructkit.templates.template import SUFFIX

FILE = "manifest.json"


class InputEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A file of a source, or a range of a large one, and its content."""

    name: str
    digest: str


class CallEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A call and what it gave."""

    key: str
    verb: str
    where: str
    kept: list[ShardRef]
    dropped: list[ShardRef]


class RunEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A stage that ran in a step, as it was keyed."""

    stage: str
    version: int
    packages: dict[str, str]
    fields: dict[str, Any]
    template: str | None = None
    template_hash: str | None = None
    calls: list[CallEntry]


class StepEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A step: its stages, rows in and out, and the shards of its rows."""

    stage: str
    upstream: list[str]
    noun: str | None
    """What its rows are; None for the lines of an export."""
    rows_in: int
    rows_kept: int
    rows_dropped: int
    location: list[str] = []
    """An ingest: where its source lies, in the recipe's words."""
    inputs: list[InputEntry]
    runs: list[RunEntry]
    files: list[FileInfo] = []
    """An export: its files, in the folder of the step's name."""

    @property
    def kept(self) -> list[ShardRef]:
        """Shards of the rows that went on."""
        return [ref for run in self.runs for call in run.calls if call.verb in ("read", "apply") for ref in call.kept]

    @property
    def dropped(self) -> list[ShardRef]:
        """Shards of drops; their column `step` is null, the step is known from here."""
        return [ref for run in self.runs for call in run.calls for ref in call.dropped]

    @property
    def settings(self) -> dict[str, Any]:
        """Its fields as they were keyed, without what templates and inputs have hashes of their own for."""
        fields = self.runs[0].fields if self.runs else {}
        return {name: value for name, value in fields.items() if name not in ("template", "template_hash", "sources")}

    @property
    def templates(self) -> dict[str, str | None]:
        """Hash by template."""
        return {run.template: run.template_hash for run in self.runs if run.template}

    @property
    def packages(self) -> dict[str, str]:
        """Version by package that its rows depend on."""
        return {name: version for run in self.runs for name, version in run.packages.items()}

    @property
    def digest(self) -> str:
        """Names the step's rows by content."""
        return key_of([ref.digest for ref in self.kept])


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What a recipe's last build was made of."""

    instructkit: str
    recipe: str
    recipe_file: str
    """Path of the recipe in its project."""
    recipe_text: str
    seed: int
    steps: dict[str, StepEntry]


class Build:
    """A build on disk: the manifest and the rows behind it."""

    def __init__(self, folder: Path, manifest: Manifest) -> None:
        self.folder = folder
        self.manifest = manifest
        self.store = Store(folder.parent / ".store")

    @classmethod
    def open(cls, folder: Path) -> Build:
        """Open a build's folder. Raises UsageFault when there is no build in it."""
        try:
            manifest = msgspec.json.decode((folder / FILE).read_bytes(), type=Manifest)
        except FileNotFoundError:
            raise UsageFault(f"{folder}: no build here (no {FILE}); run `instructkit build RECIPE` first") from None
        except msgspec.MsgspecError as error:
            raise UsageFault(f"{folder / FILE}: not a manifest of this version ({error}); build again") from None
        return cls(folder, manifest)

    def save(self) -> None:
        """Write the manifest, whole or not at all."""
        text = msgspec.json.format(msgspec.json.encode(self.manifest), indent=1).decode()
        write_text(self.folder / FILE, text + "\n")

    def step(self, name: str) -> StepEntry:
        """A step by name. Raises UsageFault with the steps there are."""
        steps = self.manifest.steps
        if name not in steps:
            raise UsageFault(f"{self.folder}: no step '{name}'{did_you_mean(name, steps)} (steps: {', '.join(steps)})")
        return steps[name]

    def row_steps(self) -> list[str]:
        """Steps whose rows are documents or examples, in order: all but exports."""
        return [name for name, step in self.manifest.steps.items() if step.noun is not None]

    def example_steps(self) -> list[str]:
        """Steps whose rows are examples, in order."""
        return [name for name, step in self.manifest.steps.items() if step.noun == Example.__name__]

    def last_examples(self) -> str:
        """The last step with examples. Raises UsageFault when there is none."""
        steps = self.example_steps()
        if not steps:
            raise UsageFault(f"{self.folder}: no step of this build holds examples; add a `render` step to its recipe")
        return steps[-1]

    def upstream(self, *steps: str) -> list[str]:
        """The steps named and all that they are made from, in the recipe's order."""
        found = set(steps)
        for name, step in reversed(self.manifest.steps.items()):
            if name in found:
                found.update(step.upstream)
        return [name for name in self.manifest.steps if name in found]

    def noun(self, step: str) -> Noun | None:
        """What a step's rows are; None for the lines of an export."""
        return next((noun for noun in NOUNS if noun.__name__ == self.step(step).noun), None)

    def paths(self, step: str) -> list[Path]:
        """Files of a step's shards, in order. Raises StoreError when one is missing or damaged."""
        return self.store.paths(self.step(step).kept)

    def rows(self, step: str) -> pl.LazyFrame:
        """A step's rows."""
        noun = self.noun(step)
        return scan_shards(self.paths(step), columns(noun) if noun else pl.Schema({"id": pl.String()}))

    def shards(self, step: str) -> Iterator[pl.DataFrame]:
        """A step's shards, one at a time."""
        for ref in self.step(step).kept:
            yield self.store.get_shard(ref)

    def drops(self, *steps: str) -> pl.LazyFrame:
        """Drops of the steps named, or of all, with their step filled in."""
        frames = [
            scan_shards(self.store.paths(self.step(name).dropped), columns(Drop)).with_columns(step=pl.lit(name))
            for name in steps or self.manifest.steps
        ]
        return pl.concat(frames)

    def metrics(self) -> dict[str, list[str]]:
        """The metrics that templates declare, by their hash: as they were when the examples were rendered."""
        found: dict[str, list[str]] = {}
        for step in self.manifest.steps.values():
            for run in step.runs:
                if run.template and run.template_hash and isinstance(sources := run.fields.get("sources"), dict):
                    front = read_head(sources[run.template + SUFFIX], run.template).front
                    found[run.template_hash] = [*front.metrics] if front else []
        return found

    def training_drops(self) -> pl.LazyFrame:
        """Examples that trainings of this build left out (too long, not to be labelled); `step` names the training."""
        return self._of_trainings("dropped.parquet")

    def training_cuts(self) -> pl.LazyFrame:
        """Examples that trainings of this build took with a shortened prompt, as the Drop noun says it; likewise."""
        return self._of_trainings("cut.parquet")

    def _of_trainings(self, name: str) -> pl.LazyFrame:
        files = sorted(self.folder.glob(f"trainings/*/{name}"))
        frames = [
            scan_shards([file], columns(Drop)).with_columns(step=pl.lit(f"training {file.parent.name}"))
            for file in files
        ]
        return pl.concat([pl.LazyFrame(schema=columns(Drop)), *frames])
