"""A figure and how it is drawn: twice by the same function, wide for a screen and narrow for a phone.

Sizes are in pixels of the page: margins are given, not fitted, so that the picture does not depend on the fonts of
the machine that draws it. Drawing sees matplotlib's own defaults, never the user's settings.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure as Drawing

from corank.errors import InputError
from corank.report.figures.svg import svg_text
from corank.report.palette import INK, LINE, MUTED

WIDE, NARROW = 720, 360
FONT_SIZE = 12.5
SMALL = 11.5
CHARACTER = 0.58 * FONT_SIZE  # width of a letter, on the generous side for common sans-serif fonts
_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


@dataclass(frozen=True)
class Figure:
    """A picture with its explanation.

    Attributes:
        name: lower-case words joined by hyphens; the file and the anchor on the page.
        svg: the picture, a whole SVG document.
        caption: what is seen and how to read it, in plain words.
        svg_narrow: the same picture drawn for a phone; empty where the wide one is narrow enough.

    Raises:
        InputError: a name that cannot be a file and an anchor.

    Example:
        >>> Figure("Two words", "<svg/>", "")
        Traceback (most recent call last):
        corank.errors.InputError: a figure's name is lower-case words joined by hyphens, got 'Two words'
    """

    name: str
    svg: str
    caption: str
    svg_narrow: str = ""

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise InputError(f"a figure's name is lower-case words joined by hyphens, got {self.name!r}")


@dataclass(frozen=True)
class Canvas:
    """Where a figure is drawn: a sheet of `width` times `height` pixels."""

    drawing: Drawing
    width: int
    height: int

    @property
    def narrow(self) -> bool:
        """Whether this is the version for a phone."""
        return self.width < WIDE

    def axes(self, *, left: float, right: float, top: float, bottom: float, title: str = "", x: str = "") -> Axes:
        """Quiet axes with margins in pixels; `title` names the vertical axis and stands above it."""
        axes = self.drawing.add_axes(
            (
                left / self.width,
                bottom / self.height,
                (self.width - left - right) / self.width,
                (self.height - top - bottom) / self.height,
            )
        )
        axes.spines[["top", "right", "left"]].set_visible(False)
        axes.spines["bottom"].set_color(LINE.light)
        axes.tick_params(length=0, pad=6, labelsize=SMALL, labelcolor=MUTED.light, which="both")
        axes.grid(axis="y", color=LINE.light, linewidth=1)
        axes.set_axisbelow(True)
        if title:
            self.drawing.text(0, 1 - 6 / self.height, title, size=FONT_SIZE, color=INK.light, ha="left", va="top")
        if x:
            axes.set_xlabel(x, size=FONT_SIZE, color=INK.light, labelpad=7)
        return axes

    def pixels(self, axes: Axes, x: float, y: float) -> tuple[float, float]:
        """Where a data point lies on the sheet, in pixels from its lower left corner."""
        place = axes.transData.transform((x, y))
        return float(place[0]), float(place[1])


def draw_figure(
    name: str,
    draw: Callable[[Canvas], None],
    *,
    alt: str,
    caption: str,
    height: int = 400,
    narrow_height: int = 380,
) -> Figure:
    """Draw a figure in both widths.

    Args:
        name: see `Figure`.
        draw: puts the picture on a canvas.
        alt: one sentence for those who cannot see the picture.
        caption: see `Figure`.
        height: of the wide version, in pixels.
        narrow_height: of the narrow one.
    """
    wide = _drawn(draw, WIDE, height, f"figure-{name}", alt)
    narrow = _drawn(draw, NARROW, narrow_height, f"figure-{name}--narrow", alt)
    return Figure(name, wide, caption, narrow)


def _drawn(draw: Callable[[Canvas], None], width: int, height: int, ident: str, alt: str) -> str:
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams["text.parse_math"] = False  # a dollar in a layer's name is a dollar
        drawing = Drawing(figsize=(width / 72, height / 72), dpi=72)
        FigureCanvasSVG(drawing)
        draw(Canvas(drawing, width, height))
        return svg_text(drawing, ident, alt)
