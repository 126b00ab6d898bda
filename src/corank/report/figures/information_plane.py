"""The information plane: what each layer holds about the input against what it holds about the label, in bounds.

Langenberg et al. 2019, On the Effect of Low-Rank Weights on Adversarial Robustness of Neural Networks, sec. 5, with
the bounds of Kolchinsky and Tracey 2017. No estimate from m samples passes log m, so what lies near it is shaded.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from corank.measure import Bounds, InformationLayer, LayerInformation
from corank.report.figures.depth import NAMED_AT_MOST, name_lines, right_margin
from corank.report.figures.figure import SMALL, Canvas, Figure, draw_figure
from corank.report.format import number
from corank.report.palette import LINE, MUTED, TRACK, Colour, depth_colours

_SATURATED_BELOW = math.log(2)  # from log(m / 2) on, a sample's own noise outweighs all other samples together


def information_plane(result: LayerInformation) -> Figure:
    """The figure `information-plane`: a cross of bounds for every layer, joined by depth."""
    limit = max(layer.limit for layer in result.layers)
    saturated = sum(layer.input.is_saturated for layer in result.layers)
    return draw_figure(
        "information-plane",
        lambda canvas: _draw(canvas, result.layers, limit, result.label_entropy),
        alt=(
            f"Information of {len(result.layers)} layers about the label against information about the input, in nats; "
            f"{saturated} of them saturated"
        ),
        caption=(
            "What a layer still tells about its input, to the right, and about the label, upwards: each cross spans "
            f"the lower and upper bounds, with Gaussian noise of variance {number(result.noise_variance)} on the "
            f"features. Shaded: estimates from {result.samples:,} samples cannot pass {number(limit)} nats, so that "
            "those near it tell how many samples there were, not what the layer holds "
            f"({saturated} of {len(result.layers)} layers). Dashed: all there is to know about the label, "
            f"{number(result.label_entropy)} nats."
        ),
        height=420,
    )


def _draw(canvas: Canvas, layers: Sequence[InformationLayer], limit: float, entropy: float) -> None:
    names = [layer.layer for layer in layers]
    axes = canvas.axes(
        left=44, right=right_margin(canvas, names), top=40, bottom=50, title="information about the label, nats",
        x="information about the input, nats",
    )  # fmt: skip
    known = [layer for layer in layers if _is_known(layer)]
    axes.set_xlim(min([-0.02 * limit, *(layer.input.low for layer in known)]), 1.03 * limit)
    axes.set_ylim(
        min([-0.03 * entropy, *(layer.label.low for layer in known)]),
        1.08 * max([entropy, 1e-9, *(layer.label.high for layer in known)]),
    )
    axes.grid(visible=True, axis="x", color=LINE.light, linewidth=1)
    _mark_limits(axes, limit, entropy)
    axes.plot([_middle(x.input) for x in known], [_middle(x.label) for x in known], color=MUTED.light, linewidth=0.8)
    ends: list[tuple[float, float] | None] = []
    for layer, colour in zip(layers, depth_colours(len(layers)), strict=True):
        if _is_known(layer):
            _cross(axes, layer, colour, boxed=len(layers) <= NAMED_AT_MOST)
        ends.append((layer.input.high, _middle(layer.label)) if _is_known(layer) else None)
    name_lines(canvas, axes, names, ends)


def _is_known(layer: InformationLayer) -> bool:
    return all(math.isfinite(end) for bounds in (layer.input, layer.label) for end in (bounds.low, bounds.high))


def _middle(bounds: Bounds) -> float:
    return (bounds.low + bounds.high) / 2


def _mark_limits(axes: Axes, limit: float, entropy: float) -> None:
    """The shaded range where the number of samples sets the estimate, and the dashed line of the label's entropy."""
    start = limit - _SATURATED_BELOW
    low, high = axes.get_ylim()
    axes.add_patch(Rectangle((start, low), axes.get_xlim()[1] - start, high - low, color=TRACK.light, linewidth=0))
    axes.axvline(limit, color=MUTED.light, linewidth=1)
    axes.axhline(entropy, color=MUTED.light, linewidth=1, linestyle=(0, (5, 4)))
    axes.text(
        (start + limit) / 2, low + 0.03 * (high - low), "saturated", size=SMALL, color=MUTED.light, rotation=90,
        ha="center", va="bottom",
    )  # fmt: skip


def _cross(axes: Axes, layer: InformationLayer, colour: Colour, *, boxed: bool) -> None:
    """A line a pair of bounds, crossing in their middles, and the box of what is possible."""
    low, high = (layer.input.low, layer.label.low), (layer.input.high, layer.label.high)
    if boxed:
        sides = high[0] - low[0], high[1] - low[1]
        axes.add_patch(Rectangle(low, *sides, color=colour.light, alpha=0.1, linewidth=0))
    x, y = _middle(layer.input), _middle(layer.label)
    linewidth = 1.6 if boxed else 0.6
    axes.plot([low[0], high[0]], [y, y], color=colour.light, linewidth=linewidth)
    axes.plot([x, x], [low[1], high[1]], color=colour.light, linewidth=linewidth)
    axes.plot([x], [y], color=colour.light, marker="o", markersize=5)
