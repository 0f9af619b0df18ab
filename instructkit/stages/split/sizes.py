"""How large each split is to be, as the recipe says it: shares of the rows, or counts, and one that takes the rest."""

from __future__ import annotations

from typing import Annotated, Literal, NamedTuple

import msgspec

Size = Annotated[float, msgspec.Meta(ge=0, le=1)] | Annotated[int, msgspec.Meta(ge=0)] | Literal["rest"]

SPLITS = ("train", "validation", "test")
TRAIN, VALIDATION, TEST = range(3)
TOLERANCE = 1e-9
"""0.7 + 0.2 + 0.1 is not 1 in binary floating point."""


class Sizes(NamedTuple):
    """The sizes of `SPLITS`, in order; one of the two is None."""

    shares: tuple[float, ...] | None
    """They sum to 1."""
    counts: tuple[int | None, ...] | None
    """Rows; None for what takes the rest, of which there is one at most."""

    def targets(self, rows: int) -> list[int]:
        """How many of so many rows each split is to have; of shares, rounded."""
        if self.shares is not None:
            return [round(share * rows) for share in self.shares]
        assert self.counts is not None
        left = rows - sum(count or 0 for count in self.counts)
        return [left if count is None else count for count in self.counts]

    def roomiest(self, rows: int) -> int:
        """The number of the split that is to be the largest; of equal ones the first."""
        targets = self.targets(rows)
        return targets.index(max(targets))


def read_sizes(given: dict[str, Size]) -> Sizes | str:
    """The sizes that a recipe gives by split, or what is wrong with them."""
    said = ", ".join(
        f"{name} {size:g}" if isinstance(size, float) else f"{name} {size}" for name, size in given.items()
    )
    rests = [name for name, size in given.items() if size == "rest"]
    if len(rests) > 1:
        return f"only one split can take the rest: {said}"
    numbers = {name: size for name, size in given.items() if not isinstance(size, str)}
    # `train: 1, validation: 0, test: 0` is all of them, not one row.
    all_in_one = not rests and sorted(numbers.values()) == [0, 0, 1]
    counted = {name for name, size in numbers.items() if isinstance(size, int) and size and not all_in_one}
    shared = {name for name, size in numbers.items() if size and name not in counted}
    if counted and shared:
        return (
            f"shares (0.8) and counts of rows (8000) do not go together: {said}; give counts, and `rest` for the split "
            "that takes what is left"
        )
    if counted:
        values = (given[name] for name in SPLITS)
        return Sizes(None, tuple(None if isinstance(size, str) else int(size) for size in values))
    total = sum(numbers.values())
    if total > 1 + TOLERANCE or not (rests or abs(total - 1) <= TOLERANCE):
        return f"shares must sum to 1: {said} = {total:g}"
    left = max(0.0, 1 - total)
    return Sizes(tuple(left if (size := given[name]) == "rest" else float(size) for name in SPLITS), None)
