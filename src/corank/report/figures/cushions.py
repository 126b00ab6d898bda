"""Gains of layers on samples over the norms of their maps, as strips of quantiles with the least of all marked.

The least is the layer cushion (Arora et al. 2018, Stronger Generalization Bounds for Deep Nets via a Compression
Approach; Sanyal et al. 2020, Robustness via Deep Low-Rank Representations, sec. 3.2).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from matplotlib.lines import Line2D

from corank.measure import CushionLayer, LayerCushions
from corank.report.figures.figure import Canvas, Figure, draw_figure
from corank.report.figures.rows import bar_width, legend_mark, log_shares, row_axes, row_legend, rows_height
from corank.report.palette import ACCENT, PAPER, SECOND

_DECADES = 6  # smaller ratios stand at the left edge


def cushions(result: LayerCushions) -> Figure:
    """The figure `cushions`: the quantiles of the ratios of every layer on a logarithmic scale."""
    height = rows_height(len(result.layers), legend_lines=2)
    return draw_figure(
        "cushions",
        lambda canvas: _draw(canvas, result.layers),
        alt=f"Distribution over samples of the gain of {len(result.layers)} layers, with the least of each",
        caption=(
            f"By how much a layer's linear map enlarges each of {result.samples:,} samples, over the map's Frobenius "
            "norm. The least is the layer's cushion: the larger, the less harm a small error does that enters there."
            f"{_too_small(result.layers)}"
        ),
        height=height,
        narrow_height=height,
    )


def _too_small(layers: Sequence[CushionLayer]) -> str:
    low, _ = _limits(layers)
    some = any(layer.quantiles[0] < low for layer in layers)
    return " A triangle at the left edge is a share too small for the scale." if some else ""


def _draw(canvas: Canvas, layers: Sequence[CushionLayer]) -> None:
    axes = row_axes(canvas, [layer.layer for layer in layers], x="gain over the norm of the map", legend_lines=2)
    low, high = _limits(layers)
    log_shares(axes, low, high, fine_up_to=20 if canvas.narrow else 200, text=lambda share: f"{share:g}")
    bar = bar_width(len(layers))
    for place, layer in enumerate(layers):
        if not all(math.isfinite(quantile) for quantile in layer.quantiles):
            continue
        least, fifth, quarter, middle, three_quarters, last, most = (max(q, low) for q in layer.quantiles)
        for ends, width in (((least, most), 0.8), ((fifth, last), 0.33 * bar), ((quarter, three_quarters), bar)):
            axes.plot(ends, [place, place], color=ACCENT.light, linewidth=width, solid_capstyle="butt", zorder=2)
        axes.plot([middle], [place], color=PAPER.light, marker="|", markersize=bar, markeredgewidth=1.6, zorder=3)
        marker = "D" if layer.quantiles[0] >= low else "<"
        axes.plot([least], [place], color=SECOND.light, marker=marker, markersize=5, zorder=4, clip_on=False)
    _legend(canvas)


def _limits(layers: Sequence[CushionLayer]) -> tuple[float, float]:
    """The range of the scale: everything above a millionth of the largest share."""
    shares = [share for layer in layers for share in layer.quantiles if math.isfinite(share) and share > 0]
    most = max(shares, default=1.0)
    least = max(min(shares, default=0.1 * most), most * 10.0**-_DECADES)
    return least, max(most, 2 * least)


def _legend(canvas: Canvas) -> None:
    handles = [
        legend_mark("least: the cushion", SECOND, "D"),
        Line2D([], [], color=ACCENT.light, linewidth=9, label="middle half"),
        Line2D([], [], color=ACCENT.light, linewidth=3, label="nine tenths"),
        Line2D([], [], color=ACCENT.light, linewidth=0.8, label="all samples"),
    ]
    row_legend(canvas, handles, columns=2)
