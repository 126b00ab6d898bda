"""The absolute sum of the product of all weight matrices, which bounds what a linear network makes of a perturbation.

Langenberg et al. 2019, "On the effect of low-rank weights on adversarial robustness of neural networks", eq. 7. The
product runs from the last layer to the first, as a linear network applies them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import final

from torch import Tensor, nn

from corank.errors import InputError
from corank.network import unwrapped


@final
@dataclass(frozen=True, kw_only=True)
class JointL1:
    """`strength * |W_m ... W_1|_1`, a penalty for the fitting loop; it has no proximal map in closed form.

    Args:
        strength: what the sum is multiplied with, not negative.

    Raises:
        InputError: a negative strength; when applied, weights that are no chain of matrices.

    Example:
        >>> import torch
        >>> network = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 1))
        >>> network[0].weight.data, network[1].weight.data = torch.eye(2), torch.tensor([[3.0, -1.0]])
        >>> JointL1(strength=0.5)(network).item()
        2.0
    """

    strength: float

    def __post_init__(self) -> None:
        if not 0 <= self.strength < math.inf:
            raise InputError(f"the strength of the joint penalty must be at least 0 and finite, got {self.strength}")

    def __call__(self, network: nn.Module) -> Tensor:
        """The term of the loss, a scalar."""
        named = {name: weight for name, weight in unwrapped(network).named_parameters() if weight.ndim > 1}
        product: Tensor | None = None
        for name, weight in named.items():
            if weight.ndim != 2 or (product is not None and weight.shape[1] != len(product)):
                raise InputError(
                    f"the joint penalty multiplies all weights from first to last, {name!r} of shape "
                    f"{tuple(weight.shape)} does not go on from the one before: leave it out for this network"
                )
            product = weight if product is None else weight @ product
        if product is None:
            raise InputError("the joint penalty multiplies weight matrices, the network has none")
        return self.strength * product.abs().sum()
