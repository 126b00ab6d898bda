"""What every attack asks of its inputs before it begins."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from corank.attack.victim import Victim
from corank.errors import InputError
from corank.measure.labelling import check_labels

Bounds = tuple[float, float]
"""The least and the largest value that an input may have."""


def check_samples(network: nn.Module, x: Tensor, labels: Tensor, bounds: Bounds | None) -> int:
    """Refuse samples that cannot be attacked, and networks that are not ready for it.

    Returns:
        How many classes the network has.

    Raises:
        InputError: no sample, other labels than one a sample or out of range, numbers that are not finite or not of
            the network's type, inputs outside the bounds, a network in training mode or one that does not return one
            row of logits a sample.
    """
    if len(x) == 0 or len(x) != len(labels):
        raise InputError(f"expected as many images as labels and at least one, got {len(x)} and {len(labels)}")
    if not x.is_floating_point():
        raise InputError(f"expected images of floating-point numbers, got {x.dtype}: convert them with .float()")
    if not torch.isfinite(x).all():
        raise InputError("images must be finite: some hold infinite numbers or none at all")
    check_bounds(x, bounds)
    if any(module.training for module in network.modules()):
        raise InputError(
            "the network is in training mode, in which dropout and batch norm change its answers: call .eval() first"
        )
    _check_types(network, x)
    logits = Victim(network).logits(x[:1])
    if logits.ndim != 2 or logits.shape[1] < 2:
        raise InputError(f"expected logits of shape (B, classes), got {tuple(logits.shape)} for one sample")
    check_labels(labels, logits.shape[1])
    return int(logits.shape[1])


def _check_types(network: nn.Module, x: Tensor) -> None:
    """Refuse inputs of another type, or elsewhere, than the network's first parameter."""
    first = next(network.parameters(), x)
    if first.is_floating_point() and first.dtype != x.dtype:
        raise InputError(f"images are {x.dtype} and the network's numbers {first.dtype}: convert one of them")
    if first.device != x.device:
        raise InputError(f"images are on {x.device} and the network on {first.device}: move one of them")


def check_bounds(x: Tensor, bounds: Bounds | None) -> None:
    """Refuse bounds that are none, and inputs outside them.

    Raises:
        InputError: naming the range of the inputs.
    """
    if bounds is None:
        return
    low, high = bounds
    if not -math.inf < low < high < math.inf:
        raise InputError(f"bounds must be a smaller and a larger number, both finite, got {bounds}")
    least, most = float(x.min()), float(x.max())
    if least < low or most > high:
        raise InputError(
            f"images must lie within the bounds {low:g} to {high:g}, these go from {least:.4g} to {most:.4g}: "
            "give the bounds of the space that they are in"
        )


def check_target(target: int | None, classes: int) -> None:
    """Refuse a target that is no class.

    Raises:
        InputError: it is not one of 0 below `classes`.
    """
    if target is not None and not 0 <= target < classes:
        raise InputError(f"target must be a class from 0 to {classes - 1}, got {target}")


def check_counts(**counts: int) -> None:
    """Refuse options that must be whole numbers of at least one.

    Raises:
        InputError: naming the first that is not.
    """
    for name, value in counts.items():
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise InputError(f"{name} must be a whole number of at least 1, got {value}")


def check_positive(**numbers: float) -> None:
    """Refuse options that must be positive and finite.

    Raises:
        InputError: naming the first that is not.
    """
    for name, value in numbers.items():
        if not 0 < value < math.inf:
            raise InputError(f"{name} must be positive and finite, got {value}")


def check_factors(**numbers: float) -> None:
    """Refuse options that must lie from 0 below 1.

    Raises:
        InputError: naming the first that does not.
    """
    for name, value in numbers.items():
        if not 0 <= value < 1:
            raise InputError(f"{name} must be at least 0 and below 1, got {value}")
