"""The sum of the weights' absolute values, which drives single weights to zero.

Its proximal map is the soft threshold `sign(w) max(|w| - t, 0)`, entry by entry (Tibshirani 1996, "Regression
Shrinkage and Selection via the Lasso", eq. 3).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from corank.linalg import soft_threshold
from corank.train.penalties.base import Penalty


@final
@dataclass(frozen=True, kw_only=True)
class L1(Penalty):
    """`strength * sum |w|` over the weights of the chosen layers; the subgradient at zero is zero.

    Args:
        strength: what the sum is multiplied with, not negative.
        layers: glob over the names of layers or parameters.

    Raises:
        InputError: a negative strength; when applied, a glob that no weight of the network matches.

    Example:
        >>> network = torch.nn.Linear(2, 1)
        >>> network.weight.data = torch.tensor([[3.0, 0.5]])
        >>> penalty = L1(strength=2.0)
        >>> penalty(network).item()
        7.0
        >>> penalty.proximal_step(network, step=0.5)
        >>> network.weight.tolist()
        [[2.0, 0.0]]
    """

    def value(self, weights: Sequence[Tensor]) -> Tensor:
        """The sum of the absolute values."""
        return torch.stack([weight.abs().sum() for weight in weights]).sum()

    def proximal(self, weights: Sequence[Tensor], threshold: float) -> list[Tensor]:
        """Each entry moved towards zero by the threshold, and no further than zero."""
        return [soft_threshold(weight, threshold) for weight in weights]
