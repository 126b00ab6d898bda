"""Accuracy against multiply-adds of the original network, of its cuts, before and after fine-tuning, and of others.

Every network is named beside its mark where there is room for all names; where there is not, marks are numbered
and a key stands below.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator

from corank.errors import InputError
from corank.report.figures.figure import CHARACTER, FONT_SIZE, SMALL, Canvas, Figure, draw_figure
from corank.report.figures.labels import Box, distinct, placed
from corank.report.figures.tradeoff import Tradeoff
from corank.report.format import SPACE, axis_count, percent, storage
from corank.report.palette import ACCENT, INK, MUTED, PAPER, SECOND, Colour

_LINE = 1.25 * FONT_SIZE
_KEY_LINE = 20.0


class Look(NamedTuple):
    """How a network is marked."""

    marker: str
    colour: Colour


_ORIGINAL, _CUT, _REDUCED = Look("D", INK), Look("o", ACCENT), Look("s", SECOND)


def cost_against_accuracy(rows: Sequence[Tradeoff], baseline: Tradeoff, *, reduced: Sequence[Tradeoff] = ()) -> Figure:
    """The figure `cost-against-accuracy`.

    Args:
        rows: the smaller networks.
        baseline: the original one, drawn as the line to be compared with.
        reduced: further smaller ones, of reduced order, which have a mark of their own.

    Raises:
        InputError: no smaller network.
    """
    if not rows and not reduced:
        raise InputError("the figure needs at least one smaller network, got 0")
    tuned = any(row.accuracy_untuned is not None for row in rows)
    return draw_figure(
        "cost-against-accuracy",
        lambda canvas: _draw(canvas, [baseline, *rows, *reduced], cuts=len(rows)),
        alt=f"Accuracy against multiply-adds of the original network and {len(rows) + len(reduced)} smaller ones",
        caption=(
            "What each smaller network costs to run and how often it is right; the sizes are what it takes to store. "
            "Dashed: the original network. Better is up and to the left."
            + (" An open circle is the network as it was cut, the filled one after fine-tuning." if tuned else "")
            + (" Squares are reduced-order networks, without any training." if reduced else "")
        ),
        height=420,
        narrow_height=360 + 12 * (len(rows) + len(reduced)),
    )


def _draw(canvas: Canvas, networks: Sequence[Tradeoff], cuts: int) -> None:
    names = distinct([row.name for row in networks], 24 if canvas.narrow else 34)
    facts = [f"{percent(row.accuracy)}, {storage(row.storage_bytes)}" for row in networks]
    looks = [_ORIGINAL, *[_CUT] * cuts, *[_REDUCED] * (len(networks) - 1 - cuts)]
    axes = _axes(canvas, networks, below=0)
    boxes = _free_places(canvas, axes, networks, names, facts)
    if boxes is None:
        canvas.drawing.clear()
        columns = 1 if canvas.narrow else 2
        lines = -(-len(networks) // columns)
        axes = _axes(canvas, networks, below=_KEY_LINE * lines + 8)
        _key(canvas, names, facts, looks, lines)
    for place, (row, look) in enumerate(zip(networks, looks, strict=True)):
        _mark(axes, row, place, look, numbered=boxes is None)
    for row, box, name, fact, look in zip(networks, boxes or [], names, facts, looks, strict=boxes is not None):
        _name(canvas, canvas.pixels(axes, row.multiply_adds, row.accuracy)[0], box, name, fact, look.colour)


def _axes(canvas: Canvas, networks: Sequence[Tradeoff], below: float) -> Axes:
    """The axes with the line of the original network, leaving some pixels `below`."""
    axes = canvas.axes(
        left=58, right=20, top=40, bottom=50 + below, title="test accuracy", x="multiply-adds for one sample"
    )
    low, high = _limits(networks)
    axes.set_ylim(low, high)
    axes.set_xlim(0, 1.08 * max([1, *(row.multiply_adds for row in networks)]))
    ticks = MaxNLocator(nbins=7, steps=[1, 2, 5, 10]).tick_values(low, high)
    axes.set_yticks([share for share in ticks if low <= share <= min(high, 1)])
    axes.xaxis.set_major_locator(MaxNLocator(nbins=4 if canvas.narrow else 8, steps=[1, 2, 5, 10]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda count, _: axis_count(count)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{round(100 * share, 6):g}{SPACE}%"))
    axes.axhline(networks[0].accuracy, color=MUTED.light, linewidth=1, linestyle=(0, (5, 4)), zorder=1)
    return axes


def _limits(networks: Sequence[Tradeoff]) -> tuple[float, float]:
    """The range of the accuracies with some air, above for names too; never less than some percentage points."""
    untuned = [row.accuracy_untuned for row in networks if row.accuracy_untuned is not None]
    accuracies = [*(row.accuracy for row in networks), *untuned]
    span = max(max(accuracies) - min(accuracies), 0.02)
    return min(accuracies) - 0.12 * span, max(accuracies) + 0.3 * span


def _mark(axes: Axes, row: Tradeoff, place: int, look: Look, *, numbered: bool) -> None:
    """A mark, joined to where the network stood before fine-tuning."""
    x, y = row.multiply_adds, row.accuracy
    colour = look.colour
    if row.accuracy_untuned is not None:
        axes.plot([x, x], [row.accuracy_untuned, y], color=colour.light, linewidth=1.4, zorder=2)
        axes.plot(
            [x], [row.accuracy_untuned], marker="o", markersize=8, color=colour.light, markerfacecolor=PAPER.light,
            markeredgewidth=1.6, zorder=3, clip_on=False,
        )  # fmt: skip
    size = (16 if numbered else 9) if place else 7
    axes.plot([x], [y], marker=look.marker, markersize=size, color=colour.light, zorder=4, clip_on=False)
    if numbered and place:
        axes.text(
            x, y, str(place), size=10, weight="bold", color=PAPER.light, ha="center", va="center_baseline", zorder=5
        )


def _free_places(
    canvas: Canvas, axes: Axes, networks: Sequence[Tradeoff], names: list[str], facts: list[str]
) -> list[Box] | None:
    """A place for two lines of text beside every mark, clear of all marks and of the original's line."""
    points = [canvas.pixels(axes, row.multiply_adds, row.accuracy) for row in networks]
    sizes = [(CHARACTER * max(len(name), len(fact)), 2 * _LINE) for name, fact in zip(names, facts, strict=True)]
    frame = axes.get_window_extent()
    line = points[0][1]
    taken = [Box(frame.x0, line - 1, frame.x1, line + 1)]
    for row, (x, y) in zip(networks, points, strict=True):
        start = y if row.accuracy_untuned is None else canvas.pixels(axes, 0, row.accuracy_untuned)[1]
        taken.append(Box(x - 7, min(y, start) - 7, x + 7, max(y, start) + 7))
    return placed(points, sizes, Box(frame.x0 + 4, frame.y0 + 2, canvas.width - 2, frame.y1), taken)


def _name(canvas: Canvas, x: float, box: Box, name: str, fact: str, colour: Colour) -> None:
    """A name, and below it accuracy and size; on the mark's side when beside it."""
    alignment = "left" if box.right > x else "right"
    across = (box.left if alignment == "left" else box.right) / canvas.width
    top = box.top - _LINE + 4
    canvas.drawing.text(
        across, top / canvas.height, name, size=FONT_SIZE, color=colour.light, ha=alignment, weight="bold"
    )
    canvas.drawing.text(across, (top - _LINE) / canvas.height, fact, size=SMALL, color=MUTED.light, ha=alignment)


def _key(canvas: Canvas, names: list[str], facts: list[str], looks: list[Look], lines: int) -> None:
    """What the numbers of the marks stand for, below the axes; the original is first."""
    for place, (name, fact, look) in enumerate(zip(names, facts, looks, strict=True)):
        x = 4 + (place // lines) * canvas.width / 2
        y = (_KEY_LINE * (lines - place % lines) - 12) / canvas.height
        sign = str(place) if place else "◆"
        canvas.drawing.text(x / canvas.width, y, sign, size=SMALL, color=look.colour.light, weight="bold")
        canvas.drawing.text((x + 22) / canvas.width, y, f"{name}:{SPACE}{fact}", size=SMALL, color=INK.light)
