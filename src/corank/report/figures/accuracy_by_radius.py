"""Accuracy under attacks against how large their perturbations may be, and each image's worst case over all."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from matplotlib.lines import Line2D

from corank.attack.evaluation import Evaluation
from corank.attack.ledger import CLEAN, WORST, Robustness
from corank.report.figures.figure import FONT_SIZE, Canvas, Figure, draw_figure
from corank.report.figures.labels import distinct
from corank.report.figures.panels import share_heights
from corank.report.figures.rows import legend_mark
from corank.report.format import axis_number
from corank.report.palette import ACCENT, MUTED, depth_colours

_MARKERS = "os^Dv<>Pp*"
_LINE = 20  # pixels of the legend


def accuracy_by_radius(result: Evaluation) -> Figure:
    """The figure `accuracy-under-attack`."""
    attacks = _attacks(result)
    return draw_figure(
        "accuracy-under-attack",
        lambda canvas: _draw(canvas, result, attacks),
        alt=f"Accuracy on {result.samples:,} images under {len(attacks)} attacks at {len(result.radii)} radii",
        caption=(
            f"How many of {result.samples:,} images are still classified rightly under each attack, by the "
            f"{result.norm} radius that perturbations may have; at radius 0 without any. Thick: each image's worst "
            "case over all attacks, the number that counts, with its 95 % interval shaded. An attack above that line "
            "missed what another found. Lines join the radii that were tried; between them nothing is known."
        ),
        height=360 + _LINE * _lines(attacks, 4),
        narrow_height=340 + _LINE * _lines(attacks, 2),
    )


def _attacks(result: Evaluation) -> tuple[str, ...]:
    return tuple(dict.fromkeys(row.attack for row in result.robust_accuracy if row.attack not in (CLEAN, WORST)))


def _lines(attacks: Sequence[str], columns: int) -> int:
    return -(-(len(attacks) + 1) // columns)


def _draw(canvas: Canvas, result: Evaluation, attacks: Sequence[str]) -> None:
    columns = 2 if canvas.narrow else 4
    axes = canvas.axes(left=62, right=24, top=20 + _LINE * _lines(attacks, columns), bottom=52,
                       x=f"{result.norm} radius")  # fmt: skip
    (clean,) = result.of(CLEAN)
    handles = [Line2D([], [], color=ACCENT.light, linewidth=3, label="worst case")]
    colours = depth_colours(len(attacks) + 1)[1:]
    names = distinct(attacks, 19)
    for attack, name, colour, marker in zip(attacks, names, colours, itertools.cycle(_MARKERS), strict=False):
        xs, ys = _curve(clean, result.of(attack))
        axes.plot(xs, ys, color=colour.light, linewidth=1.2, marker=marker, markersize=4.5, clip_on=False)
        handles.append(legend_mark(name, colour, marker, linewidth=1.2))
    worst = (clean, *result.of(WORST))
    radii = [row.radius for row in worst]
    axes.fill_between(radii, [row.low for row in worst], [row.high for row in worst], color=ACCENT.light, alpha=0.18,
                      linewidth=0)  # fmt: skip
    axes.plot(radii, [row.accuracy for row in worst], color=ACCENT.light, linewidth=3, zorder=1.5)
    axes.set_xlim(0, 1.02 * result.radii[-1])
    axes.xaxis.set_major_formatter(lambda radius, _: axis_number(radius))
    share_heights(axes, 1.03)
    canvas.drawing.legend(
        handles=handles, loc="upper left", bbox_to_anchor=(0, 1 - 2 / canvas.height), ncols=columns, frameon=False,
        fontsize=FONT_SIZE, labelcolor=MUTED.light, handlelength=1.6, columnspacing=1.4, borderaxespad=0.3,
        labelspacing=0.35,
    )  # fmt: skip


def _curve(clean: Robustness, rows: Sequence[Robustness]) -> tuple[list[float], list[float]]:
    """From no perturbation to the largest; of an attack that was tried at one radius, that point alone."""
    points = rows if len(rows) == 1 else (clean, *rows)
    return [row.radius for row in points], [row.accuracy for row in points]
