"""Images on a sheet, pixel by pixel, with words beside them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray
from torch import Tensor

from corank.report.figures.figure import FONT_SIZE, Canvas

Pixels = NDArray[np.uint8]


def is_picture(shape: Sequence[int]) -> bool:
    """Whether images of such a shape can be shown."""
    return len(shape) == 3 and shape[0] in (1, 3)


def shown(pixels: Tensor, low: float, high: float) -> Pixels:
    """`(height, width, 3)` bytes, black at the low value and white at the high one."""
    scaled = (pixels.detach().cpu().double() - low) / ((high - low) or 1.0)
    seen = (255 * scaled.clamp(0, 1)).round().byte().permute(1, 2, 0).numpy()
    return np.broadcast_to(seen, (*seen.shape[:2], 3)) if seen.shape[2] == 1 else seen


def picture(canvas: Canvas, pixels: Pixels, left: float, top: float, side: float) -> None:
    """A square picture, its corner so many pixels from the upper left one of the sheet."""
    bottom = canvas.height - top - side
    axes: Axes = canvas.drawing.add_axes(
        (left / canvas.width, bottom / canvas.height, side / canvas.width, side / canvas.height)
    )
    axes.set_axis_off()
    axes.imshow(pixels, interpolation="none")


def words_at(
    canvas: Canvas, text: str, x: float, y: float, colour: str, *, size: float = FONT_SIZE, side: str = "center"
) -> None:
    """Words around a place, counted from the upper left corner of the sheet; `side` is where that place is in them."""
    canvas.drawing.text(
        x / canvas.width, 1 - y / canvas.height, text, color=colour, size=size, ha=side, va="center_baseline"
    )
