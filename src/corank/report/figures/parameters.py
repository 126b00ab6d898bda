"""Where the parameters are, layer below layer (Cui et al. 2020, Active Subspace of Neural Networks, Fig. 1b)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

from corank.measure import WeightLayer, WeightSpectra
from corank.report.figures.figure import SMALL, Canvas, Figure, draw_figure
from corank.report.figures.rows import labelled_every, row_axes, rows_height, shares_axis
from corank.report.format import compact, percent
from corank.report.palette import ACCENT, INK

_VALUE = 112  # pixels for a count and its share beside the longest bar


def parameters(result: WeightSpectra) -> Figure:
    """The figure `parameters`: each layer's share of the network's parameters, with the count."""
    height = rows_height(len(result.layers), legend_lines=0)
    return draw_figure(
        "parameters",
        lambda canvas: _draw(canvas, result.layers, result.parameters),
        alt=f"Share of the {result.parameters:,} parameters that each of {len(result.layers)} layers holds",
        caption=(
            f"Where the {result.parameters:,} parameters are: the longer a bar, the more a smaller layer there would "
            f"save. {_concentration(result)}"
        ),
        height=height,
        narrow_height=height,
    )


def _concentration(result: WeightSpectra) -> str:
    """In how few layers half of the parameters are, and how many are in none."""
    counts = [layer.parameters for layer in result.layers]
    if len(counts) == 1:
        return "Only one layer has a weight matrix."
    sums = list(accumulate(sorted(counts, reverse=True)))
    enough = next(number for number, held in enumerate(sums, 1) if 2 * held >= sums[-1])
    held = "one holds" if enough == 1 else f"{enough} hold"
    rest = result.parameters - sums[-1]
    others = f" {rest:,} more are in layers without a weight matrix." if rest > 0 else ""
    return f"Of the {len(counts)} layers with a weight matrix {held} at least half of what all of them hold.{others}"


def _draw(canvas: Canvas, layers: Sequence[WeightLayer], total: int) -> None:
    axes = row_axes(canvas, [layer.layer for layer in layers], x="share of the parameters", legend_lines=0)
    shares = [layer.parameters / max(total, 1) for layer in layers]
    has_values = labelled_every(len(layers)) == 1
    width = axes.get_window_extent().width
    stretch = width / max(width - _VALUE, 1.0) if has_values else 1.02
    shares_axis(canvas, axes, max([1e-9, *shares]) * stretch)
    for place, (layer, share) in enumerate(zip(layers, shares, strict=True)):
        axes.barh(place, share, height=0.62, color=ACCENT.light, linewidth=0)
        if has_values:
            axes.annotate(
                f"{compact(layer.parameters)} ({percent(share)})", (share, place), xytext=(5, 0),
                textcoords="offset points", size=SMALL, va="center_baseline", color=INK.light,
            )  # fmt: skip
