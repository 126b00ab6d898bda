"""The spectra of the gradient covariance at all layers, as shares of its trace, with the sketch's certificate.

Every eigenvalue of the sampled covariance lies between the sketch's and the sketch's plus the uncertainty
(Cui et al. 2020, Active Subspace of Neural Networks, sec. 3.2; the certificate is that of Frequent Directions).
"""

from __future__ import annotations

import numpy as np
from matplotlib.ticker import FuncFormatter, LogLocator
from numpy.typing import NDArray

from corank.measure import ActiveLayer, ActiveSubspaces
from corank.report.figures.depth import direction_axis, name_lines, right_margin
from corank.report.figures.figure import Canvas, Figure, draw_figure
from corank.report.format import SPACE
from corank.report.palette import depth_colours

_DECADES = 6  # below a millionth of the trace an eigenvalue says nothing


def spectra(result: ActiveSubspaces) -> Figure:
    """The figure `spectra`: the leading eigenvalues of every layer on a logarithmic scale."""
    return draw_figure(
        "spectra",
        lambda canvas: _draw(canvas, result.layers),
        alt=f"Leading eigenvalues of the gradient covariance of {len(result.layers)} layers, on a logarithmic scale",
        caption=(
            "How strongly the loss depends on a layer's leading directions, the strongest first: the share of the "
            "squared gradient that lies along each. The steeper a line falls, the fewer directions matter. Shaded: "
            f"how much larger a value may be, certified for the {result.samples:,} samples measured. First layers are "
            "blue, last ones orange."
        ),
    )


def _draw(canvas: Canvas, layers: tuple[ActiveLayer, ...]) -> None:
    names = [layer.layer for layer in layers]
    axes = canvas.axes(
        left=68, right=right_margin(canvas, names), top=40, bottom=50,
        title="share of the squared gradient", x="direction",
    )  # fmt: skip
    shares = [_shares(layer) for layer in layers]
    floor = _floor(shares)
    axes.set_yscale("log")
    axes.set_ylim(floor, max([1.0, *(float(values.max()) for values in shares if len(values))]) * 1.3)
    longest = max([1, *(len(values) for values in shares)])
    direction_axis(canvas, axes, longest)
    ends: list[tuple[float, float] | None] = []
    for layer, values, colour in zip(layers, shares, depth_colours(len(layers)), strict=True):
        places = np.arange(1, len(values) + 1)
        upper = values + layer.uncertainty / layer.mean_squared_gradient
        visible = np.maximum(values, floor)
        opacity = max(0.05, 0.25 / len(layers) ** 0.5)
        axes.fill_between(places, visible, np.maximum(upper, visible), color=colour.light, alpha=opacity, linewidth=0)
        shown = values >= floor
        marker = "o" if shown.sum() == 1 else ""
        axes.plot(places[shown], values[shown], color=colour.light, linewidth=1.6, marker=marker, markersize=5)
        ends.append((float(places[shown][-1]), float(values[shown][-1])) if shown.any() else None)
    axes.yaxis.set_major_locator(LogLocator(numticks=_DECADES + 2))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{100 * share:g}{SPACE}%"))
    axes.minorticks_off()
    name_lines(canvas, axes, names, ends)


def _shares(layer: ActiveLayer) -> NDArray[np.float64]:
    """The eigenvalues as shares of the trace."""
    return np.asarray(layer.eigenvalues, dtype=float) / layer.mean_squared_gradient


def _floor(shares: list[NDArray[np.float64]]) -> float:
    """The lower end of the axis: just below the least share worth drawing."""
    positive = [float(values[values > 0].min()) for values in shares if (values > 0).any()]
    return max(0.6 * min([0.1, *positive]), 10.0**-_DECADES)
