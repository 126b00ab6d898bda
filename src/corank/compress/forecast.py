"""What cutting a network would cost, before anything is measured or fitted.

The cost of an ASNet depends on the shapes alone: the pre-model, `n r` multiply-adds for the subspace layer and
`C` times the number of basis functions for the polynomial (Cui et al. 2020, Tables 2 to 5).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from corank.compress.asnet import HEAD
from corank.compress.chaos import PolynomialChaos
from corank.errors import InputError
from corank.linalg import HermiteBasis
from corank.network import Cost, Layer, capture, compose, cost, cut, evaluation_mode, free_name
from corank.result import Result, Scalar


@dataclass(frozen=True, kw_only=True)
class Forecast(Result):
    """The accounts of a cut.

    Attributes:
        layer: where the cut lies.
        features: of one sample there.
        rank: directions kept.
        order: of the polynomial.
        network: the cost of the whole network.
        pre: of the part up to the cut.
        head: of the subspace layer and the polynomial.
        overall: of both together.
        module: a network of this structure, its new layers without meaning; to measure its latency.
    """

    layer: str
    features: int
    rank: int
    order: int
    network: Cost
    pre: Cost
    head: Cost
    overall: Cost
    module: nn.Module = field(metadata={"json": False}, repr=False)

    def row(self) -> dict[str, Scalar]:
        """The cut and its overall cost."""
        return {"layer": self.layer, "rank": self.rank, "order": self.order, **self.overall.row()}


def forecast(network: nn.Module, layer: Layer, example: Tensor, *, rank: int, order: int) -> Forecast:
    """The cost of the ASNet that a cut would give.

    Args:
        network: any network that can be captured, trained or not.
        layer: where to cut.
        example: `(B, ...)` inputs.
        rank: directions kept.
        order: of the polynomial.

    Raises:
        InputError: a place that cannot be cut, a rank that is larger than the layer, or too many terms.

    Example:
        >>> net = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3))
        >>> forecast(net, "1", torch.zeros(2, 6), rank=2, order=1).head.parameters  # 2 x 8 + 3 x 3
        25
    """
    halves = cut(network, layer, example)
    if not 1 <= rank <= halves.features:
        raise InputError(f"rank must be between 1 and the {halves.features} features at the cut, got {rank}")
    if order < 0:
        raise InputError(f"order must be at least 0, got {order}")
    with torch.no_grad(), evaluation_mode(network):
        logits = network(example[:1])
    if logits.ndim != 2:
        raise InputError(f"the network must return logits (B, classes), got shape {tuple(logits.shape)}")
    terms = HermiteBasis(rank, order).terms
    empty = PolynomialChaos(logits.new_zeros(rank, halves.features), logits.new_zeros(logits.shape[1], terms), order)
    head = capture(empty, logits.new_zeros(2, *halves.shape))
    pre_cost, head_cost = cost(halves.pre, example.shape[1:], example.dtype), cost(head, halves.shape, logits.dtype)
    return Forecast(
        layer=halves.point.label,
        features=halves.features,
        rank=rank,
        order=order,
        network=cost(network, example.shape[1:], example.dtype),
        pre=pre_cost,
        head=head_cost,
        overall=pre_cost + head_cost,
        module=compose(halves.pre, head, free_name(halves.pre, HEAD)),
    )
