"""The sum of the norms of groups of weights, which drives whole columns or rows of a weight matrix to zero.

The group lasso of Yuan and Lin 2006, "Model Selection and Estimation in Regression with Grouped Variables", with equal
weights for all groups: the l1,2 norm of Cui et al. 2020, "Active Subspace of Neural Networks", section 3.6. Its
proximal map shortens every group by the threshold, and no further than to zero.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, final

import torch
from torch import Tensor

from corank.errors import InputError
from corank.linalg import group_norms, group_soft_threshold
from corank.train.penalties.base import Penalty

_DIMENSIONS = {"rows": 0, "columns": 1}


@final
@dataclass(frozen=True, kw_only=True)
class GroupLasso(Penalty):
    """`strength * sum_g |w_g|_2` over groups of the weights of the chosen layers; the subgradient at zero is zero.

    Args:
        strength: what the sum is multiplied with, not negative.
        layers: glob over the names of layers or parameters.
        groups: "columns", all weights that read one input (of a convolution: one channel, at all taps), or "rows",
            all weights of one output (a filter).

    Raises:
        InputError: a negative strength or unknown groups; when applied, a glob that no weight of the network matches.

    Example:
        >>> network = torch.nn.Linear(2, 2)
        >>> network.weight.data = torch.tensor([[3.0, 0.1], [4.0, 0.0]])
        >>> penalty = GroupLasso(strength=2.0)
        >>> round(penalty(network).item(), 6)
        10.2
        >>> penalty.proximal_step(network, step=0.5)
        >>> network.weight
        Parameter containing:
        tensor([[2.4000, 0.0000],
                [3.2000, 0.0000]], requires_grad=True)
    """

    groups: Literal["columns", "rows"] = "columns"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.groups not in _DIMENSIONS:
            raise InputError(f"groups must be 'columns' or 'rows', got {self.groups!r}")

    def value(self, weights: Sequence[Tensor]) -> Tensor:
        """The sum of the groups' norms."""
        return torch.stack([group_norms(weight, _DIMENSIONS[self.groups]).sum() for weight in weights]).sum()

    def proximal(self, weights: Sequence[Tensor], threshold: float) -> list[Tensor]:
        """Each group shortened by the threshold, and no further than to zero."""
        return [group_soft_threshold(weight, threshold, _DIMENSIONS[self.groups]) for weight in weights]
