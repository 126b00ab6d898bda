"""The candidates of a search within a budget: what each would take, and how well it would work.

Shapes tell what replaces the end of the network, open marks that pruning came first, so that methods stay apart
without colours.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from corank.compress.budget import LATENCY
from corank.compress.budgeted import Budgeted
from corank.compress.race.candidate import Candidate
from corank.report.figures.figure import FONT_SIZE, Canvas, Figure, draw_figure
from corank.report.figures.rows import row_legend
from corank.report.format import SPACE, axis_count
from corank.report.palette import ACCENT, INK, MUTED, SECOND, Colour

AXES = {
    "macs": "multiply-adds for one sample",
    "params": "parameters",
    "storage-mb": "storage in MB",
    "latency-ms": "milliseconds for one sample",
}
_MARKS = {
    "ASNet": ("o", ACCENT, True),
    "RON": ("s", SECOND, True),
    "pruning": ("^", MUTED, True),
    "pruning + ASNet": ("o", ACCENT, False),
    "pruning + RON": ("s", SECOND, False),
}  # shape, colour, whether it is filled
_SIZE = 7.0
_DASHES, _DOTS = (0, (5, 4)), (0, (1.5, 2))
_LINE = 20  # pixels of a line of the legend


class _Point(NamedTuple):
    amount: float
    accuracy: float


def candidates(result: Budgeted) -> Figure:
    """The figure `candidates`: accuracy against the budgeted quantity, or against multiply-adds without one."""
    tried = any(row.trial_accuracy is not None for row in result.candidates)
    limits = [
        *(["Upright line: the budget."] if result.limit is not None else []),
        *(["Dotted: the least accuracy that was asked for."] if result.max_drop is not None else []),
        *(["Thin upright lines: what a short trial training changed."] if tried else []),
    ]
    return draw_figure(
        "candidates",
        lambda canvas: _draw(canvas, result),
        alt=f"Accuracy of {len(result.candidates)} candidates against what they take; {result.chosen.name} was chosen",
        caption=" ".join(
            [
                f"Every mark is a network that a method would make. The ringed one was chosen: {result.chosen.name}. "
                "The stepped line joins those that no other beats in both. Better is up and to the left; the scale "
                "widens towards 100 %. Dashed: the accuracy of the original.",
                *limits,
            ]
        ),
        height=400,
        narrow_height=420,
    )


def _draw(canvas: Canvas, result: Budgeted) -> None:
    methods = [method for method in _MARKS if any(row.method == method for row in result.candidates)]
    columns = 2 if canvas.narrow else 4
    handles = _handles(result, methods)
    axes = _axes(canvas, result, legend_lines=-(-len(handles) // columns))
    _guides(axes, result)
    front = [_point(result, row) for row in result.front]
    amounts, errors = [point.amount for point in front], [_error(result, point.accuracy) for point in front]
    axes.step(amounts, errors, where="post", color=INK.light, linewidth=1, zorder=2)
    for row in result.candidates:
        amount, judged = _point(result, row)
        shape, colour, is_filled = _MARKS[row.method]
        if row.trial_accuracy is not None:
            errors = [_error(result, row.accuracy), _error(result, judged)]
            axes.plot([amount, amount], errors, color=colour.light, linewidth=0.9, zorder=2)
        axes.add_line(_mark(shape, colour, is_filled=is_filled, at=(amount, _error(result, judged))))
    amount, judged = _point(result, result.chosen)
    axes.add_line(_ring((amount, _error(result, judged))))
    whole = _whole(result)
    if whole is not None:
        axes.add_line(_mark("D", INK, at=(whole, _error(result, result.accuracy_original))))
    row_legend(canvas, handles, columns=columns)


def _axes(canvas: Canvas, result: Budgeted, legend_lines: int) -> Axes:
    below = 8 + _LINE * legend_lines
    quantity = result.target.quantity if result.target else "macs"
    axes = canvas.axes(left=58, right=20, top=below + 34, bottom=50, x=AXES[quantity])
    canvas.drawing.text(
        0, 1 - (below + 6) / canvas.height, f"accuracy on the {result.samples_judging:,} samples that judge",
        size=FONT_SIZE, color=INK.light, ha="left", va="top",
    )  # fmt: skip
    points = [_point(result, row) for row in result.candidates]
    amounts = [amount for amount in (*(point.amount for point in points), result.limit, _whole(result)) if amount]
    low, high = min(amounts, default=1.0), max(amounts, default=2.0)
    axes.set_xscale("log")
    axes.set_xlim(low / 1.3, high * 1.3)
    axes.xaxis.set_major_locator(LogLocator(subs=_subdivided(high / low, canvas), numticks=8))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda amount, _: axis_count(amount)))
    axes.xaxis.set_minor_formatter(NullFormatter())
    errors = [_error(result, share) for share in (result.accuracy_original, *(point.accuracy for point in points))]
    axes.set_yscale("log")
    axes.set_ylim(1.4 * max(errors), min(errors) / 1.4)  # accuracy grows upwards
    axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0), numticks=12))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda error, _: f"{round(100 * (1 - error), 6):g}{SPACE}%"))
    axes.yaxis.set_minor_formatter(NullFormatter())
    return axes


def _subdivided(span: float, canvas: Canvas) -> tuple[float, ...]:
    """Which parts of a power of ten are named on a scale from one to `span`."""
    if span < 6:
        return (1.0, 2.0, 3.0, 5.0) if canvas.narrow else (1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0)
    return (1.0, 2.0, 5.0) if span < (15 if canvas.narrow else 200) else (1.0,)


def _guides(axes: Axes, result: Budgeted) -> None:
    """The original's accuracy, the least that may be left of it, and the budget."""
    axes.axhline(_error(result, result.accuracy_original), color=MUTED.light, linewidth=1, linestyle=_DASHES, zorder=1)
    if result.max_drop is not None:
        least = result.accuracy_original - result.max_drop / 100
        axes.axhline(_error(result, least), color=MUTED.light, linewidth=1, linestyle=_DOTS, zorder=1)
    if result.limit is not None:
        axes.axvline(result.limit, color=MUTED.light, linewidth=1.6, zorder=1)


def _handles(result: Budgeted, methods: Sequence[str]) -> list[Line2D]:
    handles = [_mark(*_MARKS[method][:2], is_filled=_MARKS[method][2], label=method) for method in methods]
    handles += [_ring(label="chosen")]
    if _whole(result) is not None:
        handles.append(_mark("D", INK, label="original"))
    handles.append(Line2D([], [], color=INK.light, linewidth=1, label="front"))
    if result.limit is not None:
        handles.append(Line2D([], [], color=MUTED.light, marker="|", markersize=13, linewidth=0, label="budget"))
    return handles


def _mark(
    shape: str, colour: Colour, *, is_filled: bool = True, at: tuple[float, float] | None = None, label: str = ""
) -> Line2D:
    """The mark of a method, at a place or in the legend."""
    x, y = ([], []) if at is None else ([at[0]], [at[1]])
    return Line2D(
        x, y, color=colour.light, linewidth=0, marker=shape, markersize=_SIZE, markeredgewidth=1.5,
        markerfacecolor=colour.light if is_filled else "none", zorder=3, clip_on=at is None, label=label,
    )  # fmt: skip


def _ring(at: tuple[float, float] | None = None, label: str = "") -> Line2D:
    x, y = ([], []) if at is None else ([at[0]], [at[1]])
    size = 1.5 * _SIZE if at is None else 2.4 * _SIZE
    return Line2D(
        x, y, color=INK.light, linewidth=0, marker="o", markersize=size, markerfacecolor="none", markeredgewidth=1.5,
        zorder=4, clip_on=at is None, label=label,
    )  # fmt: skip


def _point(result: Budgeted, row: Candidate) -> _Point:
    """Where a candidate stands."""
    return _Point(result.amount(row), row.judged)


def _error(result: Budgeted, accuracy: float) -> float:
    """The share of wrong answers, by whose logarithm accuracies are drawn; none is taken for half an answer."""
    return max(1 - accuracy, 0.5 / result.samples_judging)


def _whole(result: Budgeted) -> float | None:
    """What the original network takes; None where it was not measured."""
    if result.target is None:
        return result.original.multiply_adds
    if result.target.quantity != LATENCY:
        return result.target.amount(result.original)
    return result.limit * result.target.limit if result.target.is_ratio and result.limit is not None else None
