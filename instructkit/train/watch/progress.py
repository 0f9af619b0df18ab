"""What a long run says while it works. Without torch: the command line draws it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class Event:
    """One thing to show: `done` of `total` in a phase, with numbers; or a message."""

    phase: str
    """tokenizer, tokenize, prepare, evaluate, ledger, train, ledger again or export."""
    done: int = 0
    total: int = 0
    """0 where there is nothing to count."""
    values: dict[str, float] = field(default_factory=dict)
    """loss, learning_rate, tokens_per_s, …: what `watch.meter` explains, loss_mean and eta_s."""
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
        print("  ".join([f"{event.phase} {event.done}/{event.total}", *facts(event.values)]), file=sys.stderr)


def facts(values: Mapping[str, float]) -> list[str]:
    """Numbers of a step as a person reads them, the more important first; numbers it does not know as they are.

    `loss 1.234 (mean 1.301)`, `eta 0:12:30`, `8.1k tok/s (3.2k supervised)`, `MFU 41%`, `fill 98%`, `wait 1%`,
    `1.5 GiB`, `lr 2.0e-05`
    """
    left = dict(values)
    found = []
    if "loss" in left:
        mean = left.pop("loss_mean", None)
        found.append(f"loss {left.pop('loss'):.3f}" + (f" (mean {mean:.3f})" if mean is not None else ""))
    if "eta_s" in left:
        found.append(f"eta {clock(left.pop('eta_s'))}")
    if "tokens_per_s" in left:
        supervised = left.pop("supervised_tokens_per_s", None)
        speed = short(left.pop("tokens_per_s"))
        found.append(f"{speed} tok/s" + (f" ({short(supervised)} supervised)" if supervised is not None else ""))
    for name, said in (("mfu", "MFU"), ("fill", "fill"), ("data_wait", "wait")):
        if name in left:
            found.append(f"{said} {left.pop(name):.0%}")
    if "memory_bytes" in left and (size := left.pop("memory_bytes")):
        found.append(f"{size / 2**30:.1f} GiB")
    if "learning_rate" in left:
        found.append(f"lr {left.pop('learning_rate'):.1e}")
    return [*found, *(f"{name} {value:.4g}" for name, value in left.items())]


def clock(seconds: float) -> str:
    """`0:12:30`; days stand before it."""
    whole = round(seconds)
    days, rest = divmod(whole, 86400)
    return (f"{days}d " if days else "") + f"{rest // 3600}:{rest // 60 % 60:02d}:{rest % 60:02d}"


def short(number: float) -> str:
    """Three digits: `812`, `3.2k`, `41k`, `1.3M`."""
    for size, unit in ((1e6, "M"), (1e3, "k")):
        if number >= size:
            scaled = number / size
            return f"{scaled:.1f}{unit}" if scaled < 10 else f"{scaled:.0f}{unit}"
    return f"{number:.0f}"
