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

from instructkit.errors import UsageFault, did_you_mean
from instructkit.hashing import key_of
from instructkit.schema import NOUNS, Drop, Example, Noun, columns
from instructkit.stages.export.write import FileInfo
from instructkit.store.shards import scan_shards
from instructkit.store.store import ShardRef, Store

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
    noun: str
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
    def digest(self) -> str:
        """Names the step's rows by content."""
        return key_of([ref.digest for ref in self.kept])


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What a recipe's last build was made of."""

    instructkit: str
    recipe: str
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
        self.folder.mkdir(parents=True, exist_ok=True)
        temporary = self.folder / f".{FILE}.tmp"
        temporary.write_bytes(msgspec.json.format(msgspec.json.encode(self.manifest), indent=1) + b"\n")
        temporary.replace(self.folder / FILE)

    def step(self, name: str) -> StepEntry:
        """A step by name. Raises UsageFault with the steps there are."""
        steps = self.manifest.steps
        if name not in steps:
            raise UsageFault(f"{self.folder}: no step '{name}'{did_you_mean(name, steps)} (steps: {', '.join(steps)})")
        return steps[name]

    def example_steps(self) -> list[str]:
        """Steps whose rows are examples, in order."""
        return [
            n
            for n, s in self.manifest.steps.items()
            if s.noun == Example.__name__ and not s.stage.startswith("export.")
        ]

    def last_examples(self) -> str:
        """The last step with examples. Raises UsageFault when there is none."""
        steps = self.example_steps()
        if not steps:
            raise UsageFault(f"{self.folder}: no step of this build holds examples; add a `render` step to its recipe")
        return steps[-1]

    def noun(self, step: str) -> Noun:
        """What a step's rows are."""
        return next(noun for noun in NOUNS if noun.__name__ == self.step(step).noun)

    def paths(self, step: str) -> list[Path]:
        """Files of a step's shards, in order."""
        return [self.store.shard_path(ref) for ref in self.step(step).kept]

    def rows(self, step: str) -> pl.LazyFrame:
        """A step's rows."""
        return scan_shards(self.paths(step), columns(self.noun(step)))

    def shards(self, step: str) -> Iterator[pl.DataFrame]:
        """A step's shards, one at a time."""
        for ref in self.step(step).kept:
            yield self.store.get_shard(ref)

    def drops(self, *steps: str) -> pl.LazyFrame:
        """Drops of the steps named, or of all, with their step filled in."""
        frames = [
            scan_shards([self.store.shard_path(ref) for ref in self.step(name).dropped], columns(Drop)).with_columns(
                step=pl.lit(name)
            )
            for name in steps or self.manifest.steps
        ]
        return pl.concat(frames)
