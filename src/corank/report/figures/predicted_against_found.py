"""Lengths that were foretold against those that were found, each guess in a panel of its own with the line y = x."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter
from numpy.typing import NDArray

from corank.errors import InputError
from corank.report.figures.figure import FONT_SIZE, Canvas, Figure, draw_figure
from corank.report.format import axis_number
from corank.report.palette import ACCENT, INK, MUTED, SECOND

POINTS = 400  # a panel: more of them cover each other
_SIDE, _HEAD, _FOOT, _LEFT, _BETWEEN = 280, 30, 50, 50, 26  # pixels


@dataclass(frozen=True, eq=False)
class Guess:
    """What was foretold, one number an input.

    Attributes:
        name: the title of the panel.
        values: `(m,)`.
    """

    name: str
    values: NDArray[np.float64]


def predicted_against_found(guesses: Sequence[Guess], found: NDArray[np.float64], *, caption: str) -> Figure:
    """The figure `predicted-against-found`; lengths that are not positive and finite are left out.

    Args:
        guesses: one or two.
        found: `(m,)` what attacks found.
        caption: what is foretold, and how well; how to read the figure is added.

    Raises:
        InputError: no length that can be shown.
    """
    shown = np.logical_and.reduce(
        [np.isfinite(values) & (values > 0) for values in (*(g.values for g in guesses), found)]
    )
    places = np.flatnonzero(shown)
    if not len(places):
        raise InputError("the figure needs at least one length that was foretold and found, got none")
    few = places[np.unique(np.linspace(0, len(places) - 1, POINTS).round().astype(int))]
    panels = [Guess(guess.name, guess.values[few]) for guess in guesses]
    told = "" if len(few) == len(places) else f" Of {len(places):,} inputs {len(few):,} are shown."
    return draw_figure(
        "predicted-against-found",
        lambda canvas: _draw(canvas, panels, found[few]),
        alt=f"The smallest perturbations of {len(places)} inputs as foretold against those found",
        caption=f"{caption} Each point is an input; on the line both agree, above it more was needed than was "
        f"foretold.{told}",
        height=_HEAD + _SIDE + _FOOT,
        narrow_height=(_HEAD + _SIDE + _FOOT) * len(panels),
    )


def _draw(canvas: Canvas, panels: Sequence[Guess], found: NDArray[np.float64]) -> None:
    everything = np.concatenate([found, *(panel.values for panel in panels)])
    low, high = 0.85 * everything.min(), 1.18 * everything.max()
    for place, (panel, colour) in enumerate(zip(panels, (ACCENT, SECOND), strict=False)):
        left = 0.0 if canvas.narrow else place * (_LEFT + _SIDE + _BETWEEN)
        top = place * (_HEAD + _SIDE + _FOOT) if canvas.narrow else 0
        axes = canvas.axes(
            left=left + _LEFT, right=canvas.width - left - _LEFT - _SIDE, top=top + _HEAD,
            bottom=canvas.height - top - _HEAD - _SIDE, x="foretold",
        )  # fmt: skip
        axes.set_title(panel.name, size=FONT_SIZE, color=INK.light, loc="left", pad=8, fontweight="bold")
        if place == 0 or canvas.narrow:
            axes.set_ylabel("found", size=FONT_SIZE, color=INK.light, labelpad=2)
        axes.plot([low, high], [low, high], color=MUTED.light, linewidth=1)
        axes.plot(panel.values, found, color=colour.light, marker="o", markersize=3.4, linewidth=0, markeredgewidth=0)
        _scales(axes, low, high)


def _scales(axes: Axes, low: float, high: float) -> None:
    """The same logarithmic scale both ways."""
    subs = (1.0, 2.0, 5.0) if high < 300 * low else (1.0,)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlim(low, high)
    axes.set_ylim(low, high)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(LogLocator(subs=subs, numticks=8))
        axis.set_major_formatter(FuncFormatter(lambda value, _: axis_number(value)))
        axis.set_minor_formatter(NullFormatter())
    axes.minorticks_off()
