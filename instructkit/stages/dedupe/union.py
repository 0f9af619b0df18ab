"""Union-find: from "these two belong together" to sets."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Generic, TypeVar

T = TypeVar("T", str, int)


class Union(Generic[T]):
    """Disjoint sets. A set's name is its smallest member, so no order of joining can show."""

    def __init__(self) -> None:
        self._parent: dict[T, T] = {}

    def find(self, member: T) -> T:
        """The smallest member of the set that this one is in; itself when it was never joined."""
        parent = self._parent
        root = member
        while (above := parent.get(root, root)) != root:
            root = above
        while (above := parent.get(member, member)) != root and above != member:
            parent[member], member = root, above
        return root

    def join(self, a: T, b: T) -> None:
        """Make one set of the sets of `a` and `b`."""
        first, second = sorted((self.find(a), self.find(b)))
        if first != second:
            self._parent[second] = first

    def names(self) -> dict[T, T]:
        """Each member that is not the smallest of its set, with the smallest."""
        return {member: self.find(member) for member in sorted(self._parent)}


def united(pairs: Iterable[tuple[T, T]]) -> Union[T]:
    """The sets that these pairs join."""
    union: Union[T] = Union()
    for a, b in pairs:
        union.join(a, b)
    return union
