"""Images and labels as arrays, from a `.npz` file or from the user's own function.

Channels may come first, last or be left out: of `(N, a, b, c)` the last axis is the channels if it is 1, 3 or
4 and `a` is not; otherwise `a` is. `(N, H, W)` has one channel, `(N, features)` are vectors. Whole
numbers between 0 and 255 are bytes.
"""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import torch

from corank.errors import InputError
from corank.zoo.data.dataset import Dataset, Split, assemble
from corank.zoo.data.reason import reason

_CHANNELS = (1, 3, 4)
_DAMAGED = (OSError, ValueError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error)


def load_arrays(path: Path) -> Dataset:
    """A `.npz` with `x`, the images, and `y`, the labels; test and validation split by the hash of the index.

    Pickled objects are refused: a data file can never run code.

    Raises:
        InputError: a damaged file, a missing array, or arrays that are no images and labels.
    """
    try:
        names, arrays = _read_pair(path)
    except _DAMAGED as error:
        raise InputError(f"{path} cannot be read as .npz ({reason(error)}): save it again with np.savez") from error
    for name, what in (("x", "the images"), ("y", "the labels, whole numbers from 0,")):
        if name not in arrays:
            came = ", ".join(names) or "no arrays"
            raise InputError(f"{path} must hold x and y, {name} is missing among {came}: add {what} as {name}")
    return assemble(path.stem, as_split(str(path), arrays["x"], arrays["y"]))


def _read_pair(path: Path) -> tuple[list[str], dict[str, np.ndarray[Any, Any]]]:
    """The names of all arrays, and x and y as far as they are there."""
    with zipfile.ZipFile(path) as archive:
        names = [name.removesuffix(".npy") for name in archive.namelist()]
    with np.load(path, allow_pickle=False) as file:
        return names, {name: file[name] for name in ("x", "y") if name in names}


def as_split(source: str, x: Any, y: Any) -> Split:
    """Images and labels, as arrays or tensors, in the form of a split.

    Args:
        source: where they come from, for messages.
        x: `(N, C, H, W)`, `(N, H, W, C)`, `(N, H, W)` or `(N, features)`: whole numbers 0 to 255, or floating point.
        y: `(N,)` whole numbers from 0.

    Raises:
        InputError: another shape, type or range, with the first row that is wrong.

    Example:
        >>> as_split("here", np.zeros((4, 8, 8, 3), np.uint8), [0, 1, 0, 1]).images.shape
        torch.Size([4, 3, 8, 8])
    """
    images, labels = _array(x), _array(y)
    if images.ndim not in (2, 3, 4) or 0 in images.shape:
        raise InputError(
            f"x of {source} must be (N, C, H, W), (N, H, W, C), (N, H, W) or (N, features), got {images.shape}"
        )
    if labels.shape != images.shape[:1] or labels.dtype.kind not in "iu":
        came = f"{labels.shape} of {labels.dtype}"
        raise InputError(f"y of {source} must be ({len(images)},) whole numbers, one for each image, got {came}")
    if images.ndim == 3:
        images = images[:, None]
    elif images.ndim == 4 and images.shape[3] in _CHANNELS and images.shape[1] not in _CHANNELS:
        images = images.transpose(0, 3, 1, 2)
    stored = np.ascontiguousarray(_bytes_or_floats(source, images))
    try:
        return Split(torch.from_numpy(stored), torch.from_numpy(labels.astype(np.int64)))
    except InputError as error:
        raise InputError(f"{source}: {error}") from error


def _array(values: Any) -> np.ndarray[Any, Any]:
    return values.detach().cpu().numpy() if isinstance(values, torch.Tensor) else np.asarray(values)


def _bytes_or_floats(source: str, images: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    kind = images.dtype.kind
    if kind == "f":
        with np.errstate(over="ignore"):  # what is too large becomes infinite, and is refused as that
            return images.astype(np.float32, copy=False)
    if kind not in "iu":
        raise InputError(f"x of {source} must be whole numbers or floating point, got {images.dtype}")
    outside = ((images < 0) | (images > 255)).any(axis=tuple(range(1, images.ndim)))
    if outside.any():
        row = int(outside.argmax())
        came = int(images[row].min()) if images[row].min() < 0 else int(images[row].max())
        raise InputError(f"whole numbers in x of {source} must be 0 to 255, got {came} in row {row}")
    return images.astype(np.uint8, copy=False)
