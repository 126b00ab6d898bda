"""The sum of the singular values of the weight matrices, which lowers their rank.

A convolution is the matrix `(out_channels, in_channels / groups * kh * kw)` (Langenberg et al. 2019, "On the effect of
low-rank weights on adversarial robustness of neural networks", section 4 and app. B). The proximal map is the singular
value threshold (Cai, Candes and Shen 2010, "A Singular Value Thresholding Algorithm for Matrix Completion", thm. 2.1).
Norm and gradient come from the eigenvalues of the smaller Gram matrix, several times faster than by the decomposition
of the weights themselves (`benchmarks/nuclear_penalty.py`), which is there to compare with.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from corank.linalg import nuclear_norm, singular_value_threshold
from corank.train.penalties.base import Penalty


@final
@dataclass(frozen=True, kw_only=True)
class NuclearNorm(Penalty):
    """`strength * sum of singular values` of the weights of the chosen layers; its gradient is `U V^T`.

    Args:
        strength: what the sum is multiplied with, not negative.
        layers: glob over the names of layers or parameters.
        exact: take the singular value decomposition of the weights instead of the eigenvalues of their Gram matrices.

    Raises:
        InputError: a negative strength; when applied, a glob that no weight of the network matches.

    Example:
        >>> network = torch.nn.Linear(2, 2)
        >>> network.weight.data = torch.diag(torch.tensor([3.0, 0.5]))
        >>> penalty = NuclearNorm(strength=2.0)
        >>> penalty(network).item()
        7.0
        >>> penalty.proximal_step(network, step=0.5)
        >>> network.weight.tolist()
        [[2.0, 0.0], [0.0, 0.0]]
    """

    exact: bool = False

    def value(self, weights: Sequence[Tensor]) -> Tensor:
        """The sum of the singular values."""
        norm = _exact if self.exact else nuclear_norm
        return torch.stack([norm(weight.flatten(1)) for weight in weights]).sum()

    def proximal(self, weights: Sequence[Tensor], threshold: float) -> list[Tensor]:
        """Each singular value lowered by the threshold, and no further than to zero."""
        return [singular_value_threshold(weight.flatten(1), threshold).reshape(weight.shape) for weight in weights]


def _exact(matrix: Tensor) -> Tensor:
    values: Tensor = torch.linalg.svdvals(matrix)
    return values.sum()
