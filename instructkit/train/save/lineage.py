"""Where a dataset comes from, as far as who trains on it knows. No torch: a build can tell."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class Lineage:
    """Where a dataset comes from, as far as it is known."""

    dataset: str
    """Content hash of the rows."""
    recipe: str | None = None
    """Name of the recipe."""
    recipe_text: str | None = None
    lock: str | None = None
    """Content hash of the lockfile."""
    licenses: dict[str, str | None] = field(default_factory=dict)
    """SPDX licence by template, None where the template names none."""
