"""Which operations of a graph a reduced-order network knows: linear, element by element, pooling, or no change at all.

Daulbaev, "Applications of Differential Equations and Reduced-Order Modeling for Deep Learning", section 5.3:
convolutions, batch norm, average pooling and additions are linear maps, activations act element by element, and a
max-pooling is done after its inputs were sampled.
"""

from __future__ import annotations

from torch import fx

from corank.network.layers import CONVOLUTIONS, kind_of

UNCHANGED = {"dropout", "feature_dropout", "alpha_dropout", "feature_alpha_dropout", "alias", "contiguous", "clone",
             "detach", "lift_fresh_copy"}  # fmt: skip
"""Operations that, in evaluation, return the values they were given in the shape they had."""

RESHAPING = {"flatten", "view", "reshape", "_unsafe_view", "permute", "transpose", "squeeze", "unsqueeze", "split",
             "split_with_sizes", "chunk"}  # fmt: skip
WITH_WEIGHTS = CONVOLUTIONS | {"linear", "addmm", "batch_norm", "instance_norm"}
SUMMING = {"add", "sub", "rsub", "cat", "stack"}
SCALING = {"mul", "div", "neg", "matmul", "mm"}
LINEAR = WITH_WEIGHTS | RESHAPING | SUMMING | SCALING | {
    "avg_pool1d", "avg_pool2d", "avg_pool3d", "adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_avg_pool3d",
    "mean", "sum", "slice", "select", "narrow", "pad", "constant_pad_nd", "expand", "getitem", "upsample_nearest1d",
    "upsample_nearest2d", "upsample_bilinear2d", "index_select", "flip",
}  # fmt: skip
"""Operations that are linear, up to a constant, in what comes from the data."""

ELEMENTWISE = {
    "relu", "relu6", "leaky_relu", "elu", "selu", "celu", "gelu", "silu", "mish", "hardswish", "hardsigmoid",
    "hardtanh", "tanh", "sigmoid", "softplus", "softsign", "log_sigmoid", "clamp", "clamp_min", "clamp_max", "abs",
    "square", "exp", "threshold", "tanhshrink", "softshrink", "hardshrink",
}  # fmt: skip
POOLING = {"max_pool1d", "max_pool2d", "max_pool3d"}


def is_linear(node: fx.Node, data: set[fx.Node]) -> bool:
    """Whether an operation is linear, up to a constant, in the inputs that belong to `data`."""
    kind, from_data = kind_of(node), [source for source in node.all_input_nodes if source in data]
    if kind not in LINEAR:
        return False
    if kind == "div":
        return from_data == [node.args[0]]
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
    return node.args[5] is True or node.args[3] is None  # training or use_input_stats; no running mean


def is_elementwise(node: fx.Node, data: set[fx.Node]) -> bool:
    """Whether an operation applies one function to every number of one input."""
    from_data = [source for source in node.all_input_nodes if source in data]
    return kind_of(node) in ELEMENTWISE and from_data == [node.args[0]] and len(node.all_input_nodes) == 1


def is_pooling(node: fx.Node, data: set[fx.Node]) -> bool:
    """Whether an operation takes maxima over windows of one input."""
    return kind_of(node) in POOLING and node.args[0] in data
