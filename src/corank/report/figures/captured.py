"""The share of held-out gradient energy in the first directions, by layer: whether the samples were enough.

Directions that fit only the samples they came from capture little of the gradients of others.
"""

from __future__ import annotations

from matplotlib.ticker import FuncFormatter

from corank.measure import ActiveLayer, ActiveSubspaces
from corank.report.figures.depth import count_axis, name_lines, right_margin
from corank.report.figures.figure import FONT_SIZE, Canvas, Figure, draw_figure
from corank.report.format import SPACE
from corank.report.palette import MUTED, depth_colours


def captured(result: ActiveSubspaces) -> Figure:
    """The figure `captured`: held-out energy in the first 1, 2, ... directions of every layer."""
    level = 1 - result.epsilon
    return draw_figure(
        "captured",
        lambda canvas: _draw(canvas, result.layers, level),
        alt=f"Share of held-out gradient energy in the first directions of {len(result.layers)} layers",
        caption=_caption(result.samples_heldout, f"{100 * level:g}{SPACE}%"),
    )


def _caption(samples: int, level: str) -> str:
    if not samples:
        return "No samples were held out, so it is not known how well the directions serve samples not measured."
    return (
        f"How much of the squared gradient of {samples:,} samples that took no part in finding the directions lies in "
        f"the first of them. A line that climbs to {level} (dashed) holds what the loss depends on there; one that "
        "stays below wants more directions, or more samples."
    )


def _draw(canvas: Canvas, layers: tuple[ActiveLayer, ...], level: float) -> None:
    names = [layer.layer for layer in layers]
    axes = canvas.axes(
        left=58, right=right_margin(canvas, names), top=40, bottom=50,
        title="held-out share captured", x="directions kept",
    )  # fmt: skip
    longest = max([1, *(len(layer.captured_heldout_by_rank) for layer in layers)])
    count_axis(canvas, axes, longest)
    axes.set_ylim(0, 1.03)
    axes.axhline(level, color=MUTED.light, linewidth=1, linestyle=(0, (5, 4)))
    ends: list[tuple[float, float] | None] = []
    for layer, colour in zip(layers, depth_colours(len(layers)), strict=True):
        shares = layer.captured_heldout_by_rank
        places = range(1, len(shares) + 1)
        axes.plot(
            places, shares, color=colour.light, linewidth=1.6, marker="o" if len(shares) == 1 else "", markersize=5
        )
        ends.append((float(len(shares)), float(shares[-1])) if shares else None)
    if not any(ends):
        axes.text(
            0.5, 0.5, "no samples were held out", transform=axes.transAxes, ha="center", size=FONT_SIZE,
            color=MUTED.light,
        )  # fmt: skip
    axes.yaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{100 * share:.0f}{SPACE}%"))
    name_lines(canvas, axes, names, ends)
