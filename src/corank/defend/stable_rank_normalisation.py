"""Weights whose stable rank is brought down: what lies beside the largest singular direction is scaled.

Sanyal, Torr and Dokania 2020, "Stable Rank Normalization for Improved Generalization in Neural Networks and GANs",
Algorithm 1: with the largest singular value s and its direction, `W / s = u v^T + S`; where `1 + |S|_F^2` exceeds the
wanted stable rank, S is scaled so that it does not. The spectral norm then is one. A baseline of Sanyal et al. 2020,
Robustness via Deep Low-Rank Representations, Table 2.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import parametrize

from corank.defend.parametrised import Parametrised
from corank.errors import InputError
from corank.measure import Batches

_FIRST_ITERATIONS = 15


class StableRank(nn.Module):
    """The parametrisation: spectral norm one, stable rank at most a given one; one power iteration a training pass.

    Args:
        weight: that it begins from.
        stable_rank: that is not exceeded, at least 1.
    """

    right: Tensor

    def __init__(self, weight: Tensor, stable_rank: float) -> None:
        super().__init__()
        self.stable_rank = stable_rank
        matrix = weight.detach().flatten(1)
        self.register_buffer("right", functional.normalize(matrix.sum(0) + matrix[0], dim=0))
        for _ in range(_FIRST_ITERATIONS):
            self._iterate(matrix)

    def forward(self, weight: Tensor) -> Tensor:
        """The weight as it is used."""
        matrix = weight.flatten(1)
        if self.training:
            self._iterate(matrix.detach())
        right = self.right.clone()
        left = functional.normalize(matrix.detach() @ right, dim=0)
        scaled = matrix / torch.dot(left, matrix @ right)
        leading = torch.outer(left, right)
        rest = scaled - leading
        energy = rest.square().sum()
        factor = math.sqrt(self.stable_rank - 1) * energy.clamp(min=torch.finfo(energy.dtype).tiny).rsqrt()
        factor = factor.clamp(max=1.0)
        return (leading + factor * rest).reshape(weight.shape)

    def _iterate(self, matrix: Tensor) -> None:
        left = functional.normalize(matrix @ self.right, dim=0)
        self.right = functional.normalize(matrix.T @ left, dim=0)


@final
@dataclass(frozen=True, kw_only=True)
class StableRankNormalisation(Parametrised):
    """See the module.

    Args:
        layer: names or globs of the layers whose weights are mapped.
        share: of the smaller side of a weight matrix, which its stable rank does not exceed.

    Raises:
        InputError: a share outside of (0, 1]; when applied, a name that no layer with weights has.

    Example:
        >>> from corank.defend import Course
        >>> from corank.linalg import matrix_norms
        >>> _ = torch.manual_seed(0)
        >>> network = nn.Sequential(nn.Linear(8, 20), nn.ReLU(), nn.Linear(20, 2))
        >>> x = torch.randn(64, 8)
        >>> batches = [(x, (x[:, 0] > 0).long())] * 20
        >>> found = StableRankNormalisation(share=0.25, layer=("0",)).defend(network, batches, Course(epochs=2)).network
        >>> matrix_norms(found[0].weight).stable_rank < 2.1
        True
    """

    share: float = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.share <= 1:
            raise InputError(f"share must be above 0 and at most 1, got {self.share}")

    def _map(self, network: nn.Module, chosen: dict[str, nn.Module], batches: Batches) -> None:
        for module in chosen.values():
            weight = module.weight
            assert isinstance(weight, Tensor)
            wanted = max(1.0, self.share * min(weight.flatten(1).shape))
            parametrize.register_parametrization(module, "weight", StableRank(weight, wanted))
