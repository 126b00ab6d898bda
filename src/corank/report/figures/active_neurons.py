"""Active neurons against width, layer below layer: how much of its width each layer uses.

Both criteria of Cui et al. 2020, Active Subspace of Neural Networks: energy (Def. 3.1) and norm (eq. 3.9), each
as the certified interval that was measured. Layers are rows, so that sixty of them stay readable on a phone.
"""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator

from corank.measure import ActiveLayer, ActiveSubspaces
from corank.report.figures.figure import CHARACTER, FONT_SIZE, SMALL, Canvas, Figure, draw_figure
from corank.report.figures.labels import distinct
from corank.report.format import SPACE, axis_count, number
from corank.report.palette import ACCENT, LINE, MUTED, SECOND, TRACK, Colour
from corank.result import Interval

_FEW = 14


def active_neurons(result: ActiveSubspaces) -> Figure:
    """The figure `active-neurons`: both counts and the width of every layer on a logarithmic scale."""
    level = f"{100 * (1 - result.epsilon):g}{SPACE}%"
    height = 96 + round(len(result.layers) * _row_height(len(result.layers)))
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


def _row_height(layers: int) -> float:
    """Pixels a layer."""
    return 34.0 if layers <= _FEW else max(15.0, 34.0 - 0.6 * (layers - _FEW))


def _draw(canvas: Canvas, layers: tuple[ActiveLayer, ...]) -> None:
    names = distinct([layer.layer for layer in layers], 13 if canvas.narrow else 26)
    left = 22 + CHARACTER * max(len(name) for name in names)
    axes = canvas.axes(left=left, right=58, top=38, bottom=54, x="number of directions")
    axes.set_xscale("log")
    axes.set_xlim(0.8, 1.25 * max(2, *(layer.width for layer in layers)))
    axes.set_ylim(len(layers) - 0.4, -0.6)
    apart = 0.17
    for place, layer in enumerate(layers):
        axes.plot([0.8, layer.width], [place, place], color=TRACK.light, linewidth=9, solid_capstyle="butt", zorder=1)
        axes.annotate(
            number(layer.width), (layer.width, place), xytext=(6, 0), textcoords="offset points", size=SMALL,
            color=MUTED.light, va="center_baseline", annotation_clip=False,
        )  # fmt: skip
        _mark(axes, layer.active_neurons.energy, layer.width, place - apart, ACCENT)
        _mark(axes, layer.active_neurons.norm, layer.width, place + apart, SECOND)
    axes.grid(visible=False, axis="y")
    axes.grid(visible=True, axis="x", color=LINE.light, linewidth=1)
    axes.set_yticks(range(len(layers)), names)
    axes.xaxis.set_major_locator(LogLocator(numticks=6 if canvas.narrow else 9))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda count, _: axis_count(count) if count >= 1 else ""))
    axes.minorticks_off()
    _legend(canvas, axes)


def _mark(axes: Axes, found: Interval, width: int, place: float, colour: Colour) -> None:
    """A dot for an exact count, a bar for a range, an arrow to the width where there is no upper end."""
    low = max(1, found.low if found.low is not None else 1)
    high = found.high if found.high is not None else max(width, low)
    known = found.high is not None
    axes.plot([low, high], [place, place], color=colour.light, linewidth=2 if known else 1, zorder=2)
    axes.plot([low], [place], color=colour.light, marker="o", markersize=5, zorder=3)
    axes.plot([high], [place], color=colour.light, marker="o" if known else ">", markersize=5, zorder=3)


def _legend(canvas: Canvas, axes: Axes) -> None:
    handles = [
        Line2D([], [], color=ACCENT.light, marker="o", markersize=5, linewidth=2, label="active by energy"),
        Line2D([], [], color=SECOND.light, marker="o", markersize=5, linewidth=2, label="active by norm"),
        Line2D([], [], color=TRACK.light, linewidth=9, label="width"),
    ]
    if canvas.narrow:
        for handle, label in zip(handles, ("energy", "norm", "width"), strict=True):
            handle.set_label(label)
    canvas.drawing.legend(
        handles=handles, loc="upper left", bbox_to_anchor=(0, 1 - 2 / canvas.height), ncols=3, frameon=False,
        fontsize=FONT_SIZE, labelcolor=MUTED.light, handlelength=1.4, columnspacing=1.6, borderaxespad=0.3,
    )  # fmt: skip
