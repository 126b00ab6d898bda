"""Images, the perturbation that is added to each, and what comes out, with the classes that the network sees.

Cui et al. 2020, Active Subspace of Neural Networks, Fig. 7.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from corank.errors import InputError
from corank.report.figures.figure import CHARACTER, Canvas, Figure, draw_figure
from corank.report.figures.labels import distinct
from corank.report.figures.pictures import is_picture, picture, shown, words_at
from corank.report.palette import INK, MUTED, SECOND

_PICTURE, _SIGN, _WORDS, _GAP = 96, 20, 22, 16  # pixels
_WIDTH = 3 * _PICTURE + 2 * _SIGN
_LETTERS = int(_PICTURE / CHARACTER) - 2


@dataclass(frozen=True, kw_only=True, eq=False)
class Triptych:
    """An image before and after a perturbation, in pixel space.

    Attributes:
        image: `(channels, height, width)` with one channel or three.
        perturbation: of the same shape.
        before: the class that the network sees in the image.
        after: the class that it sees in the perturbed one.
    """

    image: Tensor
    perturbation: Tensor
    before: str
    after: str


def triptychs(rows: Sequence[Triptych], bounds: tuple[float, float]) -> Figure:
    """The figure `triptychs`.

    Args:
        rows: one an image, at least one.
        bounds: the values of pixels that are shown as black and as white.

    Raises:
        InputError: no image, or images of neither one channel nor three.
    """
    wrong = [str(tuple(row.image.shape)) for row in rows if not is_picture(row.image.shape)]
    if not rows or wrong:
        raise InputError(f"the figure needs images of one channel or three, got {wrong[0] if wrong else 'none'}")
    largest = max(float(row.perturbation.abs().max()) for row in rows)
    return draw_figure(
        "triptychs",
        lambda canvas: _draw(canvas, rows, bounds, largest),
        alt=f"{len(rows)} images, the perturbation that is added, and the perturbed images, with the classes seen",
        caption=(
            "Left the image, in the middle the perturbation, the same for all, right their sum; below, what the "
            f"network sees. In the perturbation grey is nothing; black and white are {largest:.3g} less and more, in "
            f"pixels from {bounds[0]:g} to {bounds[1]:g}. The sum is shown within these."
        ),
        height=_height(len(rows), 2),
        narrow_height=_height(len(rows), 1),
    )


def _height(count: int, columns: int) -> int:
    return -(-count // columns) * (_PICTURE + _WORDS + _GAP)


def _draw(canvas: Canvas, rows: Sequence[Triptych], bounds: tuple[float, float], largest: float) -> None:
    columns = 1 if canvas.narrow else 2
    classes = list(dict.fromkeys(word for row in rows for word in (row.before, row.after)))
    short = dict(zip(classes, distinct(classes, _LETTERS), strict=True))
    for place, row in enumerate(rows):
        line, column = divmod(place, columns)
        left = column * (canvas.width - _WIDTH) if columns > 1 else (canvas.width - _WIDTH) // 2
        top = line * (_PICTURE + _WORDS + _GAP)
        pictures = (
            shown(row.image, *bounds),
            shown(row.perturbation, -largest, largest),
            shown(row.image + row.perturbation, *bounds),
        )
        for number, pixels in enumerate(pictures):
            picture(canvas, pixels, left + number * (_PICTURE + _SIGN), top, _PICTURE)
        for number, sign in enumerate("+=", start=1):
            between = left + number * (_PICTURE + _SIGN) - _SIGN / 2
            words_at(canvas, sign, between, top + _PICTURE / 2, MUTED.light)
        colour = (INK if row.after == row.before else SECOND).light
        for word, number, own in ((row.before, 0, INK.light), (row.after, 2, colour)):
            middle = left + number * (_PICTURE + _SIGN) + _PICTURE / 2
            words_at(canvas, short[word], middle, top + _PICTURE + _WORDS / 2, own)
