"""What sparse training made of a network: zeros, ranks and the cost of what is left, as the tables of the paper count.

Cui et al. 2020, "Active Subspace of Neural Networks", Tables 2 to 5: the storage of an ASNet-s is that of its nonzero
parameters and its multiply-adds are those with nonzero weights. Neither says where the zeros are, which takes storage
too, and dense operations do not run faster for them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import nn

from corank.network import Cost, GraphNetwork, Layers, Weighted, cost, weighted_layers
from corank.network.layers import CONVOLUTIONS, kind_of
from corank.network.weighted import weight_node
from corank.result import Result, Scalar
from corank.train import History

_OF_FEATURES = {"linear", "addmm"}
_OF_IMAGES = {kind for kind in CONVOLUTIONS if "transpose" not in kind}


@dataclass(frozen=True, kw_only=True)
class WeightLeft:
    """One weight matrix after sparse training; a convolution is `(out, in / groups * kernel)`.

    Attributes:
        name: of its layer.
        rows: of the matrix.
        columns: of the matrix.
        nonzeros: its entries that are not zero.
        rows_left: rows that are not all zeros.
        columns_left: columns that are not all zeros.
        rank: its numerical rank.
    """

    name: str
    rows: int
    columns: int
    nonzeros: int
    rows_left: int
    columns_left: int
    rank: int

    @property
    def numbers(self) -> int:
        """The fewest of its entries, its nonzeros and the entries of two factors of its rank."""
        return min(self.nonzeros, self.rank * (self.rows + self.columns))


@dataclass(frozen=True, kw_only=True)
class Sparsified(Result):
    """A network after sparse training.

    Attributes:
        penalty: the regulariser, with its weight.
        pre: the cost of the pre-model's nonzeros.
        head: of those of the subspace layer and the polynomial.
        overall: of all.
        zeros: the share of weights, parameters with two or more dimensions, that are zero.
        factored_bytes: the storage of the network with each weight as nonzeros or as two factors of its rank,
            whichever are fewer.
        weights: every weight matrix.
        training: epoch by epoch; its loss is the objective without the penalty.
    """

    penalty: str
    pre: Cost
    head: Cost
    overall: Cost
    zeros: float
    factored_bytes: int
    weights: tuple[WeightLeft, ...]
    training: History

    def row(self) -> dict[str, Scalar]:
        """The share of zeros, and storage and multiply-adds of what is left."""
        return {
            "zeros": self.zeros,
            "storage_mb of nonzeros": self.overall.storage_mb,
            "multiply_adds_millions of nonzeros": self.overall.multiply_adds_millions,
        }


def nonzero_cost(network: GraphNetwork, sample_shape: tuple[int, ...], dtype: torch.dtype = torch.float32) -> Cost:
    """The cost of a network where zeros are neither stored nor multiplied with.

    Multiplications by zeros of convolutions and linear maps are left out; other operations count as they are.

    Args:
        network: a graph.
        sample_shape: the shape of one input without the batch.
        dtype: of the input.

    Example:
        >>> from corank.network import capture
        >>> linear = nn.Linear(4, 2)
        >>> linear.weight.data[0] = 0
        >>> print(nonzero_cost(capture(linear, torch.zeros(2, 4)), (4,)).parameters)  # 4 weights and 2 biases
        6
    """
    dense = cost(network, sample_shape, dtype)
    own = list(network.parameters())
    return Cost(
        parameters=sum(_nonzeros(value) for value in own),
        storage_bytes=sum(_nonzeros(value) * value.element_size() for value in own),
        multiply_adds=dense.multiply_adds - _multiplied_by_zero(network, sample_shape, dtype),
    )


def _multiplied_by_zero(network: GraphNetwork, sample_shape: tuple[int, ...], dtype: torch.dtype) -> int:
    """How many multiply-adds of one sample have a zero weight."""
    shapes = Layers(network, sample_shape, dtype).shapes
    parameters = dict(network.named_parameters())
    saved = 0
    for node, shape in shapes.items():
        if shape is None or kind_of(node) not in _OF_FEATURES | _OF_IMAGES:
            continue
        stored = weight_node(node)
        weight = None if stored is None else parameters.get(str(stored.target))
        if weight is not None:
            outputs = shape[-1] if kind_of(node) in _OF_FEATURES else shape[0]
            saved += (weight.numel() - _nonzeros(weight)) * (math.prod(shape) // outputs)  # zeros x positions
    return saved


def weights_left(network: nn.Module) -> tuple[WeightLeft, ...]:
    """Every weight matrix of a network with its nonzeros and its rank.

    Example:
        >>> linear = nn.Linear(3, 2)
        >>> linear.weight.data = torch.tensor([[1.0, 0.0, 2.0], [0.0, 0.0, 0.0]])
        >>> weights_left(nn.Sequential(linear))[0]
        WeightLeft(name='0', rows=2, columns=3, nonzeros=2, rows_left=1, columns_left=2, rank=1)
    """
    return tuple(_weight_left(weighted) for weighted in weighted_layers(network))


def _weight_left(weighted: Weighted) -> WeightLeft:
    matrix = weighted.matrix
    rounding = max(matrix.shape) * torch.finfo(matrix.dtype).eps
    return WeightLeft(
        name=weighted.name,
        rows=matrix.shape[0],
        columns=matrix.shape[1],
        nonzeros=_nonzeros(matrix),
        rows_left=int((matrix != 0).any(1).sum()),
        columns_left=int((matrix != 0).any(0).sum()),
        rank=int(torch.linalg.matrix_rank(matrix.double(), rtol=rounding)),
    )


def _nonzeros(values: torch.Tensor) -> int:
    return int(torch.count_nonzero(values))


def sparsified(network: GraphNetwork, pre: Cost, head: Cost, penalty: str, training: History) -> Sparsified:
    """The accounts of a network after sparse training.

    Args:
        network: the whole.
        pre: the nonzero cost of its pre-model.
        head: that of the rest.
        penalty: the regulariser in words.
        training: what led here.
    """
    weights = weights_left(network)
    own = [value for value in network.parameters() if value.ndim > 1]
    overall = pre + head
    spared = sum(weight.nonzeros - weight.numbers for weight in weights)
    return Sparsified(
        penalty=penalty,
        pre=pre,
        head=head,
        overall=overall,
        zeros=1 - sum(map(_nonzeros, own)) / sum(value.numel() for value in own),
        factored_bytes=overall.storage_bytes - spared * own[0].element_size(),
        weights=weights,
        training=training,
    )
