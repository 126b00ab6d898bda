"""Lines coloured by depth, named at their ends: each by its layer while they are few, by a colour scale when many."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from corank.report.figures.figure import CHARACTER, FONT_SIZE, SMALL, Canvas
from corank.report.figures.labels import distinct, spread
from corank.report.palette import MUTED, depth_colours

NAMED_AT_MOST = 10
_NAMED_ON_SCALE = 6
_GAP = 1.35 * FONT_SIZE


def count_axis(canvas: Canvas, axes: Axes, longest: int) -> None:
    """A horizontal axis that counts (directions, epochs) from one up to the end of the longest line."""
    air = max(0.02 * longest, 0.2)
    axes.set_xlim(1 - air, longest + air)
    round_counts = MaxNLocator(nbins=4 if canvas.narrow else 8, steps=[1, 2, 5, 10]).tick_values(1, longest)
    axes.set_xticks([1, *(count for count in round_counts if count == int(count) and 1 < count <= longest)])


def name_limit(canvas: Canvas) -> int:
    """How many letters of a layer's name there is room for."""
    return 12 if canvas.narrow else 20


def right_margin(canvas: Canvas, names: Sequence[str]) -> float:
    """The room in pixels that the names beside the lines need."""
    return 34 + CHARACTER * max(map(len, distinct(names, name_limit(canvas))))


def height_of_names(names: int) -> float:
    """How many pixels so many names take, one below the other."""
    return _GAP * names


def name_lines(
    canvas: Canvas,
    axes: Axes,
    names: Sequence[str],
    ends: Sequence[tuple[float, float] | None],
    *,
    at_most: int = NAMED_AT_MOST,
) -> None:
    """Name the lines in the right margin.

    Args:
        canvas: the sheet.
        axes: with its limits set.
        names: of the layers by depth.
        ends: the last point of every line in data coordinates, None where there is no line.
        at_most: how many there is room to name, each; of more a scale of colours names some.
    """
    if len(names) > at_most:
        _scale(canvas, axes, names)
        return
    colours = depth_colours(len(names))
    short = distinct(names, name_limit(canvas))
    shown = [(place, end) for place, end in enumerate(ends) if end is not None]
    frame = axes.get_window_extent()
    feet = [canvas.pixels(axes, *end) for _, end in shown]
    heights = spread([y for _, y in feet], _GAP, frame.y0 + 4, frame.y1 - 4)
    for (place, _), (x, y), height in zip(shown, feet, heights, strict=True):
        elbow = frame.x1 + 16
        xs, ys = [x + 3, max(x + 3, frame.x1 + 2), elbow], [y, y, height]
        leader = Line2D(xs, ys, color=colours[place].light, linewidth=0.8, linestyle=(0, (1.5, 2)))
        leader.set_transform(None)
        canvas.drawing.add_artist(leader)
        _text(canvas, elbow + 4, height, short[place], colours[place].light, FONT_SIZE)


def _scale(canvas: Canvas, axes: Axes, names: Sequence[str]) -> None:
    """A strip of the colours from the first layer, above, to the last, with some names."""
    frame = axes.get_window_extent()
    height = frame.height / len(names)
    for place, colour in enumerate(depth_colours(len(names))):
        strip = Rectangle(
            (frame.x1 + 14, frame.y1 - (place + 1) * height), 8, height, color=colour.light, linewidth=0.5
        )
        strip.set_transform(None)
        canvas.drawing.add_artist(strip)
    short = distinct(names, name_limit(canvas))
    for number in range(_NAMED_ON_SCALE):
        place = round(number * (len(names) - 1) / (_NAMED_ON_SCALE - 1))
        middle = frame.y1 - (place + 0.5) * height
        _text(canvas, frame.x1 + 28, middle, short[place], MUTED.light, SMALL)


def _text(canvas: Canvas, x: float, y: float, text: str, colour: str, size: float) -> None:
    canvas.drawing.text(
        x / canvas.width, y / canvas.height, text, color=colour, size=size, ha="left", va="center_baseline"
    )
