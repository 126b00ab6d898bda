"""How much of what separates inputs from the nearest other class a classifier looks at: a histogram of |cos theta|."""

from __future__ import annotations

import numpy as np
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from corank.errors import InputError
from corank.report.figures.figure import SMALL, Canvas, Figure, draw_figure
from corank.report.format import axis_number, number
from corank.report.palette import ACCENT, INK, SECOND

BINS = 40


def cosine_histogram(cosines: NDArray[np.float64]) -> Figure:
    """The figure `cosines`.

    Args:
        cosines: `(m,)` of the angle at each input.

    Raises:
        InputError: no input.
    """
    if not len(cosines):
        raise InputError("the figure needs at least one input, got none")
    sizes = np.abs(cosines)
    return draw_figure(
        "cosines",
        lambda canvas: _draw(canvas, sizes),
        alt=f"Histogram of |cos θ| of {len(sizes)} inputs",
        caption=(
            "How much of the direction to the nearest example of another class the network's own direction holds: at "
            "1 the network looks at all of it, near 0 at next to nothing, and a push along its own direction is as "
            f"much shorter. The line is the mean, {number(float(sizes.mean()))}."
        ),
        height=260,
        narrow_height=250,
    )


def _draw(canvas: Canvas, sizes: NDArray[np.float64]) -> None:
    axes = canvas.axes(left=48, right=24, top=30, bottom=52, title="inputs", x="|cos θ| at the input")
    most = max(0.1, min(1.0, 1.05 * float(sizes.max())))
    counts, *_ = axes.hist(sizes, bins=np.linspace(0, most, BINS + 1).tolist(), color=ACCENT.light, rwidth=0.88)
    mean = float(sizes.mean())
    axes.axvline(mean, color=SECOND.light, linewidth=1.6)
    axes.annotate(
        f"mean {number(mean)}", (mean, 1), (6, -4), xycoords=("data", "axes fraction"), textcoords="offset points",
        color=INK.light, size=SMALL, va="top",
    )  # fmt: skip
    axes.set_xlim(0, most)
    axes.set_ylim(0, 1.18 * float(max(counts)))  # room for the word beside the line
    axes.yaxis.set_major_locator(MaxNLocator(integer=True, nbins=5))
    axes.xaxis.set_major_formatter(lambda value, _: axis_number(value))
