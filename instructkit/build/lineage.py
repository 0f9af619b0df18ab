"""Where the examples of a build come from, for the card of a model that is trained on them."""

from __future__ import annotations

from instructkit.build.export import licences
from instructkit.build.lock import lock_of
from instructkit.build.manifest import Build
from instructkit.hashing import key_of
from instructkit.train.save.lineage import Lineage


def lineage(build: Build, step: str) -> Lineage:
    """The recipe, the lock and the licences of the templates behind the rows of a step."""
    return Lineage(
        dataset=build.step(step).digest,
        recipe=build.manifest.recipe,
        recipe_text=build.manifest.recipe_text,
        lock=key_of(lock_of(build.manifest)),
        licenses=licences(build, build.upstream(step)),
    )
