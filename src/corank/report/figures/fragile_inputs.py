"""Inputs beside the nearest example of another class, what separates the two, and what is enough to fool a network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from corank.errors import InputError
from corank.report.figures.figure import CHARACTER, SMALL, Canvas, Figure, draw_figure
from corank.report.figures.labels import distinct
from corank.report.figures.pictures import is_picture, picture, shown, words_at
from corank.report.format import number
from corank.report.palette import INK, MUTED, SECOND

_HEAD, _WORDS, _GAP = 26, 38, 14  # pixels
_TITLES = ("input", "nearest other", "difference", "perturbation", "fooled")


@dataclass(frozen=True, kw_only=True, eq=False)
class FragilePicture:
    """An input in pixel space.

    Attributes:
        image: `(channels, height, width)` with one channel or three.
        nearest: the example of another class.
        perturbation: the smallest that was found.
        label: the class of the input.
        other: the class of the example.
        fooled: the class that the network sees in the perturbed input.
        distance: of the example.
        length: of the perturbation.
    """

    image: Tensor
    nearest: Tensor
    perturbation: Tensor
    label: str
    other: str
    fooled: str
    distance: float
    length: float


def fragile_inputs(name: str, rows: Sequence[FragilePicture], bounds: tuple[float, float], *, which: str) -> Figure:
    """The figure of the most or the least fragile inputs.

    Args:
        name: of the figure.
        rows: one an input, at least one.
        bounds: the values of pixels that are shown as black and as white.
        which: inputs these are, for the caption.

    Raises:
        InputError: no input, or images of neither one channel nor three.
    """
    if not rows or not is_picture(rows[0].image.shape):
        raise InputError("the figure needs images of one channel or three, got none")
    span = bounds[1] - bounds[0]
    largest = max(float(row.perturbation.abs().max()) for row in rows) or span
    return draw_figure(
        name,
        lambda canvas: _draw(canvas, rows, bounds, largest),
        alt=f"{len(rows)} inputs, the nearest example of another class, their difference and the perturbation",
        caption=(
            f"{which}. From left to right: the input, the nearest example of another class, what separates them with "
            "its length, the smallest perturbation found with its length, and the input with it and what the network "
            f"sees then. In the difference and the perturbation grey is nothing; black and white are {span:g} less and "
            f"more in the difference, {largest:.3g} in the perturbation."
        ),
        height=_height(len(rows), False),
        narrow_height=_height(len(rows), True),
    )


def _side(narrow: bool) -> int:
    return 62 if narrow else 120


def _height(count: int, narrow: bool) -> int:
    return _HEAD + count * (_side(narrow) + _WORDS + _GAP)


def _draw(canvas: Canvas, rows: Sequence[FragilePicture], bounds: tuple[float, float], largest: float) -> None:
    side = _side(canvas.narrow)
    across = (canvas.width - side) / (len(_TITLES) - 1)
    classes = list(dict.fromkeys(word for row in rows for word in (row.label, row.other, row.fooled)))
    names = dict(zip(classes, distinct(classes, max(3, int(across / CHARACTER) - 1)), strict=True))
    heads = ("input", "nearest", "difference", "perturbed", "fooled") if canvas.narrow else _TITLES
    for place, title in enumerate(heads):
        words_at(canvas, title, place * across + side / 2, _HEAD / 2, MUTED.light, size=SMALL)
    span = bounds[1] - bounds[0]
    for place, row in enumerate(rows):
        top = _HEAD + place * (side + _WORDS + _GAP)
        pictures = (
            (shown(row.image, *bounds), names[row.label], INK),
            (shown(row.nearest, *bounds), names[row.other], INK),
            (shown(row.nearest - row.image, -span, span), number(row.distance), INK),
            (shown(row.perturbation, -largest, largest), number(row.length), INK),
            (shown(row.image + row.perturbation, *bounds), names[row.fooled], SECOND),
        )
        for column, (pixels, words, colour) in enumerate(pictures):
            picture(canvas, pixels, column * across, top, side)
            words_at(canvas, words, column * across + side / 2, top + side + 16, colour.light)
