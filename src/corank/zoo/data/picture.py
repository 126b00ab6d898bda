"""One image from a file, as the images of a data set are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image

from corank.errors import InputError
from corank.zoo.data.reason import reason


def read_picture(file: Path, shape: tuple[int, ...], bounds: tuple[float, float]) -> torch.Tensor:
    """Read an image file `(channels, height, width)` into the pixel space of a data set.

    Args:
        file: of any format that Pillow reads.
        shape: of the images of the data set, with one channel or three.
        bounds: black and white there.

    Raises:
        InputError: no such file, no readable image, or one of another size.
    """
    if len(shape) != 3 or shape[0] not in (1, 3):
        raise InputError(f"an image file needs data of images with one channel or three, these have the shape {shape}")
    try:
        with Image.open(file) as image:
            stored = np.asarray(image.convert("L" if shape[0] == 1 else "RGB"))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise InputError(f"{str(file)!r} is no readable image ({reason(error)}): name another") from error
    if stored.shape[:2] != tuple(shape[1:]):
        came = f"{stored.shape[1]}x{stored.shape[0]}"
        raise InputError(f"{str(file)!r} must be {shape[2]}x{shape[1]} as the data, got {came}: resize it first")
    pixels = torch.from_numpy(stored.copy()).reshape(shape[1], shape[2], -1).permute(2, 0, 1).float() / 255
    return bounds[0] + (bounds[1] - bounds[0]) * pixels
