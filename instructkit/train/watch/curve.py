"""The loss curve of a training, as a picture: curve.png and curve.svg.

left     training loss, each step and smoothed; validation loss on the way; the test split before and after
right    validation loss by template (else by source, task or language, the first that has several values) on the way;
         without it, the test split's before and after

Lines are named where they end. The same numbers give the same bytes.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from instructkit.evaluate.result import BeforeAfter, Evaluation, read_evaluations
from instructkit.store.atomic import beside
from instructkit.train.config.stopping import SLICES
from instructkit.train.watch.recorder import read_metrics

MOST = 12
"""Slices that are drawn; with more, those of the most supervised tokens."""
FEWEST = 10
"""Steps that make a curve; nothing is drawn of fewer."""
LOG_FROM = 5.0
"""From this ratio of largest to smallest loss on, the axis is logarithmic."""
INK, PALE, VALIDATION, TEST = "#1f3b57", "#b9c9d9", "#c2571a", "#222222"
STYLE: dict[str, Any] = {
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#888888",
    "axes.titlesize": 9,
    "axes.titlelocation": "left",
    "xtick.color": "#555555",
    "ytick.color": "#555555",
    "svg.hashsalt": "instructkit",
    "svg.fonttype": "none",
}
Points = list[tuple[float, float]]
"""Steps done, loss."""


def draw_curve(out: Path) -> list[str]:
    """Draw the curve of the run in a folder, if it is one; what there is to say where that is not possible."""
    if find_spec("matplotlib") is None:
        return ["no loss curve is drawn: matplotlib is not installed; pip install matplotlib"]
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    # Steps that fp16 skips may have no loss.
    lines = [line for line in read_metrics(out / "metrics.jsonl") if line["loss"] is not None]
    if len(lines) < FEWEST:
        return []
    evaluation = out / "evaluation.json"
    found = read_evaluations(evaluation) if evaluation.exists() else BeforeAfter(before=None)
    by, slices = by_slice(lines, found)
    with rc_context(STYLE), warnings.catch_warnings():
        warnings.filterwarnings(
            "ignore", "Glyph .* missing"
        )  # a name in a script that the font lacks is drawn as boxes
        figure = Figure(figsize=(9.5, 3.8) if slices else (5.6, 3.8), layout="constrained")
        panels = figure.subplots(1, 2 if slices else 1, squeeze=False)[0]
        _draw_whole(panels[0], lines, found)
        if slices:
            on_the_way = any("validation" in line for line in lines)
            title = f"Loss by {by}, {'validation split' if on_the_way else 'test split, before and after'}"
            _draw_slices(panels[1], title, slices)
        for suffix, options in (("png", {"dpi": 200}), ("svg", {"metadata": {"Date": None}})):
            with beside(out / f"curve.{suffix}") as temporary:
                figure.savefig(temporary, format=suffix, **options)
    return []


def by_slice(lines: Sequence[Mapping[str, Any]], found: BeforeAfter) -> tuple[str, dict[str, Points]]:
    """The column and the curve of each of its values, at most `MOST`; no curves where nothing was measured."""
    measured = [line for line in lines if "validation" in line]
    tokens = _tokens(found.after or found.before)
    for by in SLICES:
        curves: dict[str, Points] = {}
        for line in measured:
            for name, loss in line["validation"].get(by, {}).items():
                if loss is not None:
                    curves.setdefault(name, []).append((line["step"], loss))
        if not measured and lines:
            curves = _before_after(found, by, lines[-1]["step"])
        if len(curves) > 1:
            names = sorted(curves, key=lambda name: (-tokens.get((by, name), 0), name))[:MOST]
            return by, {name: curves[name] for name in sorted(names)}
    return "", {}


def smoothed(lines: Sequence[Mapping[str, Any]]) -> Points:
    """The mean loss over the twenty-fifth part of the training around each step, by supervised tokens."""
    half = len(lines) // 50
    points = []
    for i, line in enumerate(lines):
        near = lines[max(0, i - half) : i + half + 1]
        weight = sum(other["supervised_tokens"] for other in near)
        points.append((line["step"], sum(other["loss"] * other["supervised_tokens"] for other in near) / weight))
    return points


def _draw_whole(axes: Any, lines: Sequence[Mapping[str, Any]], found: BeforeAfter) -> None:
    steps, losses = [line["step"] for line in lines], [line["loss"] for line in lines]
    axes.plot(steps, losses, color=PALE, linewidth=0.7, zorder=1)
    smooth = smoothed(lines)
    axes.plot(*zip(*smooth, strict=True), color=INK, linewidth=1.5, zorder=3)
    ends = [("training", smooth[-1], INK)]
    validation = [(line["step"], line["validation_loss"]) for line in lines if line.get("validation_loss") is not None]
    if validation:
        axes.plot(
            *zip(*validation, strict=True),
            color=VALIDATION,
            linewidth=1.2,
            marker="o",
            markersize=3,
            zorder=4,
            clip_on=False,
        )
        ends.append(("validation", validation[-1], VALIDATION))
    shown = [*losses, *(loss for _, loss in validation)]
    for evaluation, step, face in ((found.before, 0, "white"), (found.after, steps[-1], TEST)):
        if evaluation is not None and evaluation.overall.loss is not None:
            loss = evaluation.overall.loss
            axes.plot(step, loss, marker="D", color=TEST, markerfacecolor=face, markersize=4.5, zorder=5, clip_on=False)
            ends.append((f"test {loss:.2f}", (steps[-1], loss), TEST) if step else ("", (0, loss), TEST))
            shown.append(loss)
            if not step:
                axes.annotate(
                    f"test {loss:.2f}", (0, loss), (6, 0), textcoords="offset points", color=TEST, va="center"
                )
    _finish(axes, "Loss, nats per supervised token", shown, steps[-1])
    _name(axes, [end for end in ends if end[0]])


def _draw_slices(axes: Any, title: str, slices: Mapping[str, Points]) -> None:
    from matplotlib import colormaps

    last = max(points[-1][0] for points in slices.values())
    order = sorted(slices, key=lambda name: slices[name][-1][1])
    ends = []
    for place, name in enumerate(order):
        colour = colormaps["viridis"](0.75 * place / max(1, len(order) - 1))
        axes.plot(
            *zip(*slices[name], strict=True), color=colour, linewidth=1.2, marker="o", markersize=2.5, clip_on=False
        )
        ends.append((f"{name} {slices[name][-1][1]:.2f}", slices[name][-1], colour))
    _finish(axes, title, [loss for points in slices.values() for _, loss in points], last)
    _name(axes, ends)


def _finish(axes: Any, title: str, losses: Sequence[float], last: float) -> None:
    from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter, StrMethodFormatter

    axes.set_title(title)
    axes.set_xlabel("steps")
    axes.set_xlim(-0.01 * last, last)
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    low, high = min(losses), max(losses)
    if low > 0 and high / low >= LOG_FROM:
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axes.yaxis.set_minor_formatter(NullFormatter())
        axes.set_ylim(low * 0.9, high * 1.1)
    else:
        axes.set_ylim(low - 0.05 * (high - low), high + 0.05 * (high - low))


def _name(axes: Any, ends: Sequence[tuple[str, tuple[float, float], Any]]) -> None:
    """Names at the ends of lines, moved apart where they would touch."""
    axes.figure.draw_without_rendering()
    height = axes.bbox.height / axes.figure.dpi * 72  # points
    line = 11 / height
    at = [axes.transAxes.inverted().transform(axes.transData.transform(end))[1] for _, end, _ in ends]
    placed = spread(at, line)
    for (name, (x, y), colour), where, was in zip(ends, placed, at, strict=True):
        axes.annotate(
            name, (x, y), (8, (where - was) * height), textcoords="offset points", color=colour, va="center",
            annotation_clip=False, fontsize=8,
            arrowprops={"arrowstyle": "-", "color": colour, "linewidth": 0.5, "shrinkA": 0, "shrinkB": 2},
        )  # fmt: skip


def spread(wanted: Sequence[float], gap: float) -> list[float]:
    """Places next to those wanted, `gap` or more apart, in the same order: groups that touch share their middle."""
    order = sorted(range(len(wanted)), key=lambda i: wanted[i])
    groups: list[tuple[float, list[int]]] = []  # middle, members from the bottom
    for i in order:
        middle, members = wanted[i], [i]
        while groups and groups[-1][0] + gap * (len(groups[-1][1]) + len(members)) / 2 > middle:
            below = groups.pop()
            total = len(below[1]) + len(members)
            middle = (below[0] * len(below[1]) + middle * len(members)) / total
            members = below[1] + members
        groups.append((middle, members))
    places = [0.0] * len(wanted)
    for middle, members in groups:
        for n, i in enumerate(members):
            places[i] = middle + gap * (n - (len(members) - 1) / 2)
    return places


def _before_after(found: BeforeAfter, by: str, steps: int) -> dict[str, Points]:
    if found.before is None or found.after is None:
        return {}
    curves: dict[str, Points] = {}
    for last in found.after.slices:
        first = found.before.find(by, last.name)
        if last.by == by and last.loss is not None and first is not None and first.loss is not None:
            curves[last.name] = [(0, first.loss), (steps, last.loss)]
    return curves


def _tokens(evaluation: Evaluation | None) -> dict[tuple[str, str], int]:
    return {} if evaluation is None else {(s.by, s.name): s.tokens for s in evaluation.slices}
