"""The forecasts of every cut and rank: a column of dots a place, the Pareto front, and what was built."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator

from corank.compress import CutForecast, CutForecasts
from corank.errors import InputError
from corank.report.figures.figure import SMALL, Canvas, Figure, draw_figure
from corank.report.format import SPACE, axis_count
from corank.report.palette import ACCENT, INK, LINE, MUTED, PAPER, SECOND


@dataclass(frozen=True, kw_only=True)
class CameOut:
    """A cut that was built.

    Attributes:
        forecast: what was said of it.
        accuracy: that it had before fine-tuning, on the samples that judged the forecast.
    """

    forecast: CutForecast
    accuracy: float


def cut_forecasts(found: CutForecasts, built: Sequence[CameOut] = ()) -> Figure:
    """The figure `cut-forecasts`.

    Args:
        found: the forecasts.
        built: what came of those that were built.

    Raises:
        InputError: no forecast.
    """
    if not found.cuts:
        raise InputError("the figure needs at least one forecast, got 0")
    came_out = " Orange crosses are what came out of the cuts that were built, before fine-tuning." if built else ""
    return draw_figure(
        "cut-forecasts",
        lambda canvas: _draw(canvas, found, built),
        alt=f"Forecast accuracy against multiply-adds of {len(found.cuts)} cuts at {len(found.places)} places",
        caption=(
            "Every dot is a cut that was forecast: one column a place, more directions further up. Blue: those that no "
            "other beats in multiply-adds and accuracy. The diamond is the network itself, dashed its accuracy."
            + came_out
        ),
        height=380,
        narrow_height=340,
    )


def _draw(canvas: Canvas, found: CutForecasts, built: Sequence[CameOut]) -> None:
    axes = _axes(canvas, found)
    for place in found.places:
        there = [row for row in found.cuts if row.layer == place.layer]
        _dots(axes, there, LINE.light, MUTED.light, 3.5)
    axes.step(
        *_points(found.front), where="post", color=ACCENT.light, linewidth=1.4, marker="o", markersize=5, zorder=3
    )
    axes.plot(
        [found.network.multiply_adds], [found.accuracy], marker="D", markersize=7, color=INK.light, clip_on=False,
        zorder=4,
    )  # fmt: skip
    for line, made in enumerate(built):
        _came_out(axes, made, found.network.multiply_adds, line)


def _axes(canvas: Canvas, found: CutForecasts) -> Axes:
    axes = canvas.axes(
        left=58, right=20, top=40, bottom=50, title="validation accuracy before fine-tuning",
        x="multiply-adds for one sample",
    )  # fmt: skip
    axes.set_xlim(0, 1.05 * max([found.network.multiply_adds, *_points(found.cuts)[0]]))
    axes.set_ylim(0, 1.05)
    axes.set_yticks([0, 0.2, 0.4, 0.6, 0.8, 1])
    axes.xaxis.set_major_locator(MaxNLocator(nbins=4 if canvas.narrow else 8, steps=[1, 2, 5, 10]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda count, _: axis_count(count)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{round(100 * share)}{SPACE}%"))
    axes.axhline(found.accuracy, color=MUTED.light, linewidth=1, linestyle=(0, (5, 4)), zorder=1)
    return axes


def _dots(axes: Axes, rows: Sequence[CutForecast], line: str, dot: str, size: float) -> None:
    axes.plot(
        *_points(rows), color=line, linewidth=1.2, marker="o", markersize=size, markerfacecolor=dot,
        markeredgewidth=0, zorder=2,
    )  # fmt: skip


def _came_out(axes: Axes, made: CameOut, widest: int, line: int) -> None:
    """A cross, and the name of the cut on the side where there is room, each name a line lower than the one before."""
    x = made.forecast.overall.multiply_adds
    axes.plot([x], [made.accuracy], marker="X", markersize=9, color=SECOND.light, markeredgecolor=PAPER.light, zorder=5)
    is_left = x < widest / 2
    axes.annotate(
        f"{made.forecast.layer}, {made.forecast.rank}", (x, made.accuracy),
        xytext=(9 if is_left else -9, -11 - 1.3 * SMALL * line), textcoords="offset points",
        ha="left" if is_left else "right", va="top", size=SMALL, color=SECOND.light,
    )  # fmt: skip


def _points(rows: Sequence[CutForecast]) -> tuple[list[int], list[float]]:
    return [row.overall.multiply_adds for row in rows], [row.accuracy for row in rows]
