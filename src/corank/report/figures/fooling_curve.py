"""What a search for a universal perturbation reached, against what it had cost by then."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from corank.attack.shares import Step
from corank.attack.universal import Universal
from corank.errors import InputError
from corank.report.figures.figure import CHARACTER, SMALL, Canvas, Figure, draw_figure
from corank.report.figures.panels import panel_axes, panels_height, round_ticks, share_heights
from corank.report.format import axis_count, axis_number, percent
from corank.report.palette import ACCENT, INK, MUTED

_DASHES = (0, (5, 4))
Cost = tuple[str, Callable[[Step], float], Callable[[float], str]]
_AXES: tuple[Cost, ...] = (
    ("sample-gradients", lambda step: float(step.gradients), axis_count),
    ("seconds", lambda step: step.seconds, axis_number),
)


def fooling_curve(result: Universal) -> Figure:
    """The figure `fooling-curve`.

    Args:
        result: of one step at least.

    Raises:
        InputError: no step.
    """
    if not result.steps:
        raise InputError("the figure needs at least one step of the search, got 0")
    last = result.steps[-1]
    aim = "the class that is aimed at" if result.target is not None else "another class"
    held_out = "" if result.heldout is None else " Dashed: the same of the held-out images at the end."
    return draw_figure(
        "fooling-curve",
        lambda canvas: _draw(canvas, result),
        alt=f"Share of training images that the best perturbation so far fools, at the end {percent(last.fooled)}",
        caption=(
            f"How many of the {result.train.samples:,} training images the best perturbation so far puts into {aim}, "
            "by how many times the gradient of one image was taken, and by the time that went by, passes forward "
            f"included.{held_out}"
        ),
        height=panels_height(len(_AXES), narrow=False),
        narrow_height=panels_height(len(_AXES), narrow=True),
    )


def _draw(canvas: Canvas, result: Universal) -> None:
    level = _held_out(result)
    shares = [step.fooled for step in result.steps]
    most = min(1.03, 1.15 * max([0.05, *shares, level or 0.0]))
    for place, (title, value_of, text) in enumerate(_AXES):
        last = percent(shares[-1])
        axes = panel_axes(canvas, place, len(_AXES), title="fooled", x=title, right=20 + CHARACTER * len(last))
        costs = [value_of(step) for step in result.steps]
        axes.plot(*_stairs(costs, shares), color=ACCENT.light, linewidth=1.6)
        axes.plot(costs[-1], shares[-1], color=ACCENT.light, marker="o", markersize=4, clip_on=False)
        round_ticks(canvas, axes, text, costs)
        share_heights(axes, most)
        if level is not None:
            axes.axhline(level, color=MUTED.light, linewidth=1.2, linestyle=_DASHES, zorder=1)
        axes.annotate(
            last, (costs[-1], shares[-1]), xytext=(8, 0), textcoords="offset points", size=SMALL,
            va="center_baseline", color=INK.light, annotation_clip=False,
        )  # fmt: skip


def _held_out(result: Universal) -> float | None:
    """The share of held-out images that are where they shall be; None where that is not known."""
    if result.heldout is None:
        return None
    if result.target is None:
        return result.heldout.fooled
    return result.heldout.into[result.target] / result.heldout.samples


def _stairs(costs: Sequence[float], shares: Sequence[float]) -> tuple[list[float], list[float]]:
    """The corners of the line that stays as high as the best so far until a better one is found."""
    xs, ys = [costs[0]], [shares[0]]
    for cost, share in zip(costs[1:], shares[1:], strict=True):
        if share > ys[-1]:
            xs, ys = [*xs, cost, cost], [*ys, ys[-1], share]
    return [*xs, costs[-1]], [*ys, ys[-1]]
