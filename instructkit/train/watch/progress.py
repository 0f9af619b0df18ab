"""What a long run says while it works. Without torch: the command line draws it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class Event:
    """One thing to show: `done` of `total` in a phase, with numbers; or a message."""

    phase: str
    """tokenizer, tokenize, prepare, evaluate, train or export."""
    done: int = 0
    total: int = 0
    """0 where there is nothing to count."""
    values: dict[str, float] = field(default_factory=dict)
    """loss, learning_rate, tokens_per_s, …"""
    message: str | None = None


Progress = Callable[[Event], None]


def silent(event: Event) -> None:
    """Shows nothing."""


def plain_lines(event: Event) -> None:
    """Lines on standard error: messages, and about twenty lines a phase, for output that is not a terminal."""
    every = max(1, event.total // 20)
    if event.message is not None:
        print(f"{event.phase}: {event.message}", file=sys.stderr)
    elif event.done == event.total or event.done % every == 0:
        numbers = "  ".join(f"{name} {value:.4g}" for name, value in event.values.items())
        print(f"{event.phase} {event.done}/{event.total}  {numbers}".rstrip(), file=sys.stderr)
