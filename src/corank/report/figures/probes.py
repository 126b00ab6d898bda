"""What a linear classifier reaches from a layer: from all its features, and from a few directions of it.

Cui et al. 2020, Active Subspace of Neural Networks, sec. 5.1.2 and Fig. 5b.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from matplotlib.lines import Line2D

from corank.measure import FeatureProbes, ProbeLayer
from corank.report.figures.figure import Canvas, Figure, draw_figure
from corank.report.figures.rows import legend_mark, row_axes, row_legend, rows_height, shares_axis
from corank.report.palette import ACCENT, INK, MUTED, SECOND, Colour

Kind = tuple[str, str, Callable[[ProbeLayer], float], Colour, str]
_KINDS: tuple[Kind, ...] = (
    ("all features", "all features", lambda layer: layer.all_features, INK, "o"),
    ("active directions", "active", lambda layer: layer.active, ACCENT, "s"),
    ("principal directions", "principal", lambda layer: layer.principal, SECOND, "^"),
)
_DASHES, _DOTS = (0, (5, 4)), (0, (1.5, 2))


def probes(result: FeatureProbes) -> Figure:
    """The figure `probes`: accuracies of the linear classifiers by layer, with the network's own and chance."""
    height = rows_height(len(result.layers), legend_lines=2)
    most = max(layer.rank for layer in result.layers)
    return draw_figure(
        "probes",
        lambda canvas: _draw(canvas, result.layers),
        alt=f"Accuracy of linear classifiers on the features of {len(result.layers)} layers",
        caption=(
            f"How often a linear classifier is right that sees one layer only, on {result.samples:,} samples in "
            f"{result.folds} folds: all of its features, at most {most} directions that the loss depends on, or as "
            "many in which the activations are largest. Dashed: the network itself. Dotted: always naming the most "
            "frequent class."
        ),
        height=height,
        narrow_height=height,
    )


def _draw(canvas: Canvas, layers: Sequence[ProbeLayer]) -> None:
    axes = row_axes(canvas, [layer.layer for layer in layers], x="accuracy", legend_lines=2)
    shares_axis(canvas, axes)
    ends = [-0.5, *(place + 0.5 for place in range(len(layers)))]
    for level, dashes in (([layer.network for layer in layers], _DASHES), ([layer.chance for layer in layers], _DOTS)):
        axes.step([level[0], *level], ends, where="pre", color=MUTED.light, linewidth=1.2, linestyle=dashes, zorder=1)
    for _, _, value_of, colour, marker in _KINDS:
        values = [value_of(layer) for layer in layers]
        axes.plot(values, range(len(layers)), color=colour.light, linewidth=0.8, alpha=0.5, zorder=2)
        axes.plot(
            values, range(len(layers)), color=colour.light, linewidth=0, marker=marker, markersize=5.5, zorder=3,
            clip_on=False,
        )  # fmt: skip
    handles = [
        legend_mark(short if canvas.narrow else long, colour, marker) for long, short, _, colour, marker in _KINDS
    ]
    handles += [
        Line2D([], [], color=MUTED.light, linewidth=1.2, linestyle=dashes, label=label)
        for label, dashes in (("the network", _DASHES), ("chance", _DOTS))
    ]
    row_legend(canvas, handles, columns=3)
