"""Which operations of a graph a reduced-order network knows: linear, element by element, pooling, or no change at all.

Daulbaev, "Applications of Differential Equations and Reduced-Order Modeling for Deep Learning", section 5.3:
convolutions, batch norm, average pooling and additions are linear maps, activations act element by element, written out
in several operations or not, and a max-pooling is done after its inputs were sampled.
"""

from __future__ import annotations

import operator
from dataclasses import dataclass

from torch import Tensor, fx
from torch.fx.node import map_arg

from corank.network.layers import CONVOLUTIONS, kind_of

UNCHANGED = {"dropout", "feature_dropout", "alpha_dropout", "feature_alpha_dropout", "alias", "contiguous", "clone",
             "detach", "lift_fresh_copy"}  # fmt: skip
"""Operations that, in evaluation, return the values they were given in the shape they had."""

SPLITTING = {"split", "split_with_sizes", "chunk"}
RESHAPING = SPLITTING | {"flatten", "unflatten", "view", "reshape", "_unsafe_view", "permute", "transpose", "squeeze",
                         "unsqueeze", "pixel_shuffle", "pixel_unshuffle", "channel_shuffle"}  # fmt: skip
WITH_WEIGHTS = CONVOLUTIONS | {"linear", "addmm", "batch_norm", "instance_norm"}
SUMMING = {"add", "sub", "rsub", "cat", "stack"}
SCALING = {"mul", "div", "neg", "matmul", "mm"}
LINEAR = WITH_WEIGHTS | RESHAPING | SUMMING | SCALING | {
    "avg_pool1d", "avg_pool2d", "avg_pool3d", "adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_avg_pool3d",
    "mean", "sum", "slice", "select", "narrow", "pad", "constant_pad_nd", "expand", "getitem", "index_select",
    "upsample_nearest1d", "upsample_nearest2d", "upsample_nearest3d", "upsample_linear1d", "upsample_bilinear2d",
    "upsample_bicubic2d", "upsample_trilinear3d",
}  # fmt: skip
"""Operations that are linear, up to a constant, in what comes from the data."""

ELEMENTWISE = {
    "relu", "relu6", "leaky_relu", "elu", "selu", "celu", "gelu", "silu", "mish", "hardswish", "hardsigmoid",
    "hardtanh", "tanh", "sigmoid", "softplus", "log_sigmoid", "clamp", "clamp_min", "clamp_max", "abs",
    "square", "pow", "sqrt", "exp", "log", "log1p", "sin", "cos", "erf", "threshold", "tanhshrink", "softshrink",
    "hardshrink",
}  # fmt: skip
POINTWISE = ELEMENTWISE | {
    "add", "sub", "rsub", "mul", "div", "neg", "reciprocal", "rsqrt", "sign", "maximum", "minimum", "where", "gt", "ge",
    "lt", "le", "floor", "ceil", "round", "trunc",
}  # fmt: skip
"""Operations of one or several values that act on single numbers."""

POOLING = {"max_pool1d", "max_pool2d", "max_pool3d"}
ADAPTIVE = {"adaptive_max_pool1d", "adaptive_max_pool2d", "adaptive_max_pool3d"}
"""Poolings that return the places of the maxima, too."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Composed:
    """A function of single numbers that is written out in several operations, as in `x / (1 + abs(x))`.

    Attributes:
        source: the value that it is applied to.
        nodes: the operations in their order; the last one gives the result.
    """

    source: fx.Node
    nodes: tuple[fx.Node, ...]


def is_linear(node: fx.Node, data: set[fx.Node]) -> bool:
    """Whether an operation is linear, up to a constant, in the inputs that belong to `data`."""
    kind, from_data = kind_of(node), _from_data(node, data)
    if kind not in LINEAR:
        return False
    if kind == "div":
        return from_data == [node.args[0]] and node.kwargs.get("rounding_mode") is None
    if kind in {"mul", "matmul", "mm"}:
        return len(from_data) == 1
    if kind in WITH_WEIGHTS:
        given = 1 if kind == "addmm" else 0
        return from_data == [node.args[given]] and not _takes_batch_statistics(node)
    return True


def _takes_batch_statistics(node: fx.Node) -> bool:
    """Whether a normalisation computes mean and variance from its input, so that it is not linear."""
    if kind_of(node) not in {"batch_norm", "instance_norm"}:
        return False
    return _is_always_on(node, 5) or node.args[3] is None  # training or use_input_stats; no running mean


def is_unchanged(node: fx.Node) -> bool:
    """Whether an operation, in evaluation, returns the values it was given."""
    return kind_of(node) in UNCHANGED and not ("dropout" in kind_of(node) and _is_always_on(node, 2))


def _is_always_on(node: fx.Node, place: int) -> bool:
    """Whether an operation does in evaluation, too, what others do in training alone."""
    return node.args[place] is True and "mode" not in node.meta  # a flag with a mode is that of the whole network


def is_elementwise(node: fx.Node, data: set[fx.Node]) -> bool:
    """Whether an operation applies one function to every number of one input."""
    if _from_data(node, data) != [node.args[0]]:
        return False
    if kind_of(node) == "prelu":
        return slopes_of(node).numel() > 0
    return kind_of(node) in ELEMENTWISE and len(node.all_input_nodes) == 1


def slopes_of(prelu: fx.Node) -> Tensor:
    """The slopes of a prelu below zero; none where they are no parameter."""
    weight = prelu.args[1]
    if not isinstance(weight, fx.Node) or weight.op != "get_attr":
        return Tensor()
    found: Tensor = operator.attrgetter(str(weight.target))(prelu.graph.owning_module)
    return found


def composed_of(node: fx.Node, data: set[fx.Node]) -> Composed | None:
    """The function of single numbers that ends at an operation; None where there is none.

    Its operations have no inputs but each other, numbers that are written there, and one value.

    Args:
        node: whose inputs are several values, or one several times.
        data: what comes from the data.
    """
    order = {other: number for number, other in enumerate(node.graph.nodes)}
    nodes: list[fx.Node] = []
    inputs = {node}
    while inputs == {node} or len(inputs) > 1:
        last = max(inputs, key=order.__getitem__)
        is_written_out = kind_of(last) in POINTWISE or is_unchanged(last)
        if not is_written_out or not data.issuperset(last.all_input_nodes):
            return None
        inputs = inputs - {last} | set(last.all_input_nodes)
        nodes.append(last)
    return Composed(source=inputs.pop(), nodes=tuple(reversed(nodes)))


def is_pooling(node: fx.Node, data: set[fx.Node]) -> bool:
    """Whether an operation takes maxima over windows of one input."""
    pooling = pooling_of(node)
    return pooling is not None and pooling.args[0] in data


def pooling_of(node: fx.Node) -> fx.Node | None:
    """The max-pooling whose result a value is; None where it is none."""
    if kind_of(node) == "getitem" and node.args[1] == 0:
        pooling = node.args[0]
        return pooling if isinstance(pooling, fx.Node) and kind_of(pooling) in ADAPTIVE else None
    return node if kind_of(node) in POOLING else None


def is_closing(node: fx.Node) -> bool:
    """Whether an operation makes probabilities, or their logarithms, of logits `(B, C)`."""
    return kind_of(node) in {"softmax", "log_softmax"} and node.args[1] in (1, -1)


def hands_on(node: fx.Node) -> bool:
    """Whether an operation stands for the value it was given, until its result is read."""
    return is_unchanged(node) or kind_of(node) in ADAPTIVE


def _from_data(node: fx.Node, data: set[fx.Node]) -> list[fx.Node]:
    """The inputs that belong to `data`, as often as they are named: `x * x` has two."""
    named: list[fx.Node] = []
    map_arg((node.args, node.kwargs), named.append)
    return [source for source in named if source in data]
