"""How much one direction carries of a layer's activations, of all samples and of each class by itself.

Sanyal et al. 2020, Robustness via Deep Low-Rank Representations, sec. 3 and Fig. 2.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from corank.measure import ActivationLayer, ActivationSpectra
from corank.report.figures.figure import Canvas, Figure, draw_figure
from corank.report.figures.rows import legend_mark, row_axes, row_legend, rows_height, shares_axis
from corank.report.palette import ACCENT, SECOND

_SHOWN_EACH = 20  # classes; of more only the range and the middle one are drawn
_APART = 0.15


def variance_ratios(result: ActivationSpectra) -> Figure:
    """The figure `variance-ratios`: the share of the first direction by layer, overall and by class."""
    height = rows_height(len(result.layers))
    whole = "variance" if result.centred else "squared activation"
    classes = max((len(layer.class_variance_ratios) for layer in result.layers), default=0)
    each = "a dot for each class" if classes <= _SHOWN_EACH else "the least, the middle and the largest are marked"
    by_class = f" Below it that of each class by itself, along the class's own direction: {each}." if classes else ""
    return draw_figure(
        "variance-ratios",
        lambda canvas: _draw(canvas, result.layers, f"share of the {whole}"),
        alt=f"Share of the {whole} in the first direction of {len(result.layers)} layers, overall and by class",
        caption=(
            f"The share of the {whole} that the strongest single direction carries, over all samples.{by_class} Shares "
            "near the right edge mean that the samples of a class have nearly the same features, up to their length."
        ),
        height=height,
        narrow_height=height,
    )


def _draw(canvas: Canvas, layers: Sequence[ActivationLayer], x: str) -> None:
    axes = row_axes(canvas, [layer.layer for layer in layers], x=x)
    shares_axis(canvas, axes)
    for place, layer in enumerate(layers):
        overall = layer.variance_ratios[:1]
        axes.plot(overall, [place - _APART] * len(overall), color=ACCENT.light, marker="D", markersize=5, zorder=3)
        shares = sorted(share for share in layer.class_variance_ratios if share is not None and math.isfinite(share))
        if not shares:
            continue
        below = place + _APART
        axes.plot([shares[0], shares[-1]], [below, below], color=SECOND.light, linewidth=1, zorder=2)
        drawn = shares if len(shares) <= _SHOWN_EACH else [shares[0], shares[len(shares) // 2], shares[-1]]
        axes.plot(
            drawn, [below] * len(drawn), color=SECOND.light, marker="o", markersize=4, linewidth=0, zorder=3,
            clip_on=False,
        )  # fmt: skip
    row_legend(canvas, [legend_mark("all samples", ACCENT, "D"), legend_mark("each class", SECOND)], columns=2)
