"""What every reduced layer loses: between the least that its directions allow and the bound that its features keep.

Daulbaev, "Applications of Differential Equations and Reduced-Order Modeling for Deep Learning", section 5.3.4.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from matplotlib.lines import Line2D

from corank.compress import ReducedLayer, RONetwork
from corank.report.figures.figure import Canvas, Figure, draw_figure
from corank.report.figures.rows import bar_width, legend_mark, log_shares, row_axes, row_legend, rows_height
from corank.report.format import SPACE
from corank.report.palette import ACCENT, MUTED, SECOND, TRACK

_DECADES = 4  # smaller errors stand at the left edge
_LEGEND = 1, 3  # lines on a screen, on a phone


def reduced_errors(result: RONetwork) -> Figure | None:
    """The figure `reduced-errors`: errors of every layer on a logarithmic scale; None where none is known."""
    known = [layer for layer in result.layers if math.isfinite(layer.projection_error)]
    if not known:
        return None
    low, _ = _limits(result.layers)
    beyond = any(layer.projection_error < low for layer in known)
    height, narrow_height = (rows_height(len(result.layers), legend_lines=lines) for lines in _LEGEND)
    return draw_figure(
        "reduced-errors",
        lambda canvas: _draw(canvas, result.layers),
        alt=f"Relative errors of {len(result.layers)} reduced layers between the least possible and their bounds",
        caption=(
            f"How far each layer is from the original's values, as a share of their length, on "
            f"{result.samples_heldout:,} samples that took no part. A bar begins at the error of the directions alone, "
            "the least possible, and ends at the bound for the features that were kept. The dot is the error from "
            "these features' true values and lies in the bar; the open diamond is that of the reduced network, which "
            "computes them itself." + (" Smaller errors than the scale has stand at its left edge." if beyond else "")
        ),
        height=height,
        narrow_height=narrow_height,
    )


def _draw(canvas: Canvas, layers: Sequence[ReducedLayer]) -> None:
    lines = _LEGEND[canvas.narrow]
    axes = row_axes(canvas, [layer.layer for layer in layers], x="relative error", legend_lines=lines)
    low, high = _limits(layers)
    fine_up_to = 8 if canvas.narrow else 40
    log_shares(axes, low, high, fine_up_to=fine_up_to, text=lambda share: f"{100 * share:g}{SPACE}%")
    bar = bar_width(len(layers))
    for place, layer in enumerate(layers):
        if not math.isfinite(layer.projection_error):
            continue
        least, inner, most, outer = (
            max(error, low)
            for error in (layer.projection_error, layer.interpolation_error, layer.bound, layer.propagated_error)
        )
        axes.plot([least, most], [place, place], color=TRACK.light, linewidth=bar, solid_capstyle="butt", zorder=1)
        axes.plot(
            [least, most], [place, place], color=MUTED.light, linewidth=1, marker="|", markersize=bar + 2,
            markeredgewidth=1.2, zorder=2,
        )  # fmt: skip
        axes.plot([inner], [place], color=ACCENT.light, marker="o", markersize=5, zorder=3)
        axes.plot(
            [outer], [place], color=SECOND.light, marker="D", markersize=8, markerfacecolor="none",
            markeredgewidth=1.4, zorder=4,
        )  # fmt: skip
    _legend(canvas)


def _limits(layers: Sequence[ReducedLayer]) -> tuple[float, float]:
    """The range of the scale: everything above a ten-thousandth of the largest error, at least a factor of four."""
    errors = [
        error
        for layer in layers
        for error in (layer.projection_error, layer.interpolation_error, layer.bound, layer.propagated_error)
        if math.isfinite(error) and error > 0
    ]
    most = max(errors, default=1.0)
    least = max(min(errors, default=most), most * 10.0**-_DECADES)
    return min(least, most / 4), most


def _legend(canvas: Canvas) -> None:
    handles = [
        Line2D([], [], color=MUTED.light, linewidth=1, marker="|", markersize=9, label="from the least to the bound"),
        legend_mark("from the true features", ACCENT),
        Line2D(
            [], [], color=SECOND.light, linewidth=0, marker="D", markersize=7, markerfacecolor="none",
            markeredgewidth=1.4, label="in the reduced network",
        ),
    ]  # fmt: skip
    row_legend(canvas, handles, columns=1 if canvas.narrow else 3)
