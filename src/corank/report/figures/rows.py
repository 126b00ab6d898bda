"""Layers as rows, the first one on top: every name stands beside its row, so that many stay readable on a phone.

Rows shrink as they become many; where a row is lower than a line of type, every second or third is named.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from corank.report.figures.figure import CHARACTER, FONT_SIZE, Canvas
from corank.report.figures.labels import distinct
from corank.report.format import SPACE, axis_count
from corank.report.palette import LINE, MUTED, Colour

_FEW, _MANY = 14, 60
_HIGHEST, _LOW, _LOWEST = 34.0, 15.0, 8.0  # pixels a row
_LINE_OF_TYPE = 13.0
_TALL = 30  # rows; from then on the scale stands above them too
_LEGEND, _SCALE, _BELOW = 20, 18, 54  # pixels


def row_height(rows: int) -> float:
    """Pixels a row.

    Example:
        >>> [row_height(rows) for rows in (1, 14, 20, 60, 110)]
        [34.0, 34.0, 30.4, 15.0, 8.181818181818182]
    """
    if rows > _MANY:
        return max(_LOWEST, _LOW * _MANY / rows)
    return max(_LOW, _HIGHEST - 0.6 * max(0, rows - _FEW))


def rows_height(rows: int, legend_lines: int = 1) -> int:
    """The height of a figure with so many rows below so many lines of legend."""
    return _above(rows, legend_lines) + round(rows * row_height(rows)) + _BELOW + 4


def _above(rows: int, legend_lines: int) -> int:
    return 18 + _LEGEND * legend_lines + (_SCALE if rows > _TALL else 0)


def row_axes(canvas: Canvas, names: Sequence[str], *, x: str, right: float = 24, legend_lines: int = 1) -> Axes:
    """Axes with a row a name at 0, 1, ... from top to bottom.

    Args:
        canvas: a sheet of `rows_height`.
        names: of the rows; long ones are shortened.
        x: what the horizontal axis shows.
        right: pixels to the right of the axes.
        legend_lines: lines above the axes that the legend takes.
    """
    short = distinct(names, 13 if canvas.narrow else 26)
    left = 22 + CHARACTER * max(map(len, short))
    axes = canvas.axes(left=left, right=right, top=_above(len(names), legend_lines), bottom=_BELOW, x=x)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.grid(visible=False, axis="y")
    axes.grid(visible=True, axis="x", color=LINE.light, linewidth=1)
    every = labelled_every(len(names))
    axes.set_yticks(range(0, len(names), every), short[::every])
    axes.tick_params(axis="x", labeltop=len(names) > _TALL)
    return axes


def labelled_every(rows: int) -> int:
    """The first of how many rows there is room to label with a line of type.

    Example:
        >>> [labelled_every(rows) for rows in (1, 60, 110)]
        [1, 1, 2]
    """
    return math.ceil(_LINE_OF_TYPE / row_height(rows))


def bar_width(rows: int) -> float:
    """The width in pixels of a bar behind a row's marks."""
    return min(9.0, 0.6 * row_height(rows))


def log_counts(canvas: Canvas, axes: Axes, largest: float) -> None:
    """A logarithmic horizontal axis of counts from one to somewhat beyond the largest."""
    axes.set_xscale("log")
    axes.set_xlim(0.8, 1.25 * max(2.0, largest))
    axes.xaxis.set_major_locator(LogLocator(numticks=6 if canvas.narrow else 9))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda count, _: axis_count(count) if count >= 1 else ""))
    axes.minorticks_off()


def log_shares(axes: Axes, low: float, high: float, *, fine_up_to: float, text: Callable[[float], str]) -> None:
    """A logarithmic horizontal axis from somewhat below the lowest share to somewhat beyond the highest.

    Args:
        axes: of rows.
        low: the lowest.
        high: the highest.
        fine_up_to: how many times the lowest the highest may be for twos and fives to be named between powers of ten.
        text: the name of a share.
    """
    axes.set_xscale("log")
    axes.set_xlim(0.8 * low, 1.25 * high)
    subs = (1.0, 2.0, 5.0) if high <= fine_up_to * low else (1.0,)
    axes.xaxis.set_major_locator(LogLocator(subs=subs, numticks=8))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda share, _: text(share)))
    axes.xaxis.set_minor_formatter(NullFormatter())


def shares_axis(canvas: Canvas, axes: Axes, largest: float = 1.0) -> None:
    """A horizontal axis of shares from nothing to the largest, in per cent; none above the whole is named."""
    axes.set_xlim(0, largest)
    ticks = MaxNLocator(nbins=4 if canvas.narrow else 8, steps=[1, 2, 5, 10]).tick_values(0, largest)
    axes.set_xticks([share for share in ticks if 0 <= share <= min(largest, 1)])
    axes.xaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{round(100 * share, 6):g}{SPACE}%"))


def legend_mark(label: str, colour: Colour, marker: str = "o", linewidth: float = 0.0) -> Line2D:
    """A mark of the legend."""
    return Line2D([], [], color=colour.light, marker=marker, markersize=5, linewidth=linewidth, label=label)


def row_legend(canvas: Canvas, handles: Sequence[Artist], columns: int) -> None:
    """The legend above the rows, in so many columns."""
    canvas.drawing.legend(
        handles=handles, loc="upper left", bbox_to_anchor=(0, 1 - 2 / canvas.height), ncols=columns, frameon=False,
        fontsize=FONT_SIZE, labelcolor=MUTED.light, handlelength=1.4, columnspacing=1.6, borderaxespad=0.3,
        labelspacing=0.35,
    )  # fmt: skip
