"""The loss curve of a training, as a picture: curve.png and curve.svg.

left     training loss, each step and smoothed; validation loss on the way; the test split before and after
right    validation loss by template (else by source, task or language, the first that has several values) on the way;
         without it, the test split's before and after

Names stand beside, with the last loss of each. The same numbers give the same bytes.
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
    "lines.linewidth": 1.3,
    "lines.markersize": 3,
    "legend.fontsize": 8,
    "legend.frameon": False,
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
        warnings.filterwarnings("ignore", "Glyph .* missing")  # a script that the font lacks is drawn as boxes
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
    """The mean loss over the tenth part of the training around each step, by supervised tokens."""
    half = len(lines) // 20
    points = []
    for i, line in enumerate(lines):
        near = lines[max(0, i - half) : i + half + 1]
        weight = sum(other["supervised_tokens"] for other in near)
        points.append((line["step"], sum(other["loss"] * other["supervised_tokens"] for other in near) / weight))
    return points


def _draw_whole(axes: Any, lines: Sequence[Mapping[str, Any]], found: BeforeAfter) -> None:
    steps, losses = [line["step"] for line in lines], [line["loss"] for line in lines]
    axes.plot(steps, losses, color=PALE, linewidth=0.7)
    smooth = smoothed(lines)
    axes.plot(*zip(*smooth, strict=True), color=INK, label=f"{smooth[-1][1]:.2f} training")
    validation = [(line["step"], line["validation_loss"]) for line in lines if line.get("validation_loss") is not None]
    if validation:
        axes.plot(*zip(*validation, strict=True), "o-", color=VALIDATION, label=f"{validation[-1][1]:.2f} validation")
    shown = [*losses, *(loss for _, loss in validation)]
    for said, evaluation, step, face in (("before", found.before, 0, "white"), ("after", found.after, steps[-1], TEST)):
        if evaluation is not None and (loss := evaluation.overall.loss) is not None:
            label = f"{loss:.2f} test {said}"
            axes.plot([step], [loss], "D", color=TEST, markerfacecolor=face, label=label)
            shown.append(loss)
    _finish(axes, "Loss, nats per supervised token", shown, steps[-1])


def _draw_slices(axes: Any, title: str, slices: Mapping[str, Points]) -> None:
    from matplotlib import colormaps

    order = sorted(slices, key=lambda name: -slices[name][-1][1])  # as the ends of the lines lie, from above
    for place, name in enumerate(order):
        colour = colormaps["viridis"](0.75 * (1 - place / max(1, len(order) - 1)))
        axes.plot(*zip(*slices[name], strict=True), "o-", color=colour, label=f"{slices[name][-1][1]:.2f} {name}")
    last = max(points[-1][0] for points in slices.values())
    _finish(axes, title, [loss for points in slices.values() for _, loss in points], last)


def _finish(axes: Any, title: str, losses: Sequence[float], last: float) -> None:
    from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter, StrMethodFormatter

    axes.set(title=title, xlabel="steps", xlim=(-0.01 * last, 1.01 * last))
    axes.xaxis.set_major_locator(MaxNLocator("auto", integer=True))
    axes.legend(loc="center left", bbox_to_anchor=(1.02, 0.5))
    low, high = min(losses), max(losses)
    if low > 0 and high / low >= LOG_FROM:
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 3.0, 5.0)))
        axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axes.yaxis.set_minor_formatter(NullFormatter())


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
