"""The ranks of the weight matrices beside what they could be.

Effective rank `|W|_* / |W|_F`, at most the square root of the rank, and stable rank `|W|_F^2 / |W|_2^2`, at most the
rank (Langenberg et al. 2019, On the Effect of Low-Rank Weights on Adversarial Robustness of Neural Networks, sec. 2).
"""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.lines import Line2D

from corank.measure import WeightLayer, WeightSpectra
from corank.report.figures.figure import Canvas, Figure, draw_figure
from corank.report.figures.rows import bar_width, legend_mark, log_counts, row_axes, row_height, row_legend, rows_height
from corank.report.palette import ACCENT, MUTED, SECOND, TRACK


def weight_ranks(result: WeightSpectra) -> Figure:
    """The figure `weight-ranks`: effective and stable rank of every weight matrix on a logarithmic scale."""
    height = rows_height(len(result.layers), legend_lines=2)
    return draw_figure(
        "weight-ranks",
        lambda canvas: _draw(canvas, result.layers),
        alt=f"Effective and stable rank of {len(result.layers)} weight matrices, on a logarithmic scale",
        caption=(
            "How many dimensions a weight matrix really uses. Grey: its full rank, which no rank can exceed. The "
            "stable rank compares all its singular values with the largest and would reach the end of the bar if all "
            "were equal; the effective rank compares their sum with their size and would then reach the upright line."
        ),
        height=height,
        narrow_height=height,
    )


def _draw(canvas: Canvas, layers: Sequence[WeightLayer]) -> None:
    axes = row_axes(canvas, [layer.layer for layer in layers], x="rank", legend_lines=2)
    full = [min(layer.rows, layer.columns) for layer in layers]
    log_counts(canvas, axes, max(full))
    bar, line = bar_width(len(layers)), min(12.0, 0.8 * row_height(len(layers)))
    for place, (layer, most) in enumerate(zip(layers, full, strict=True)):
        axes.plot([0.8, most], [place, place], color=TRACK.light, linewidth=bar, solid_capstyle="butt", zorder=1)
        axes.plot([most**0.5], [place], color=MUTED.light, marker="|", markersize=line, markeredgewidth=1.2, zorder=2)
        axes.plot([layer.effective_rank], [place], color=ACCENT.light, marker="o", markersize=5, zorder=3)
        axes.plot([layer.stable_rank], [place], color=SECOND.light, marker="D", markersize=5, zorder=3)
    handles = [
        legend_mark("effective rank", ACCENT),
        legend_mark("stable rank", SECOND, "D"),
        legend_mark("most effective rank" if canvas.narrow else "largest possible effective rank", MUTED, "|"),
        Line2D([], [], color=TRACK.light, linewidth=9, label="full rank"),
    ]
    row_legend(canvas, handles, columns=2)
