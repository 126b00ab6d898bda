"""A density that was learnt: the data, the density, what is drawn from it, and the ways from the Gaussian to there."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray
from torch import Tensor

from corank.report.figures.figure import FONT_SIZE, Canvas, Figure, draw_figure
from corank.report.format import axis_number
from corank.report.palette import ACCENT, INK, LINE, SECOND, Colour

_HEAD, _FOOT, _LEFT, _GAP = 28, 34, 40, 8  # pixels
_WIDE, _NARROW = 720, 360
_ROOT = 0.5  # power that brings out what is faint


def density_panels(
    density: Tensor | None, data: Tensor, samples: Tensor, low: Sequence[float], high: Sequence[float], name: str
) -> Figure:
    """The figure `density`: held-out data, the density over the plane where there is one, and samples.

    Args:
        density: `(n, n)`, rows by the second coordinate from the lowest on; None beyond the plane.
        data: `(N, 2)`.
        samples: `(M, 2)`.
        low: the lower left corner of the picture.
        high: its upper right corner.
        name: of the data.
    """
    panels = 2 if density is None else 3
    middle = "" if density is None else "; between them its density, the darker the higher (square root of it)"
    beyond = " Only the first two coordinates are shown." if density is None else ""
    return draw_figure(
        "density",
        lambda canvas: _draw(canvas, density, data, samples, (*low, *high)),
        alt=f"{len(data)} points of {name}, and {len(samples)} drawn from the density that was learnt",
        caption=f"First points of {name} that were not trained on, last as many drawn from the flow{middle}.{beyond}",
        height=_panel_height(_WIDE, panels),
        narrow_height=_panel_height(_NARROW, 1) * panels,
    )


def flow_ways(ways: Tensor, name: str) -> Figure:
    """The figure `trajectories`: how points of a Gaussian are carried to the data.

    Args:
        ways: `(times, N, 2)`.
        name: of the data.
    """
    every = ways.reshape(-1, 2).numpy()
    lowest, highest = every.min(0), every.max(0)
    half = 0.55 * (highest - lowest).max()  # equal scales, and room for the marks
    middle = (lowest + highest) / 2
    edges = [*(middle - half), *(middle + half)]
    return draw_figure(
        "trajectories",
        lambda canvas: _draw_ways(canvas, ways.numpy(), edges),
        alt=f"The ways of {ways.shape[1]} points from a Gaussian to {name}",
        caption=(
            f"How {ways.shape[1]} points of a Gaussian (small rings) are carried to the density of {name} (dots) by "
            "the fields of the flow. Ways do not cross at the same time, so that the map can be undone."
        ),
        height=460,
        narrow_height=380,
    )


def _panel_height(width: int, panels: int) -> int:
    return _HEAD + _side(width, panels) + _FOOT


def _side(width: int, panels: int) -> int:
    return width // panels - _LEFT - _GAP


def _draw(canvas: Canvas, density: Tensor | None, data: Tensor, samples: Tensor, edges: Sequence[float]) -> None:
    parts: list[tuple[str, Tensor]] = [("data", data), ("samples", samples)]
    if density is not None:
        parts.insert(1, ("density", density))
    across = 1 if canvas.narrow else len(parts)
    for place, (title, values) in enumerate(parts):
        side = _side(canvas.width, across)
        left = _LEFT + (0 if canvas.narrow else place * (side + _LEFT + _GAP))
        top = _HEAD + (place * _panel_height(canvas.width, 1) if canvas.narrow else 0)
        axes = canvas.axes(left=left, right=canvas.width - left - side, top=top, bottom=canvas.height - top - side)
        axes.set_title(title, size=FONT_SIZE, color=INK.light, loc="left", pad=7, fontweight="bold")
        _plane(axes, edges)
        if title == "density":
            axes.imshow(_tinted(values, ACCENT), extent=_extent(edges), origin="lower", aspect="auto")
        else:
            colour = INK if title == "data" else SECOND
            axes.plot(*values.T.numpy(), color=colour.light, marker="o", markersize=1.6, linewidth=0,
                      markeredgewidth=0, alpha=0.7)  # fmt: skip


def _draw_ways(canvas: Canvas, ways: NDArray[np.float32], edges: Sequence[float]) -> None:
    side = min(canvas.width - _LEFT - _GAP, canvas.height - _HEAD - _FOOT)
    axes = canvas.axes(left=_LEFT, right=canvas.width - _LEFT - side, top=_HEAD, bottom=canvas.height - _HEAD - side)
    _plane(axes, edges)
    for way in ways.transpose(1, 0, 2):
        axes.plot(*way.T, color=ACCENT.light, linewidth=0.9, alpha=0.7)
    axes.plot(*ways[0].T, color=ACCENT.light, marker="o", markersize=3.5, linewidth=0, markerfacecolor="none")
    axes.plot(*ways[-1].T, color=SECOND.light, marker="o", markersize=3.5, linewidth=0, markeredgewidth=0)


def _plane(axes: Axes, edges: Sequence[float]) -> None:
    """A quiet frame from corner to corner."""
    axes.set_xlim(edges[0], edges[2])
    axes.set_ylim(edges[1], edges[3])
    axes.grid(visible=False)
    axes.spines[["top", "right", "left", "bottom"]].set_visible(True)
    axes.spines[["top", "right", "left", "bottom"]].set_color(LINE.light)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(nbins=4))
        axis.set_major_formatter(lambda value, _: axis_number(value))


def _extent(edges: Sequence[float]) -> tuple[float, float, float, float]:
    return edges[0], edges[2], edges[1], edges[3]


def _tinted(values: Tensor, colour: Colour) -> NDArray[np.uint8]:
    """One colour, the more opaque the higher the value: as good on a dark page as on a light one."""
    share = (values / values.max().clamp(min=1e-30)).clamp(min=0).pow(_ROOT).numpy()
    pixels = np.empty((*share.shape, 4), np.uint8)
    pixels[..., :3] = np.round(255 * np.array(to_rgb(colour.light)))
    pixels[..., 3] = np.round(255 * share)
    return pixels
