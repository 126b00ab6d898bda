"""A training's loss on held-out points by steps and by seconds, and what a step evaluates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.ticker import FuncFormatter, MaxNLocator

from corank.report.figures.figure import Canvas, Figure, draw_figure
from corank.report.figures.panels import panel_axes, panels_height, round_ticks
from corank.report.format import axis_count, axis_number
from corank.report.palette import ACCENT, MUTED, SECOND

_PANELS = 3


@dataclass(frozen=True, kw_only=True)
class LossPoint:
    """One point of the curves.

    Attributes:
        step: gradient steps done.
        seconds: of training so far.
        train_loss: of the stretch.
        test_loss: of held-out points.
        evaluations_forward: of the field in a step.
        evaluations_backward: of the field in its backward pass.
    """

    step: int
    seconds: float
    train_loss: float
    test_loss: float
    evaluations_forward: int
    evaluations_backward: int


def loss_by_cost(points: Sequence[LossPoint], unit: str = "nats") -> Figure:
    """The figure `loss-by-cost`.

    Args:
        points: at least one.
        unit: of the losses.
    """
    return draw_figure(
        "loss-by-cost",
        lambda canvas: _draw(canvas, points),
        alt=f"The loss on held-out points, at the end {points[-1].test_loss:.4g} {unit}",
        caption=(
            f"Negative log-density in {unit}: of held-out points (dark) and of the points in training (faint), by "
            "steps and by seconds. Right: how often a step evaluates the field, forward (dark) and backward (orange)."
        ),
        height=panels_height(_PANELS, narrow=False),
        narrow_height=panels_height(_PANELS, narrow=True),
    )


def _draw(canvas: Canvas, points: Sequence[LossPoint]) -> None:
    steps = [float(point.step) for point in points]
    seconds = [point.seconds for point in points]
    for place, (x, values, text) in enumerate((("steps", steps, axis_count), ("seconds", seconds, axis_number))):
        axes = panel_axes(canvas, place, _PANELS, title="loss", x=x, right=16)
        axes.plot(values, [point.train_loss for point in points], color=MUTED.light, linewidth=1, alpha=0.6)
        axes.plot(values, [point.test_loss for point in points], color=ACCENT.light, linewidth=1.8)
        round_ticks(canvas, axes, text, values)
        axes.yaxis.set_major_locator(MaxNLocator(nbins=5))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda loss, _: axis_number(loss)))
    axes = panel_axes(canvas, 2, _PANELS, title="evaluations", x="steps", right=16)
    axes.plot(steps, [point.evaluations_forward for point in points], color=ACCENT.light, linewidth=1.6)
    axes.plot(steps, [point.evaluations_backward for point in points], color=SECOND.light, linewidth=1.6)
    round_ticks(canvas, axes, axis_count, steps)
    axes.set_ylim(bottom=0)
    axes.yaxis.set_major_locator(MaxNLocator(nbins=5, integer=True))
