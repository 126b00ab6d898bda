"""Predicted beside measured compression of a feature by the dimension of the data, each a line of means."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, MaxNLocator

from corank.errors import InputError
from corank.report.figures.figure import Canvas, Figure, draw_figure
from corank.report.figures.rows import legend_mark, row_legend
from corank.report.format import axis_number
from corank.report.palette import ACCENT, SECOND


@dataclass(frozen=True, kw_only=True)
class PredictedCompression:
    """The means at one dimension.

    Attributes:
        dimension: of the data.
        predicted: mean of phi.
        found: mean of |cos theta_1| of trained networks.
        standard_error: of `found`; None where it is not known.
    """

    dimension: int
    predicted: float
    found: float
    standard_error: float | None = None


def predicted_compression(rows: Sequence[PredictedCompression]) -> Figure:
    """The figure `predicted-compression`.

    Args:
        rows: in ascending dimension.

    Raises:
        InputError: no row.
    """
    if not rows:
        raise InputError("the figure needs at least one dimension with a valid run, got 0: train more runs")
    return draw_figure(
        "predicted-compression",
        lambda canvas: _draw(canvas, rows),
        alt=f"Predicted and measured compression at {len(rows)} dimensions",
        caption=(
            "How much of the feature that separates the classes a trained network looks at, and how much random matrix "
            "theory predicts: 1 is all of it, and a network that looks at a tenth is fooled by a perturbation ten "
            "times shorter than need be. Each mark is a mean over trained networks; bars are one standard error."
        ),
        height=380,
        narrow_height=340,
    )


def _draw(canvas: Canvas, rows: Sequence[PredictedCompression]) -> None:
    axes = canvas.axes(left=48, right=24, top=58, bottom=52, x="dimension d")
    dimensions = [row.dimension for row in rows]
    for row in rows:
        if row.standard_error is not None:
            ends = [row.found - row.standard_error, row.found + row.standard_error]
            axes.plot([row.dimension] * 2, ends, color=SECOND.light, linewidth=1, marker="_", markersize=8)
    axes.plot(
        dimensions, [row.predicted for row in rows], color=ACCENT.light, linewidth=1.6, marker="D", markersize=8,
        markerfacecolor="none", markeredgewidth=1.4, zorder=3,
    )  # fmt: skip
    axes.plot(
        dimensions, [row.found for row in rows], color=SECOND.light, linewidth=1.6, marker="o", markersize=5, zorder=4
    )
    highest = max(max(row.predicted, row.found + (row.standard_error or 0)) for row in rows)
    axes.set_ylim(0, 1.08 * highest)
    axes.set_xlim(min(dimensions) - 0.5, max(dimensions) + 0.5)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6 if canvas.narrow else 12))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: axis_number(value)))
    predicted = Line2D(
        [],
        [],
        color=ACCENT.light,
        linewidth=1.6,
        marker="D",
        markersize=7,
        markerfacecolor="none",
        label="predicted: φ",
    )
    found = legend_mark("trained networks: |cos θ₁|", SECOND, linewidth=1.6)
    row_legend(canvas, [predicted, found], columns=1 if canvas.narrow else 2)
