"""What stands between the linear maps of a network, done on whole values and on samples of them.

Activations act on single numbers, max-poolings on windows. A pooled value is sampled by taking all the places of its
window and pooling after sampling (Daulbaev, "Applications of Differential Equations and Reduced-Order Modeling for Deep
Learning", section 5.3.2).
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, fx, nn
from torch.nn import functional

from corank.compress.reduced.operations import Composed, is_unchanged, pooling_of, slopes_of
from corank.network.layers import kind_of

Sampled = Callable[[Tensor], Tensor]
Lengths = tuple[int, ...]


class Step(ABC):
    """An activation or a max-pooling.

    Attributes:
        width: how many numbers it makes one of, the same for all.
    """

    width = 1

    @abstractmethod
    def __call__(self, values: Tensor) -> Tensor:
        """The operation on values `(B, ...)` as the network has them."""

    def shape_after(self, shape: Lengths) -> Lengths:
        """The shape of one sample behind it."""
        return shape

    def inputs(self, places: Tensor, shape: Lengths) -> Tensor:
        """The places in the flattened input, of this shape, that some of the flattened output are made of: `(P, W)`."""
        return places[:, None]

    def sampled(self, places: Tensor, shape: Lengths) -> Sampled:
        """The operation on samples `(B, P * W)`, those of a window side by side: `(B, P)`.

        Args:
            places: `(P * W,)` in the flattened input.
            shape: of one sample of the input.
        """
        return self


class Applied(Step):
    """An element-wise operation of a graph with the options that it had there."""

    def __init__(self, node: fx.Node) -> None:
        self.operation = node.target
        self.options = node.args[1:]
        self.named = dict(node.kwargs)
        if kind_of(node) == "prelu":
            self.operation, self.options = torch.ops.aten.leaky_relu.default, (float(slopes_of(node).detach()),)

    def __call__(self, values: Tensor) -> Tensor:
        """As the network has it."""
        return self.operation(values, *self.options, **self.named)  # type: ignore[no-any-return, operator]


class Written(Step):
    """A function of single numbers that is written out in several operations."""

    def __init__(self, composed: Composed) -> None:
        self.source = composed.source.name
        self.lines = [_Line.of(node) for node in composed.nodes]

    def __call__(self, values: Tensor) -> Tensor:
        """All operations, one after the other."""
        known = {self.source: values}
        for line in self.lines:
            known[line.name] = line(known)
        return known[self.lines[-1].name]


class _Line(NamedTuple):
    """An operation on values with names; None hands on what it is given."""

    name: str
    operation: Callable[..., Tensor] | None
    options: tuple[Any, ...]
    named: dict[str, Any]

    @classmethod
    def of(cls, node: fx.Node) -> _Line:
        options = tuple(_Name(one.name) if isinstance(one, fx.Node) else one for one in node.args)
        named = {name: _Name(one.name) if isinstance(one, fx.Node) else one for name, one in node.kwargs.items()}
        assert callable(node.target)
        return cls(node.name, None if is_unchanged(node) else node.target, options, named)

    def __call__(self, known: Mapping[str, Tensor]) -> Tensor:
        options = [known[one] if isinstance(one, _Name) else one for one in self.options]
        named = {name: known[one] if isinstance(one, _Name) else one for name, one in self.named.items()}
        return options[0] if self.operation is None else self.operation(*options, **named)


class _Name(str):
    """That of a value among the options of an operation."""


class Slopes(Step):
    """Leaky rectifiers with a slope a channel.

    Args:
        slopes: `(C,)`.
    """

    def __init__(self, slopes: Tensor) -> None:
        self.slopes = slopes.detach()

    def __call__(self, values: Tensor) -> Tensor:
        """On values `(B, C, ...)`."""
        return functional.prelu(values, self.slopes)

    def sampled(self, places: Tensor, shape: Lengths) -> Sampled:
        """Each sample with the slope of its channel."""
        return SampledSlopes(self.slopes[(places // math.prod(shape[1:])).to(self.slopes.device)])


class SampledSlopes(nn.Module):
    """Leaky rectifiers with a slope a feature.

    Args:
        slopes: `(n,)`.
    """

    slopes: Tensor

    def __init__(self, slopes: Tensor) -> None:
        super().__init__()
        self.register_buffer("slopes", slopes.clone())

    def forward(self, values: Tensor) -> Tensor:
        """`(B, n)` to the same."""
        return functional.prelu(values, self.slopes)


class Neighbours:
    """The maximum of so many neighbours along a row."""

    def __init__(self, count: int) -> None:
        self.count = count

    def __call__(self, values: Tensor) -> Tensor:
        """`(B, n)` to `(B, n / count)`."""
        return functional.max_pool1d(values, self.count)


class Pooling(Step):
    """Maxima over windows, which are taken apart axis by axis.

    Args:
        pooling: the operation of the graph.
        shape: of one sample in front of it.
    """

    def __init__(self, pooling: fx.Node, shape: Lengths) -> None:
        self.pooling = pooling
        self.dimensions = int(kind_of(pooling)[-2])
        self.shape = self.shape_after(shape)
        lengths = zip(shape[-self.dimensions :], self.shape[-self.dimensions :], strict=True)
        self.taps = [self.taps_along(axis, *pair) for axis, pair in enumerate(lengths)]
        self.width = math.prod(taps.shape[1] for taps in self.taps)

    @abstractmethod
    def taps_along(self, axis: int, length: int, pooled: int) -> Tensor:
        """The places along an axis that each window has: `(pooled, taps)`; to fill up, one of them several times."""

    def __call__(self, values: Tensor) -> Tensor:
        """The maxima, without their places."""
        found = self.pooling.target(values, *self.pooling.args[1:], **self.pooling.kwargs)  # type: ignore[operator]
        return found[0] if isinstance(found, tuple) else found  # type: ignore[no-any-return]

    def shape_after(self, shape: Lengths) -> Lengths:
        """As torch has it."""
        return tuple(self(torch.empty(1, *shape, device="meta")).shape[1:])

    def inputs(self, places: Tensor, shape: Lengths) -> Tensor:
        """The windows; where one is cut off by the border or narrower than others, it names a place several times."""
        around = places  # in the end the number among all dimensions in front of the image
        chosen: list[Tensor] = []
        for taps in reversed(self.taps):
            chosen.insert(0, taps[around % len(taps)])
            around = around // len(taps)
        found = around[:, None]
        for taps, length in zip(chosen, shape[-self.dimensions :], strict=True):
            found = (found[..., None] * length + taps[:, None, :]).flatten(1)
        return found

    def sampled(self, places: Tensor, shape: Lengths) -> Sampled:
        """The maximum of neighbours."""
        return Neighbours(self.width)


class MaxPooling(Pooling):
    """Windows of one size, at equal distances."""

    def taps_along(self, axis: int, length: int, pooled: int) -> Tensor:
        """From the padding in front on, with the holes of a dilation."""
        kernel, stride, padding, dilation = (option[axis] for option in _options(self.pooling))
        taps = torch.arange(pooled)[:, None] * stride - padding + torch.arange(kernel) * dilation
        return _filled(taps, (taps >= 0) & (taps < length))


class AdaptiveMaxPooling(Pooling):
    """Windows that divide the input into a number of parts, as evenly as can be."""

    def taps_along(self, axis: int, length: int, pooled: int) -> Tensor:
        """The i-th of n windows goes from `floor(i L / n)` to `ceil((i + 1) L / n)`."""
        numbers = torch.arange(pooled)
        first, end = numbers * length // pooled, -(-(numbers + 1) * length // pooled)
        taps = first[:, None] + torch.arange(int((end - first).max()))
        return _filled(taps, taps < end[:, None])


def step_of(node: fx.Node, composed: Composed | None, shape: Lengths) -> Step:
    """The step that an operation is.

    Args:
        node: element by element, or a max-pooling.
        composed: the function that it ends, where that is written out in several operations.
        shape: of one sample in front of it.
    """
    if composed is not None:
        return Written(composed)
    if pooling := pooling_of(node):
        return (AdaptiveMaxPooling if "adaptive" in kind_of(pooling) else MaxPooling)(pooling, shape)
    if kind_of(node) == "prelu" and slopes_of(node).numel() > 1:
        return Slopes(slopes_of(node))
    return Applied(node)


def _filled(taps: Tensor, inside: Tensor) -> Tensor:
    """Windows whose places outside are replaced by their first one inside."""
    first = torch.where(inside, taps, torch.iinfo(taps.dtype).max).amin(1, keepdim=True)
    return torch.where(inside, taps, first)


def _options(pooling: fx.Node) -> tuple[Lengths, Lengths, Lengths, Lengths]:
    """Kernel, stride, padding and dilation of a max-pooling, a number a dimension."""
    dimensions = int(kind_of(pooling)[-2])
    given: dict[str, Any] = {"stride": [], "padding": 0, "dilation": 1}
    names = ("input", "kernel_size", "stride", "padding", "dilation", "ceil_mode")
    given.update(zip(names, pooling.args, strict=False))
    given.update(pooling.kwargs)
    kernel = _each_way(given["kernel_size"], dimensions)
    stride = _each_way(given["stride"], dimensions) or kernel
    return kernel, stride, _each_way(given["padding"], dimensions), _each_way(given["dilation"], dimensions)


def _each_way(value: int | Sequence[int], dimensions: int) -> Lengths:
    numbers = (value,) if isinstance(value, int) else tuple(value)
    return numbers * dimensions if len(numbers) == 1 else numbers
