"""Samples as points in two coordinates of a layer, marked by class: for at most three layers, small beside each other.

Up to ten classes have each a colour and a marker; of more, all look alike, because nobody could tell them apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray
from torch import Tensor

from corank.report.figures.figure import FONT_SIZE, SMALL, Canvas, Figure, draw_figure
from corank.report.figures.labels import distinct
from corank.report.figures.rows import legend_mark, row_legend
from corank.report.format import axis_number
from corank.report.palette import ACCENT, CLASSES, INK, Colour

PANELS = 3
POINTS = 200  # a panel: more of them cover each other
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "*")
_SIDE, _HEAD, _FOOT, _LEFT, _LEGEND = 190, 26, 44, 46, 22  # pixels
_A_LINE = 6, 10  # classes on a line of the legend, narrow and wide


@dataclass(frozen=True)
class Cloud:
    """The samples at one layer.

    Attributes:
        name: of the layer.
        points: `(m, 2)`.
        labels: `(m,)` their classes.
    """

    name: str
    points: NDArray[np.float64]
    labels: NDArray[np.int64]


def scatter_figure(
    name: str, layers: Sequence[tuple[str, Tensor, Tensor]], *, axis: str, alt: str, caption: str
) -> Figure | None:
    """A panel for the first, the middle and the last layer that have points; None where none has.

    Args:
        name: of the figure.
        layers: (name, `(m, 2)` points, `(m,)` labels) by depth.
        axis: what a coordinate is, for example "active variable".
        alt: what the points are.
        caption: what is seen; how classes are marked is added.
    """
    shown = _clouds(layers)
    if not shown:
        return None
    height, narrow_height = _heights(shown)
    by_class = " Each class has a colour and a marker." if _styles(shown) else ""
    return draw_figure(
        name,
        lambda canvas: _draw(canvas, shown, axis),
        alt=f"{max(len(cloud.points) for cloud in shown)} {alt} of {len(shown)} layers",
        caption=caption + by_class,
        height=height,
        narrow_height=narrow_height,
    )


def _clouds(layers: Sequence[tuple[str, Tensor, Tensor]]) -> list[Cloud]:
    """What is shown; samples with a coordinate that is not finite are left out, and of many samples evenly so."""
    found = []
    for name, points, labels in layers:
        if points.ndim == 2 and points.shape[1] >= 2:
            xy = points[:, :2].detach().double().cpu().numpy()
            finite = np.isfinite(xy).all(1)
            found.append(Cloud(name, xy[finite], labels.detach().cpu().numpy()[finite]))
    found = [cloud for cloud in found if len(cloud.points)]
    wanted = sorted({round(place * (len(found) - 1) / (PANELS - 1)) for place in range(PANELS)}) if found else []
    return [_thinned(found[place]) for place in wanted]


def _thinned(cloud: Cloud) -> Cloud:
    kept = np.unique(np.linspace(0, len(cloud.points) - 1, POINTS).round().astype(int))
    return Cloud(cloud.name, cloud.points[kept], cloud.labels[kept])


def _styles(shown: Sequence[Cloud]) -> dict[int, tuple[Colour, str]]:
    """Colour and marker of every class, while each can have its own; empty for one class and for many."""
    classes = sorted({int(label) for cloud in shown for label in cloud.labels})
    if not 1 < len(classes) <= len(CLASSES):
        return {}
    return {label: (CLASSES[place], MARKERS[place]) for place, label in enumerate(classes)}


def _heights(shown: Sequence[Cloud]) -> tuple[int, int]:
    """The heights of the wide figure and of the narrow one."""
    classes = len(_styles(shown))
    narrow, wide = (_LEGEND * -(-classes // a_line) for a_line in _A_LINE)
    panel = _HEAD + _SIDE + _FOOT
    return wide + panel, narrow + panel * len(shown)


def _draw(canvas: Canvas, shown: Sequence[Cloud], axis: str) -> None:
    styles = _styles(shown)
    a_line = _A_LINE[0 if canvas.narrow else 1]
    top = _LEGEND * -(-len(styles) // a_line)
    names = distinct([cloud.name for cloud in shown], 30 if canvas.narrow else 24)
    across = canvas.width if canvas.narrow else canvas.width / PANELS
    for place, (cloud, name) in enumerate(zip(shown, names, strict=True)):
        left, down = (0.0, (_HEAD + _SIDE + _FOOT) * place) if canvas.narrow else (across * place, 0.0)
        axes = canvas.axes(
            left=left + _LEFT, right=canvas.width - left - across + 6, top=top + down + _HEAD,
            bottom=canvas.height - top - down - _HEAD - _SIDE, x=f"first {axis}",
        )  # fmt: skip
        axes.set_title(name, size=FONT_SIZE, color=INK.light, loc="left", pad=7, fontweight="bold")
        if place == 0 or canvas.narrow:
            axes.set_ylabel(f"second {axis}", size=SMALL, color=INK.light, labelpad=2)
        _points(axes, cloud, styles)
    if styles:
        handles = [legend_mark(str(label), colour, marker) for label, (colour, marker) in styles.items()]
        row_legend(canvas, handles, columns=a_line)


def _points(axes: Axes, cloud: Cloud, styles: dict[int, tuple[Colour, str]]) -> None:
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(nbins=4))
        axis.set_major_formatter(lambda value, _: axis_number(value))
    groups = [(cloud.points[cloud.labels == label], *style) for label, style in styles.items()]
    for points, colour, marker in groups or [(cloud.points, ACCENT, "o")]:
        axes.plot(*points.T, color=colour.light, marker=marker, markersize=4.2, linewidth=0, markeredgewidth=0)
