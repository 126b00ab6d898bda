"""The weight matrices of a network by name, and the norm of the linear map that each applies.

A convolution is the matrix `(out, in / groups * kernel height * kernel width)` (Langenberg et al. 2019, On the Effect
of Low-Rank Weights on Adversarial Robustness of Neural Networks, app. B). The map it applies to an image is a
larger matrix, in which an entry of the kernel stands as often as there are positions where it meets the image, not
the padding: the Frobenius norm follows by counting, and the matrix is never built.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.fx.node import Argument
from torch.nn.modules.conv import _ConvNd, _ConvTransposeNd

from corank.errors import InputError
from corank.network.graph import GraphNetwork, calls_of, capture, tensors_of
from corank.network.inputs import Inputs
from corank.network.layers import CONVOLUTIONS, RECURRENT, WEIGHTED, counted_convolutions, kind_of
from corank.network.wrapper import unwrapped

LINEAR, CONVOLUTION, TRANSPOSED = "linear", "convolution", "transposed convolution"
EMBEDDING, RECURRENCE, ATTENTION, OTHER = "embedding", "recurrent", "attention", "matrix"


@dataclass(frozen=True, kw_only=True, eq=False)
class Weighted:
    """One weight matrix of a network.

    Attributes:
        name: of the layer, `features.0`; of the parameter where the layer has several, `lstm.weight_ih_l0`.
        kind: linear, convolution, transposed convolution, embedding, recurrent, attention, or matrix where only
            its use in the network could tell.
        weight: the parameter itself.
        bias: what is added behind it, None where nothing is.
        index: the number of the convolution, None where it does not count or the network has no graph.
        groups, stride, padding, dilation, output_padding: of a convolution, one number a dimension; padding is
            that before the image, and `padding_after` that behind it.
        padding_mode: "zeros", or the convolution's own.
    """

    name: str
    kind: str
    weight: Tensor
    bias: Tensor | None = None
    index: int | None = None
    groups: int = 1
    stride: tuple[int, ...] = ()
    padding: tuple[int, ...] = ()
    padding_after: tuple[int, ...] = ()
    dilation: tuple[int, ...] = ()
    output_padding: tuple[int, ...] = ()
    padding_mode: str = "zeros"

    @property
    def parameters(self) -> int:
        """How many numbers the weight and its bias hold."""
        return self.weight.numel() + (0 if self.bias is None else self.bias.numel())

    @property
    def matrix(self) -> Tensor:
        """The weight as a matrix, detached: a row is an output, all that enters it stands in the columns.

        `(out, in / groups * kernel height * kernel width)` of a convolution, also of a transposed one, whose parameter
        has its inputs first. Those of kinds embedding and matrix stand as they are stored.
        """
        weight = self.weight.detach()
        if self.kind == TRANSPOSED:
            apart = weight.reshape(self.groups, -1, *weight.shape[1:]).transpose(1, 2)
            return apart.reshape(apart.shape[0] * apart.shape[1], -1)
        return weight.flatten(1)

    @property
    def norm(self) -> float:
        """The Frobenius norm of the matrix, in double precision."""
        return math.sqrt(float(self.weight.detach().double().square().sum()))

    def norm_unrolled(self, input_shape: Sequence[int]) -> float:
        """The Frobenius norm of the linear map that the layer applies to a whole input, without its bias.

        Args:
            input_shape: of one sample as it enters the layer, `(channels, *image)` or the image alone of a
                convolution, `(..., features)` of a linear layer.

        Raises:
            InputError: a shape that the layer does not take, a kind without such a map, or padding by the image's
                own values.

        Example:
            >>> layer = weighted_layers(nn.Sequential(nn.Conv2d(1, 1, 3, padding=1)))[0]
            >>> _ = nn.init.ones_(layer.weight)
            >>> layer.norm ** 2, round(layer.norm_unrolled((1, 4, 4)) ** 2)  # 16 positions, 44 entries in the padding
            (9.0, 100)
        """
        shape = tuple(input_shape)
        if self.kind == LINEAR:
            if not shape or shape[-1] != self.weight.shape[1]:
                raise InputError(f"layer {self.name!r} takes (..., {self.weight.shape[1]}), got shape {shape}")
            return self.norm * math.sqrt(math.prod(shape[:-1]))
        if self.kind not in (CONVOLUTION, TRANSPOSED):
            raise InputError(f"the norm of an unrolled map is that of a linear layer or a convolution, not {self.kind}")
        if self.padding_mode != "zeros" and any(self.padding + self.padding_after):
            raise InputError(
                f"layer {self.name!r} pads with {self.padding_mode!r}, got no count for it: use the kernel's norm"
            )
        hits = self._hits(self._image(shape))
        taps = self.weight.detach().double().square().sum((0, 1))
        return math.sqrt(sum(float(taps[place]) * count for place, count in hits))

    def _image(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        dimensions = self.weight.ndim - 2
        channels = self.weight.shape[0] if self.kind == TRANSPOSED else self.weight.shape[1] * self.groups
        if len(shape) not in (dimensions, dimensions + 1) or shape[:-dimensions] not in ((), (channels,)):
            raise InputError(f"layer {self.name!r} takes {channels} channels of {dimensions}-d images, got {shape}")
        return shape[-dimensions:]

    def _hits(self, image: tuple[int, ...]) -> Iterator[tuple[tuple[int, ...], int]]:
        """Every place of the kernel with the number of positions at which it meets the image.

        Raises:
            InputError: the kernel is larger than the padded image.
        """
        along = []
        for axis, length in enumerate(image):
            kernel, stride, dilation = self.weight.shape[axis + 2], self.stride[axis], self.dilation[axis]
            padding, reach = self.padding[axis], self.dilation[axis] * (kernel - 1)
            if self.kind == TRANSPOSED:  # its positions are the pixels of the input
                positions = length
                length = (length - 1) * stride + reach + 1 - padding - self.padding_after[axis]
                length += self.output_padding[axis]
            else:
                positions = (length + padding + self.padding_after[axis] - reach - 1) // stride + 1
            if positions < 1 or length < 1:
                raise InputError(f"layer {self.name!r} has no output for an image of shape {image}: give a larger one")
            starts = torch.arange(positions) * stride - padding
            touched = starts[:, None] + torch.arange(kernel) * dilation
            along.append(((touched >= 0) & (touched < length)).sum(0).tolist())
        for place in product(*(range(len(counts)) for counts in along)):
            yield place, math.prod(counts[one] for counts, one in zip(along, place, strict=True))


def weighted_layers(network: nn.Module, example: Inputs | None = None) -> tuple[Weighted, ...]:
    """Every weight matrix of a network, each once, in the order of its modules.

    Args:
        network: any `nn.Module`; it is not changed.
        example: one batch of inputs; with it, matrices that the network uses without a module of their own are found,
            and convolutions know their numbers, if the network has a graph.

    Example:
        >>> net = nn.Sequential(nn.Conv2d(4, 8, 3, groups=2), nn.BatchNorm2d(8), nn.Flatten(), nn.Linear(8, 3))
        >>> for layer in weighted_layers(net, torch.zeros(2, 4, 3, 3)):
        ...     print(layer.name, layer.kind, tuple(layer.matrix.shape), layer.index)
        0 convolution (8, 18) 1
        3 linear (3, 8) None
    """
    graph = network if isinstance(network, GraphNetwork) else None
    if graph is None and isinstance(example, Tensor):
        with suppress(InputError):
            graph = capture(network, example)
    return weights_of(network, graph)


def weights_of(network: nn.Module, graph: GraphNetwork | None) -> tuple[Weighted, ...]:
    """The same for a network whose graph, where it has one, is at hand."""
    found: dict[int, Weighted] = {}
    for weighted in _of_modules(unwrapped(network)):
        found.setdefault(id(weighted.weight), weighted)
    for weighted in () if graph is None else _of_graph(graph):
        known = found.setdefault(id(weighted.weight), weighted)
        if known.index is None and weighted.index is not None:
            found[id(weighted.weight)] = replace(known, index=weighted.index)
    return tuple(found.values())


def weight_node(node: fx.Node) -> fx.Node | None:
    """The stored weight of a convolution, a linear map or an embedding; None where it is computed."""
    return _stored(node.args[{"addmm": 2, "embedding": 0}.get(kind_of(node), 1)])


def bias_argument(node: fx.Node) -> Argument:
    """What a convolution or a linear map adds, None where it adds nothing."""
    if kind_of(node) == "addmm":
        return node.args[0]
    return node.args[2] if len(node.args) > 2 else node.kwargs.get("bias")


def _stored(value: Argument) -> fx.Node | None:
    """The stored tensor that a value is, or is a part or another shape of."""
    while isinstance(value, fx.Node) and value.op != "get_attr":
        value = value.all_input_nodes[0] if len(value.all_input_nodes) == 1 else None
    return value if isinstance(value, fx.Node) else None


def name_of_weight(node: fx.Node, weight: fx.Node) -> str:
    """The name of the layer whose stored weight an operation uses, as modules are named inside wrappers."""
    target = str(weight.target)
    for call in calls_of(node):
        start = f".{target}.".find(f".{call.path}.")
        if start >= 0:
            return _layer_name(target[start:])
    return _layer_name(target)


def _layer_name(parameter: str) -> str:
    return parameter.removesuffix(".weight")


def _bias_of(parameter: str) -> str:
    path, dot, last = parameter.rpartition(".")
    return f"{path}{dot}{last.replace('weight', 'bias')}"


def _of_modules(network: nn.Module) -> Iterator[Weighted]:
    """The matrices of modules whose class says what they are, and those named as weights in other modules."""
    for path, module in network.named_modules():
        if type(module) is nn.Module or isinstance(module, GraphNetwork):
            continue  # a part of a graph, which knows more
        own = dict(module.named_parameters(path, recurse=False))
        if isinstance(module, nn.Linear | _ConvNd):
            own[f"{path}.weight" if path else "weight"] = module.weight  # also where it is computed from parameters
        for name, parameter in own.items():
            if "weight" in name.rpartition(".")[2] and parameter.ndim > 1:
                kind, options = _of_class(module)
                yield Weighted(
                    name=_layer_name(name), kind=kind, weight=parameter, bias=own.get(_bias_of(name)), **options
                )


def _of_class(module: nn.Module) -> tuple[str, dict[str, Any]]:
    if isinstance(module, _ConvNd):
        is_transposed = isinstance(module, _ConvTransposeNd)
        reach = [one * (size - 1) for one, size in zip(module.dilation, module.kernel_size, strict=True)]
        before, after = _paddings(module.padding, reach)
        options = {
            "groups": module.groups, "stride": module.stride, "padding": before, "padding_after": after,
            "dilation": module.dilation, "output_padding": module.output_padding, "padding_mode": module.padding_mode,
        }  # fmt: skip
        return TRANSPOSED if is_transposed else CONVOLUTION, options
    kinds = {
        nn.Linear: LINEAR, nn.Embedding: EMBEDDING, nn.EmbeddingBag: EMBEDDING, nn.RNNBase: RECURRENCE,
        nn.RNNCellBase: RECURRENCE, nn.MultiheadAttention: ATTENTION,
    }  # fmt: skip
    return next((kind for known, kind in kinds.items() if isinstance(module, known)), OTHER), {}


def _paddings(padding: str | Sequence[int], reach: Sequence[int]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The padding before and behind every dimension; `reach` is the kernel's length less one, dilated."""
    if padding == "same":
        return tuple(length // 2 for length in reach), tuple(length - length // 2 for length in reach)
    before = tuple(0 for _ in reach) if isinstance(padding, str) else tuple(padding)
    return before, before


def _of_graph(graph: GraphNetwork) -> Iterator[Weighted]:
    """The matrices that the operations of a graph use, with the numbers of its convolutions."""
    tensors, counted = tensors_of(graph), counted_convolutions(graph.graph.nodes)
    for node in graph.graph.nodes:
        for weight in stored_weights(node):
            tensor = tensors[str(weight.target)]
            if tensor.ndim > 1:
                index = counted.index(node) + 1 if node in counted else None
                kind, options = _of_operation(node, tensor)
                bias = _stored_bias(node, weight)
                yield Weighted(
                    name=name_of_weight(node, weight),
                    kind=kind,
                    weight=tensor,
                    bias=tensors.get(bias),
                    index=index,
                    **options,
                )


def _stored_bias(node: fx.Node, weight: fx.Node) -> str:
    """The name of the stored bias of an operation; a recurrence has one to each of its weights, by name."""
    if kind_of(node) in RECURRENT:
        return _bias_of(str(weight.target))
    bias = None if kind_of(node) == "embedding" else _stored(bias_argument(node))
    return "" if bias is None else str(bias.target)


def stored_weights(node: fx.Node) -> list[fx.Node]:
    """The stored tensors that are weights of an operation; none where it has no weights."""
    if kind_of(node) in RECURRENT:
        return [source for source in node.args[2] if isinstance(source, fx.Node) and source.op == "get_attr"]  # type: ignore[union-attr]
    if kind_of(node) in WEIGHTED:
        weight = weight_node(node)
        return [] if weight is None else [weight]
    return []


def _of_operation(node: fx.Node, weight: Tensor) -> tuple[str, dict[str, Any]]:
    kind = kind_of(node)
    if kind not in CONVOLUTIONS:
        named = {"linear": LINEAR, "embedding": EMBEDDING, **dict.fromkeys(RECURRENT, RECURRENCE)}
        return named.get(kind, OTHER), {}
    given = arguments_of(node)
    dimensions = weight.ndim - 2
    dilation = _each_way(given["dilation"], dimensions)
    reach = [one * (size - 1) for one, size in zip(dilation, weight.shape[2:], strict=True)]
    padding = given["padding"]
    before, after = _paddings(padding if isinstance(padding, str) else _each_way(padding, dimensions), reach)
    options = {
        "groups": given["groups"], "stride": _each_way(given["stride"], dimensions), "padding": before,
        "padding_after": after, "dilation": dilation,
        "output_padding": _each_way(given.get("output_padding", 0), dimensions),
    }  # fmt: skip
    return TRANSPOSED if "transpose" in kind else CONVOLUTION, options


def arguments_of(node: fx.Node) -> dict[str, Any]:
    """The arguments of an operation by name, also those left at their default."""
    schema = node.target._schema.arguments  # type: ignore[union-attr]
    named = {argument.name: argument.default_value for argument in schema}
    return {**named, **dict(zip(named, node.args, strict=False)), **node.kwargs}


def _each_way(value: int | Sequence[int], dimensions: int) -> tuple[int, ...]:
    """One number for every dimension; a single one stands for all."""
    numbers = (value,) if isinstance(value, int) else tuple(value)
    return numbers * dimensions if len(numbers) == 1 else numbers
