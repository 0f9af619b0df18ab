"""Every error that instructkit raises on purpose.

    InstructkitError
    ├── UserFault                exit 2: recipe, template or command line at fault; nothing has run
    │   ├── RecipeFault          every fault of a recipe at once
    │   ├── TemplateFault        every fault of one or more templates at once
    │   └── UsageFault           a command was called with something that is not there
    └── RunError                 exit 1: the work began and could not go on
        ├── InputError           a source cannot be read at all, or has more bad records than allowed
        ├── StageError           a stage broke its contract: counts, columns or ids
        ├── StoreError           a result in the store is damaged
        ├── LockMismatch         `build --locked` met other inputs, versions or bytes
        └── TrainingError        training cannot start, or cannot go on, without hiding something

A message says where, what was found, what was expected, and the way out.
A bad *record* is not an error: it is a `Drop`, counted and kept in a table.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from difflib import get_close_matches


class InstructkitError(Exception):
    """Root of the tree; `exit_code` is what the command line exits with.

    Errors travel from worker processes, so each of them pickles to an equal one.
    """

    exit_code = 1

    def at(self, place: str) -> InstructkitError:
        """The same kind of error, its message led by where it happened."""
        return type(self)(f"{place}: {self}")


class UserFault(InstructkitError):
    """The recipe, a template or the command line is at fault; nothing has run."""

    exit_code = 2


@dataclass(frozen=True, order=True)
class Fault:
    """One fault at one place; `line` and `column` count from 1, 0 where there is none."""

    file: str
    line: int
    column: int
    message: str

    def __str__(self) -> str:
        place = ":".join(str(n) for n in (self.line, self.column) if n)
        return f"{self.file}{':' + place if place else ''}: {self.message}"


class FaultList(UserFault):
    """Several faults reported together, in file order."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = sorted(set(faults))
        count = f"{len(self.faults)} problem{'s' if len(self.faults) != 1 else ''}"
        super().__init__("\n".join([count, *(f"  {fault}" for fault in self.faults)]))

    def __reduce__(self) -> tuple[type[FaultList], tuple[list[Fault]]]:
        # An exception pickles as class(*args), and args is the message; what this class is made from is the faults.
        return type(self), (self.faults,)

    def at(self, place: str) -> FaultList:
        """The same faults, each message led by where it was met."""
        return type(self)(replace(fault, message=f"{place}: {fault.message}") for fault in self.faults)


class RecipeFault(FaultList):
    """Every fault of a recipe."""


class TemplateFault(FaultList):
    """Every fault of one or more templates."""


class UsageFault(UserFault):
    """A command was called with something that is not there."""


class RunError(InstructkitError):
    """The work began and could not go on."""


class InputError(RunError):
    """A source cannot be read at all, or has more bad records than allowed."""


class StageError(RunError):
    """A stage broke its contract: counts, columns or ids."""


class StoreError(RunError):
    """A result in the store is damaged."""


class LockMismatch(RunError):
    """A locked build met other inputs, versions or bytes."""


class TrainingError(RunError):
    """Training cannot start, or cannot go on, without hiding something."""


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`"; did you mean 'x'?"` for the closest known word, `""` when none is close."""
    close = get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f"; did you mean '{close[0]}'?" if close else ""


def first_line(error: BaseException) -> str:
    """The first line of what an error says, or its kind where it says nothing."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]
