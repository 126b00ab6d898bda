"""Active neurons against width, layer below layer: how much of its width each layer uses.

Both criteria of Cui et al. 2020, Active Subspace of Neural Networks: energy (Def. 3.1) and norm (eq. 3.9), each
as the certified interval that was measured.
"""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from corank.measure import ActiveLayer, ActiveSubspaces
from corank.report.figures.figure import SMALL, Canvas, Figure, draw_figure
from corank.report.figures.rows import (
    bar_width,
    labelled_every,
    legend_mark,
    log_counts,
    row_axes,
    row_legend,
    rows_height,
)
from corank.report.format import SPACE, number
from corank.report.palette import ACCENT, MUTED, SECOND, TRACK, Colour
from corank.result import Interval


def active_neurons(result: ActiveSubspaces) -> Figure:
    """The figure `active-neurons`: both counts and the width of every layer on a logarithmic scale."""
    level = f"{100 * (1 - result.epsilon):g}{SPACE}%"
    height = rows_height(len(result.layers))
    return draw_figure(
        "active-neurons",
        lambda canvas: _draw(canvas, result.layers),
        alt=f"Active neurons and width of {len(result.layers)} layers, on a logarithmic scale",
        caption=(
            "An active neuron is a direction of a layer's features that the loss of the measured samples depends on. "
            f"Grey: how many features a layer has. Marked: how many directions hold {level} of the squared gradient "
            "(by energy), or of the gradient's norm (by norm, the smaller demand). A bar is a certified range; an "
            "arrow, that the measurement gives no upper end but the width."
        ),
        height=height,
        narrow_height=height,
    )


def _draw(canvas: Canvas, layers: tuple[ActiveLayer, ...]) -> None:
    axes = row_axes(canvas, [layer.layer for layer in layers], x="number of directions", right=58)
    log_counts(canvas, axes, max(layer.width for layer in layers))
    apart, bar = 0.17, bar_width(len(layers))
    for place, layer in enumerate(layers):
        axes.plot([0.8, layer.width], [place, place], color=TRACK.light, linewidth=bar, solid_capstyle="butt", zorder=1)
        if place % labelled_every(len(layers)) == 0:
            axes.annotate(
                number(layer.width), (layer.width, place), xytext=(6, 0), textcoords="offset points", size=SMALL,
                color=MUTED.light, va="center_baseline", annotation_clip=False,
            )  # fmt: skip
        _mark(axes, layer.active_neurons.energy, layer.width, place - apart, ACCENT)
        _mark(axes, layer.active_neurons.norm, layer.width, place + apart, SECOND)
    labels = ("energy", "norm") if canvas.narrow else ("active by energy", "active by norm")
    marks = [legend_mark(label, colour, linewidth=2) for label, colour in zip(labels, (ACCENT, SECOND), strict=True)]
    row_legend(canvas, [*marks, Line2D([], [], color=TRACK.light, linewidth=9, label="width")], columns=3)


def _mark(axes: Axes, found: Interval, width: int, place: float, colour: Colour) -> None:
    """A dot for an exact count, a bar for a range, an arrow to the width where there is no upper end."""
    low = max(1, found.low if found.low is not None else 1)
    high = found.high if found.high is not None else max(width, low)
    known = found.high is not None
    axes.plot([low, high], [place, place], color=colour.light, linewidth=2 if known else 1, zorder=2)
    axes.plot([low], [place], color=colour.light, marker="o", markersize=5, zorder=3)
    axes.plot([high], [place], color=colour.light, marker="o" if known else ">", markersize=5, zorder=3)
