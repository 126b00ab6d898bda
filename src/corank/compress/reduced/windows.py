"""Which numbers a max-pooling takes the maximum of: the windows of chosen outputs, as places in its input.

Daulbaev, "Applications of Differential Equations and Reduced-Order Modeling for Deep Learning", section 5.3.2:
a pooled value is sampled by taking all the indices of its window and pooling after sampling.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, fx

from corank.compress.reduced.operations import POOLING
from corank.compress.reduced.stages import Stage
from corank.network.layers import kind_of


def window_sizes(stage: Stage) -> list[int]:
    """How many numbers each of the stage's steps makes one of: the windows of poolings, 1 for an activation."""
    return [_size(step) if kind_of(step) in POOLING else 1 for step in stage.steps]


def sampled_inputs(stage: Stage, rows: Tensor) -> Tensor:
    """The places in a stage's source of which chosen outputs are made.

    Args:
        stage: with its activations and poolings.
        rows: `(P,)` places in the flattened end.

    Returns:
        `(P, W)` places in the flattened source. Taken in this order, every pooling of the stage takes the maximum of
        neighbours; windows that the border cuts off name one of their places several times.
    """
    shapes = [stage.shape_in]
    for step in stage.steps:
        shapes.append(_pooled(step, shapes[-1]) if kind_of(step) in POOLING else shapes[-1])
    places = rows[:, None]
    for step, shape, pooled in reversed(list(zip(stage.steps, shapes, shapes[1:], strict=False))):
        if kind_of(step) in POOLING:
            places = _windows(step, places, shape, pooled).flatten(1)
    return places


def _size(pooling: fx.Node) -> int:
    return math.prod(_arguments(pooling)[0])


def _arguments(pooling: fx.Node) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    """Kernel, stride, padding and dilation of a max-pooling, a number a dimension."""
    dimensions = int(kind_of(pooling)[-2])
    given: dict[str, Any] = {"stride": [], "padding": 0, "dilation": 1}
    names = ("input", "kernel_size", "stride", "padding", "dilation", "ceil_mode")
    given.update(zip(names, pooling.args, strict=False))
    given.update(pooling.kwargs)
    kernel = _each_way(given["kernel_size"], dimensions)
    stride = _each_way(given["stride"], dimensions) or kernel
    return kernel, stride, _each_way(given["padding"], dimensions), _each_way(given["dilation"], dimensions)


def _each_way(value: int | Sequence[int], dimensions: int) -> tuple[int, ...]:
    numbers = (value,) if isinstance(value, int) else tuple(value)
    return numbers * dimensions if len(numbers) == 1 else numbers


def _windows(pooling: fx.Node, places: Tensor, shape: tuple[int, ...], pooled: tuple[int, ...]) -> Tensor:
    """The places in the input of each window: `(*places.shape, W)`."""
    kernel, stride, padding, dilation = _arguments(pooling)
    around = places  # in the end the number among all dimensions in front of the image
    corners: list[Tensor] = []
    for axis in reversed(range(len(kernel))):
        length = pooled[len(pooled) - len(kernel) + axis]
        corners.insert(0, around % length * stride[axis] - padding[axis])
        around = around // length
    image = shape[-len(kernel) :]
    found = around[..., None]
    for axis, length in enumerate(image):
        taps = corners[axis][..., None] + torch.arange(kernel[axis]) * dilation[axis]
        inside = (taps >= 0) & (taps < length)
        first = torch.where(inside, taps, length).amin(-1, keepdim=True)
        found = (found[..., None] * length + torch.where(inside, taps, first)[..., None, :]).flatten(-2)
    return found


def _pooled(pooling: fx.Node, shape: tuple[int, ...]) -> tuple[int, ...]:
    """The shape of one sample behind a pooling."""
    example = torch.empty(1, *shape, device="meta")
    pooled: Tensor = pooling.target(example, *pooling.args[1:], **pooling.kwargs)  # type: ignore[operator]
    return tuple(pooled.shape[1:])
