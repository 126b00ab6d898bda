"""Spectra of many layers as lines: shares of a trace on a logarithmic scale, with the sketch's certificate as a band.

Every eigenvalue of the sampled covariance lies between the sketch's and the sketch's plus the uncertainty (the
certificate of Frequent Directions). Where samples were drawn again, whiskers show the interval of that bootstrap.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator
from numpy.typing import NDArray

from corank.report.figures.depth import NAMED_AT_MOST, count_axis, name_lines, right_margin
from corank.report.figures.figure import Canvas
from corank.report.format import SPACE
from corank.report.palette import depth_colours

_WHISKERS = 6  # a line
_DECADES = 6  # below a millionth of the trace an eigenvalue says nothing
Shares = NDArray[np.float64]


@dataclass(frozen=True)
class Spectrum:
    """The spectrum of one layer.

    Attributes:
        name: of the layer.
        shares: of the trace, descending.
        uncertainty: how much larger each may be, as a share too.
        low, high: bootstrap interval of each share; empty without one.
    """

    name: str
    shares: Shares
    uncertainty: float
    low: Shares
    high: Shares


def spectrum(
    name: str,
    eigenvalues: Sequence[float],
    trace: float,
    uncertainty: float,
    low: Sequence[float] = (),
    high: Sequence[float] = (),
) -> Spectrum:
    """Eigenvalues and what is known about them, as shares of their trace."""

    def shares(values: Sequence[float]) -> Shares:
        return np.asarray(values, dtype=float) / (trace or 1.0)

    return Spectrum(name, shares(eigenvalues), uncertainty / (trace or 1.0), shares(low), shares(high))


def draw_spectra(canvas: Canvas, spectra: Sequence[Spectrum], title: str) -> None:
    """Draw a line a layer, the first blue and the last orange.

    Args:
        canvas: the sheet.
        spectra: by depth.
        title: of what the shares are.
    """
    names = [layer.name for layer in spectra]
    axes = canvas.axes(left=68, right=right_margin(canvas, names), top=40, bottom=50, title=title, x="direction")
    floor = _floor(spectra)
    axes.set_yscale("log")
    axes.set_ylim(floor, 1.3 * max([1.0, *(float(layer.shares.max()) for layer in spectra if len(layer.shares))]))
    count_axis(canvas, axes, max([1, *(len(layer.shares) for layer in spectra)]))
    opacity = max(0.05, 0.25 / len(spectra) ** 0.5)
    ends: list[tuple[float, float] | None] = []
    for layer, colour in zip(spectra, depth_colours(len(spectra)), strict=True):
        places = np.arange(1, len(layer.shares) + 1)
        visible = np.maximum(layer.shares, floor)
        upper = np.maximum(layer.shares + layer.uncertainty, visible)
        axes.fill_between(places, visible, upper, color=colour.light, alpha=opacity, linewidth=0)
        shown = layer.shares >= floor
        marker = "o" if shown.sum() == 1 else ""
        axes.plot(places[shown], layer.shares[shown], color=colour.light, linewidth=1.6, marker=marker, markersize=5)
        ends.append((float(places[shown][-1]), float(layer.shares[shown][-1])) if shown.any() else None)
    if has_whiskers(spectra):
        _whiskers(axes, spectra, floor)
    axes.yaxis.set_major_locator(LogLocator(numticks=_DECADES + 2))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{100 * share:g}{SPACE}%"))
    axes.minorticks_off()
    name_lines(canvas, axes, names, ends)


def has_whiskers(spectra: Sequence[Spectrum]) -> bool:
    """Whether the figure shows bootstrap intervals: where there are some and lines are few."""
    return len(spectra) <= NAMED_AT_MOST and any(len(layer.low) for layer in spectra)


def _whiskers(axes: Axes, spectra: Sequence[Spectrum], floor: float) -> None:
    """The bootstrap intervals of some directions of each layer, of others than its neighbours', to keep them apart."""
    longest = max(len(layer.low) for layer in spectra)
    step = max(len(spectra), -(-longest // _WHISKERS))
    for number, (layer, colour) in enumerate(zip(spectra, depth_colours(len(spectra)), strict=True)):
        for place in range(number * step // len(spectra), len(layer.low), step):
            low, high = max(float(layer.low[place]), floor), float(layer.high[place])
            if low <= high:
                axes.plot([place + 1] * 2, [low, high], color=colour.light, linewidth=1, marker="_", markersize=7)


def _floor(spectra: Sequence[Spectrum]) -> float:
    """The lower end of the axis: just below the least share worth drawing."""
    positive = [float(layer.shares[layer.shares > 0].min()) for layer in spectra if (layer.shares > 0).any()]
    return max(0.6 * min([0.1, *positive]), 10.0**-_DECADES)
