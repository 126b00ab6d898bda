"""|cos theta| along the way from an input to the nearest example of another class.

Gao et al., Feature Compression Is the Root Cause of Adversarial Fragility in Neural Network Classifiers, Fig. 6.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from corank.errors import InputError
from corank.report.figures.figure import FONT_SIZE, Canvas, Figure, draw_figure
from corank.report.figures.rows import legend_mark, row_legend
from corank.report.format import axis_number
from corank.report.palette import ACCENT, INK, MUTED, SECOND

_COLOURS = (SECOND, ACCENT, INK)


def cosines_along_path(
    alphas: Sequence[float], cosines: NDArray[np.float64], singled_out: Mapping[str, NDArray[np.float64]]
) -> Figure:
    """The figure `path`.

    Args:
        alphas: the points of the paths, from 0 at the inputs to 1.
        cosines: `(m, n)` of all inputs at these.
        singled_out: at most three inputs by name, `(n,)` each.

    Raises:
        InputError: no input, or numbers of points that differ.
    """
    if not len(cosines) or cosines.shape[1] != len(alphas):
        raise InputError(f"the figure needs {len(alphas)} cosines of at least one input, got {cosines.shape}")
    return draw_figure(
        "path",
        lambda canvas: _draw(canvas, alphas, np.abs(cosines), singled_out),
        alt=f"|cos θ| at {len(alphas)} points of the paths of {len(cosines)} inputs",
        caption=(
            "Along the straight way from an input (α = 0) to the example of another class (α = 1): how much of this "
            "way's direction the gradient of the difference of both logits holds."
            + (f" The band is the middle half of all {len(cosines):,} inputs." if len(cosines) > 1 else "")
        ),
        height=320,
        narrow_height=340,
    )


def _draw(
    canvas: Canvas,
    alphas: Sequence[float],
    sizes: NDArray[np.float64],
    singled_out: Mapping[str, NDArray[np.float64]],
) -> None:
    axes = canvas.axes(left=64, right=24, top=84 if canvas.narrow else 44, bottom=52, x="α")
    axes.set_ylabel("|cos θ|", size=FONT_SIZE, color=INK.light, labelpad=8)
    handles = []
    low, middle, high = np.quantile(sizes, (0.25, 0.5, 0.75), axis=0)
    if len(sizes) > 1:
        axes.fill_between(alphas, low, high, color=MUTED.light, alpha=0.25, linewidth=0)
        axes.plot(alphas, middle, color=MUTED.light, linewidth=1.6)
        handles.append(legend_mark("median of all", MUTED, marker="", linewidth=1.6))
    marker = "o" if len(alphas) <= 25 else ""
    for (name, own), colour in zip(singled_out.items(), _COLOURS, strict=False):
        axes.plot(alphas, np.abs(own), color=colour.light, linewidth=1.4, marker=marker, markersize=3.6)
        handles.append(legend_mark(name, colour, marker=marker, linewidth=1.4))
    highest = [np.abs(own) for own in singled_out.values()] + [high]
    top = max(0.05, *(float(values.max()) for values in highest))
    axes.set_ylim(0, min(1.0, 1.12 * top))
    axes.set_xlim(0, 1)
    axes.yaxis.set_major_formatter(lambda value, _: axis_number(value))
    row_legend(canvas, handles, columns=1 if canvas.narrow else 4)
