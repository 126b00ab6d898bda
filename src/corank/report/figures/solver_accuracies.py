"""Accuracy of a neural ODE against how often its field is evaluated, a line a solver (Daulbaev's thesis, Fig. 3.1)."""

from __future__ import annotations

import itertools

from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

from corank.ode.smoothness import Smoothness, SolverAccuracy
from corank.report.figures.figure import Canvas, Figure, draw_figure
from corank.report.figures.rows import legend_mark, row_legend
from corank.report.format import SPACE, percent
from corank.report.palette import ACCENT, INK, LINE, MUTED, SECOND, Colour

_STYLES: tuple[tuple[Colour, str], ...] = ((ACCENT, "o"), (SECOND, "s"), (MUTED, "^"))


def solver_accuracies(result: Smoothness) -> Figure:
    """The figure `solver-accuracies`."""
    return draw_figure(
        "solver-accuracies",
        lambda canvas: _draw(canvas, result),
        alt=f"Accuracy with stronger solvers, at worst {percent(result.worst.accuracy)}, trained with "
        f"{result.trained.solver} {percent(result.trained.accuracy)}",
        caption=(
            "How often the network is right when its blocks are solved with more evaluations of the field than in its "
            f"training (the diamond, {result.trained.solver}). Shaded: drops within the tolerance of "
            f"{percent(result.tolerance)}. Lines that stay there speak for a smooth system that the blocks have "
            "learnt; lines that fall, for errors of the solver that the network relies on."
        ),
    )


def _draw(canvas: Canvas, result: Smoothness) -> None:
    axes = canvas.axes(left=62, right=24, top=48, bottom=52, title="", x="evaluations of the field in one solve")
    trained = result.trained
    axes.axhspan(trained.accuracy - result.tolerance, trained.accuracy, color=LINE.light, alpha=0.7, linewidth=0)
    axes.axhline(trained.accuracy, color=INK.light, linewidth=1, linestyle=(0, (4, 3)), zorder=1)
    handles = [legend_mark(f"{trained.solver}, trained with", INK, "D")]
    lines = _by_solver(result)
    for (name, rows), (colour, marker) in zip(lines.items(), itertools.cycle(_STYLES), strict=False):
        xs, ys = [row.evaluations for row in rows], [row.accuracy for row in rows]
        axes.plot(xs, ys, color=colour.light, linewidth=1.6, marker=marker, markersize=5, clip_on=False)
        handles.append(legend_mark(name, colour, marker, linewidth=1.6))
    axes.plot(trained.evaluations, trained.accuracy, color=INK.light, marker="D", markersize=6, clip_on=False)
    counts = sorted({trained.evaluations, *(row.evaluations for row in result.stronger)})
    axes.set_xscale("log", base=2)
    axes.set_xlim(counts[0] / 1.15, counts[-1] * 1.15)
    axes.xaxis.set_major_locator(FixedLocator(counts))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda count, _: f"{count:.3g}"))
    axes.yaxis.set_major_locator(MaxNLocator(nbins=6, steps=[1, 2, 5, 10]))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{100 * share:.4g}{SPACE}%"))
    axes.margins(y=0.1)
    row_legend(canvas, handles, columns=2 if canvas.narrow else 4)


def _by_solver(result: Smoothness) -> dict[str, list[SolverAccuracy]]:
    found: dict[str, list[SolverAccuracy]] = {}
    for row in result.stronger:
        found.setdefault(row.solver, []).append(row)
    return found
