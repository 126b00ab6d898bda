"""The singular values of all reduced layers, each over the largest of its layer, with the directions that were kept.

Daulbaev, "Applications of Differential Equations and Reduced-Order Modeling for Deep Learning", Fig. 5.1.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.ticker import FuncFormatter, LogLocator

from corank.compress import ReducedLayer, RONetwork
from corank.report.figures.depth import height_of_names, name_lines, right_margin
from corank.report.figures.figure import Canvas, Figure, draw_figure
from corank.report.figures.rows import log_counts
from corank.report.palette import PAPER, depth_colours

_DECADES = 5  # below a hundred-thousandth of the largest a singular value says nothing
_NAMED = 20  # layers; of more a scale of colours names some
_POINTS = 160  # a line; more cannot be told apart
_TOP, _BOTTOM = 40, 50  # pixels


def reduced_spectra(result: RONetwork) -> Figure:
    """The figure `reduced-spectra`: a line a layer on logarithmic scales, with a dot at its rank."""
    layers = result.layers
    frame = _TOP + _BOTTOM + 8 + height_of_names(len(layers) if len(layers) <= _NAMED else 0)
    return draw_figure(
        "reduced-spectra",
        lambda canvas: _draw(canvas, layers),
        alt=f"Singular values of the outputs of {len(layers)} reduced layers over the largest of each, log scales",
        caption=(
            f"How the outputs of {result.samples:,} samples fill each layer: its singular values over the largest of "
            "them. The steeper a line falls, the fewer directions are needed. A dot is where the reduced layer stops: "
            "the directions to its left were kept. First layers are blue, last ones orange."
        ),
        height=max(400, round(frame)),
        narrow_height=max(380, round(frame)),
    )


def _draw(canvas: Canvas, layers: Sequence[ReducedLayer]) -> None:
    names = [layer.layer for layer in layers]
    title, right = "share of the largest singular value", right_margin(canvas, names)
    axes = canvas.axes(left=58, right=right, top=_TOP, bottom=_BOTTOM, title=title, x="direction")
    shares = [np.array(layer.singular_values) / (max(layer.singular_values) or 1.0) for layer in layers]
    positive = np.concatenate([*shares, np.array([0.1])])
    floor = max(0.6 * float(positive[positive > 0].min()), 10.0**-_DECADES)
    axes.set_yscale("log")
    axes.set_ylim(floor, 1.3)
    log_counts(canvas, axes, max(map(len, shares)))
    ends: list[tuple[float, float] | None] = []
    for layer, values, colour in zip(layers, shares, depth_colours(len(layers)), strict=True):
        places = _places(int((values >= floor).sum()), layer.rank)
        axes.plot(places, values[places - 1], color=colour.light, linewidth=1.6, zorder=2)
        if layer.rank in places:
            axes.plot(
                [layer.rank], [values[layer.rank - 1]], color=colour.light, marker="o", markersize=8,
                markeredgecolor=PAPER.light, markeredgewidth=1.2, zorder=3,
            )  # fmt: skip
        ends.append((float(places[-1]), float(values[places[-1] - 1])) if len(places) else None)
    axes.yaxis.set_major_locator(LogLocator(numticks=_DECADES + 2))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{share:g}"))
    axes.minorticks_off()
    name_lines(canvas, axes, names, ends, at_most=_NAMED)


def _places(last: int, rank: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """The directions to draw, from the first to the last, evenly spaced on a logarithmic scale, the rank among them."""
    if not last:
        return np.zeros(0, dtype=np.int64)
    spaced = np.geomspace(1, last, _POINTS).round().astype(np.int64)
    return np.union1d(spaced, np.array([rank] if rank <= last else [], dtype=np.int64))
