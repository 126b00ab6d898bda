"""Panels side by side, on a phone one below the other, each with its title above its upper left corner."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator

from corank.report.figures.figure import FONT_SIZE, Canvas
from corank.report.format import SPACE
from corank.report.palette import INK

PANEL = 260  # pixels high
_LEFT, _TOP, _BOTTOM = 62, 34, 50


def panels_height(count: int, *, narrow: bool) -> int:
    """Pixels that so many panels take."""
    return PANEL * count if narrow else PANEL


def panel_axes(canvas: Canvas, place: int, count: int, *, title: str, x: str, right: float) -> Axes:
    """The axes of one of several panels.

    Args:
        canvas: the sheet.
        place: of the panel, from 0.
        count: of panels.
        title: what the vertical axis shows.
        x: what the horizontal one shows.
        right: pixels to the right of the axes.
    """
    width = canvas.width if canvas.narrow else canvas.width / count
    left, top = (0.0, PANEL * place) if canvas.narrow else (width * place, 0)
    axes = canvas.axes(
        left=left + _LEFT, right=canvas.width - left - width + right, top=top + _TOP,
        bottom=canvas.height - top - PANEL + _BOTTOM, x=x,
    )  # fmt: skip
    axes.annotate(
        title, (0, 1), xycoords="axes fraction", xytext=(-_LEFT, 28), textcoords="offset points", size=FONT_SIZE,
        color=INK.light, ha="left", va="top",
    )  # fmt: skip
    return axes


def share_heights(axes: Axes, most: float = 1.0) -> None:
    """A vertical axis of shares from nothing to the most, in per cent; none above the whole is named."""
    axes.set_ylim(0, most)
    ticks = MaxNLocator(nbins=5, steps=[1, 2, 2.5, 5, 10]).tick_values(0, most)
    axes.set_yticks([tick for tick in ticks if 0 <= tick <= min(most, 1)])
    axes.yaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{round(100 * share, 6):g}{SPACE}%"))


def round_ticks(canvas: Canvas, axes: Axes, text: Callable[[float], str], values: Sequence[float]) -> None:
    """A horizontal axis from nothing to somewhat beyond the largest value, with a few round numbers."""
    most = max(values) or 1.0
    axes.set_xlim(0, 1.02 * most)
    ticks = MaxNLocator(nbins=4 if canvas.narrow else 5, steps=[1, 2, 5, 10]).tick_values(0, most)
    axes.set_xticks([tick for tick in ticks if 0 <= tick <= most])
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: text(value)))
