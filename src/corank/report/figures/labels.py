"""Short names that stay distinct, and where labels go so that none covers another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import isotonic_regression

ELLIPSIS = "…"
_NEAREST, _FARTHEST = 9.0, 15.0  # pixels between a point and its label
_STEP = 2.0


def shortened(name: str, limit: int) -> str:
    """A name of at most `limit` characters: its middle gives way, its ends tell names apart.

    Example:
        >>> shortened("layer3.17.conv2", 20), shortened("encoder.layers.11.mlp.fc1", 13)
        ('layer3.17.conv2', 'encode…lp.fc1')
    """
    if len(name) <= limit:
        return name
    tail = (limit - 1) // 2
    return name[: limit - 1 - tail] + ELLIPSIS + name[len(name) - tail :]


def distinct(names: Sequence[str], limit: int) -> list[str]:
    """Printable names of at most `limit` characters that stay apart: what all have in common gives way first.

    Names that cannot be told apart so are numbered.

    Example:
        >>> distinct(["conv1", "conv2"], 12)
        ['conv1', 'conv2']
        >>> distinct(["encoder.layers.0.attention.proj", "encoder.layers.11.attention.proj"], 12)
        ['…0…', '…11…']
        >>> distinct(["a" * 20 + "b" + "a" * 20, "a" * 20 + "c" + "a" * 30, "d" + "a" * 40], 12)
        ['1: aaaa…aaaa', '2: aaaa…aaaa', '3: daaa…aaaa']
    """
    shown = [_printable(name) for name in names]
    parts = shown if max(map(len, shown)) <= limit else _without_common(shown, limit)
    short = [shortened(part, limit) for part in parts]
    if len(set(short)) == len(set(names)):
        return short
    heads = [f"{number}: " for number in range(1, len(names) + 1)]
    return [head + shortened(name, limit - len(head)) for head, name in zip(heads, shown, strict=True)]


def _printable(name: str) -> str:
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in name)


def _without_common(names: list[str], limit: int) -> list[str]:
    """The names without the start that all share, and without the end if that is not enough."""
    start = _common(names)
    if len(set(names)) == 1 or start < 2:
        return names
    parts = [ELLIPSIS + name[start:] for name in names]
    end = _common([part[:0:-1] for part in parts])
    if end < 2 or max(map(len, parts)) <= limit:
        return parts
    return [part[: len(part) - end] + ELLIPSIS for part in parts]


def _common(names: Sequence[str]) -> int:
    """How many first letters all names share."""
    first, last = min(names), max(names)
    return next((place for place, letter in enumerate(first) if letter != last[place]), len(first))


def spread(places: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Move places apart to a distance of at least `gap`, between `low` and `high`, as little as possible.

    The least-squares solution: without the gaps it is an isotonic regression, and bounds only clip it. If there is
    no room for all, the gap is what fits.

    Example:
        >>> spread([1.0, 1.0, 8.0], gap=2.0, low=0.0, high=10.0)
        [0.0, 2.0, 8.0]
    """
    if not places:
        return []
    order = np.argsort(places, kind="stable")
    steps = min(gap, (high - low) / max(len(places) - 1, 1)) * np.arange(len(places))
    fitted = isotonic_regression(np.asarray(places, dtype=float)[order] - steps).x
    moved = np.empty(len(places))
    moved[order] = np.clip(fitted, low, high - steps[-1]) + steps
    return [float(place) for place in moved]


@dataclass(frozen=True)
class Box:
    """A rectangle on the sheet, in pixels."""

    left: float
    bottom: float
    right: float
    top: float


def placed(
    points: Sequence[tuple[float, float]], sizes: Sequence[tuple[float, float]], room: Box, taken: Sequence[Box]
) -> list[Box] | None:
    """A free place close to every point for its label, rather to its right; None where one finds no place.

    Args:
        points: in pixels.
        sizes: width and height of the labels, in pixels.
        room: where labels may be.
        taken: where they may not be.

    Example:
        >>> placed([(10, 50)], [(40, 12)], Box(0, 0, 100, 100), [])
        [Box(left=19.0, bottom=44.0, right=59.0, top=56.0)]
        >>> placed([(10, 50)], [(40, 12)], Box(0, 0, 100, 100), [Box(0, 30, 100, 70)]) is None
        True
    """
    boxes: list[Box] = []
    for (x, y), (width, height) in zip(points, sizes, strict=True):
        corners = _corners(x, y, width, height, room)
        for box in [*taken, *boxes]:
            corners = corners[~_covered(corners, width, height, box)]
        if not len(corners):
            return None
        left, bottom = corners[int(np.argmin(_costs(corners, x, y, width, height)))].tolist()
        boxes.append(Box(left, bottom, left + width, bottom + height))
    return boxes


def _corners(x: float, y: float, width: float, height: float, room: Box) -> NDArray[np.float64]:
    """The lower left corners, `(N, 2)`, of all places in the room that are near the point but not on it."""
    lefts = np.arange(x - width - _NEAREST, x + _FARTHEST, _STEP)
    lefts = np.append(lefts, x + _NEAREST)
    bottoms = np.arange(y - height / 2 - _STEP * (height // 2 + 7), y + _FARTHEST, _STEP)
    corners = np.stack(np.meshgrid(lefts, bottoms), axis=-1).reshape(-1, 2)
    away = _away(corners, x, y, width, height)
    fits = (corners >= (room.left, room.bottom)).all(1)
    fits &= (corners <= (room.right - width, room.top - height)).all(1)
    return np.asarray(corners[fits & (away >= _NEAREST) & (away <= _FARTHEST)])


def _away(corners: NDArray[np.float64], x: float, y: float, width: float, height: float) -> NDArray[np.float64]:
    """How far each place is from the point, edge to point."""
    across = np.clip(x, corners[:, 0], corners[:, 0] + width) - x
    upwards = np.clip(y, corners[:, 1], corners[:, 1] + height) - y
    return np.asarray(np.hypot(across, upwards))


def _costs(corners: NDArray[np.float64], x: float, y: float, width: float, height: float) -> NDArray[np.float64]:
    """What is worse about a place: distance, another side than the right, its centre off the point's height."""
    off_centre = np.abs(corners[:, 1] + height / 2 - y)
    return _away(corners, x, y, width, height) + np.where(corners[:, 0] > x, 0.0, 6.0) + 0.2 * off_centre


def _covered(corners: NDArray[np.float64], width: float, height: float, box: Box) -> NDArray[np.bool_]:
    """Which places would overlap the box."""
    across = (corners[:, 0] < box.right) & (corners[:, 0] + width > box.left)
    upwards = (corners[:, 1] < box.top) & (corners[:, 1] + height > box.bottom)
    return np.asarray(across & upwards)
