"""Inputs beside the points that they are compared with: the nearest example of another class, or any images given."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from corank.errors import InputError
from corank.linalg import nearest_of_another_class
from corank.measure.base import Batches, OnDevice


@dataclass(frozen=True, kw_only=True)
class Pairs:
    """Straight paths, each from an input to a point of another class.

    Attributes:
        starts: `(P, ...)` the inputs.
        ends: `(P, ...)` where the paths end.
        start_classes: `(P,)`, int64.
        end_classes: `(P,)`, int64.
        end_indices: `(P,)` where the end points stand in the data that they were found in; None where they were given.

    Raises:
        InputError: tensors that do not belong together, numbers that are not finite, a path within one class, or one
            whose two ends are the same image.

    Example:
        >>> Pairs(
        ...     starts=torch.zeros(1, 2), ends=torch.zeros(1, 2), start_classes=torch.tensor([3]),
        ...     end_classes=torch.tensor([5]),
        ... )
        Traceback (most recent call last):
        corank.errors.InputError: input 0 is the same in the classes 3 and 5: one of the labels must be wrong
    """

    starts: Tensor
    ends: Tensor
    start_classes: Tensor
    end_classes: Tensor
    end_indices: Tensor | None = None

    def __post_init__(self) -> None:
        if self.starts.ndim < 2 or self.starts.shape != self.ends.shape or not self.starts.is_floating_point():
            came = f"{tuple(self.starts.shape)} of {self.starts.dtype} and {tuple(self.ends.shape)}"
            raise InputError(f"starts and ends must be floating point of one shape (P, ...), got {came}")
        for name in ("start_classes", "end_classes"):
            classes: Tensor = getattr(self, name)
            if classes.shape != self.starts.shape[:1] or classes.dtype != torch.int64:
                came = f"{tuple(classes.shape)} of {classes.dtype}"
                raise InputError(f"{name} must be ({len(self.starts)},) of int64, got {came}")
        if not len(self):
            raise InputError("at least one pair is needed, got 0")
        for name in ("starts", "ends"):
            place = _first(~getattr(self, name).flatten(1).isfinite().all(1))
            if place is not None:
                raise InputError(f"{name} must be finite, that of pair {place} is not: drop or repair it")
        if (place := _first(self.start_classes == self.end_classes)) is not None:
            raise InputError(
                f"a path must lead to another class, both ends of pair {place} are of class "
                f"{int(self.start_classes[place])}"
            )
        if (place := _first((self.starts == self.ends).flatten(1).all(1))) is not None:
            both = f"{int(self.start_classes[place])} and {int(self.end_classes[place])}"
            raise InputError(f"input {place} is the same in the classes {both}: one of the labels must be wrong")

    def __len__(self) -> int:
        return len(self.starts)

    def check_bounds(self, low: float, high: float) -> None:
        """Refuse images outside the range of the data.

        Raises:
            InputError: a pixel outside.
        """
        for name in ("starts", "ends"):
            images: Tensor = getattr(self, name)
            place = _first(((images < low) | (images > high)).flatten(1).any(1))
            if place is not None:
                least, most = images[place].min(), images[place].max()
                raise InputError(
                    f"pixels must lie in [{low:g}, {high:g}], those of pair {place} in {name} reach from "
                    f"{float(least):.4g} to {float(most):.4g}: images belong into the pixel space of the data"
                )


def nearest_pairs(images: Tensor, labels: Tensor, reference: Batches, *, target: int | None = None) -> Pairs:
    """Each image beside the nearest example of another class.

    Args:
        images: `(P, ...)` in pixel space.
        labels: `(P,)` their classes.
        reference: batches `(x, y)` to search in, gone through once; the images themselves may be among them.
        target: the class to search in; by default all but an image's own.

    Raises:
        InputError: images that the reference does not fit, one class only, an image of the target class, or an image
            that stands in the reference under another class too.

    Example:
        >>> x, y = torch.tensor([[0.0, 0.0], [0.0, 2.0], [3.0, 0.0]]), torch.tensor([0, 1, 1])
        >>> pairs = nearest_pairs(x, y, [(x, y)])
        >>> pairs.end_indices.tolist()
        [1, 0, 0]
    """
    if images.ndim < 2 or labels.shape != images.shape[:1]:
        raise InputError(f"images must be (P, ...) with P labels, got {tuple(images.shape)} and {tuple(labels.shape)}")
    if target is not None and (place := _first(labels == target)) is not None:
        raise InputError(f"a path must lead to another class, image {place} is of the target class {target}")
    flat = ((x.flatten(1), y) for x, y in OnDevice(reference, images.device))
    found = nearest_of_another_class(images.flatten(1), labels, flat, target=target)
    return Pairs(
        starts=images,
        ends=found.rows.reshape(images.shape),
        start_classes=labels,
        end_classes=found.labels,
        end_indices=found.indices,
    )


def _first(is_wrong: Tensor) -> int | None:
    """The first place where something is wrong, None where nothing is."""
    return int(is_wrong.nonzero()[0]) if bool(is_wrong.any()) else None
