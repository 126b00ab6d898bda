"""Pruning before training: the weights that the loss hardly feels are zero from the start and stay so.

Lee, Ajanthan and Torr 2019, "SNIP: Single-shot Network Pruning based on Connection Sensitivity": of all weights the
share with the largest `|weight * gradient|` on one batch is kept. A baseline of Sanyal et al. 2020, Robustness via Deep
Low-Rank Representations, Table 2.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import parametrize

from corank.defend.parametrised import Parametrised
from corank.errors import InputError
from corank.measure import Batches, OnDevice, first_batch
from corank.train.evaluate import device_of


class Masked(nn.Module):
    """The parametrisation: weights are zero outside of a mask."""

    mask: Tensor

    def __init__(self, mask: Tensor) -> None:
        super().__init__()
        self.register_buffer("mask", mask)

    def forward(self, weight: Tensor) -> Tensor:
        """The weight as it is used."""
        return weight * self.mask


@final
@dataclass(frozen=True, kw_only=True)
class SNIP(Parametrised):
    """See the module.

    Args:
        layer: names or globs of the layers that are pruned.
        sparsity: share of their weights that is zero; the paper's baseline has 0.7.

    Raises:
        InputError: a sparsity outside of (0, 1); when applied, a name that no layer with weights has.

    Example:
        >>> from corank.defend import Course
        >>> _ = torch.manual_seed(0)
        >>> network = nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 2))
        >>> x = torch.randn(64, 4)
        >>> found = SNIP(sparsity=0.5).defend(network, [(x, (x[:, 0] > 0).long())], Course(epochs=2)).network
        >>> sum(int((layer.weight == 0).sum()) for layer in (found[0], found[2]))
        18
    """

    sparsity: float = 0.7

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.sparsity < 1:
            raise InputError(f"sparsity must be strictly between 0 and 1, got {self.sparsity}")

    def _map(self, network: nn.Module, chosen: dict[str, nn.Module], batches: Batches) -> None:
        x, y = first_batch(OnDevice(batches, device_of(network)))
        weights = {name: module.get_parameter("weight") for name, module in chosen.items()}
        loss = functional.cross_entropy(network(x), y.long())
        gradients = torch.autograd.grad(loss, list(weights.values()))
        felt = {
            name: (weight * gradient).detach().abs()
            for (name, weight), gradient in zip(weights.items(), gradients, strict=True)
        }
        every = torch.cat([one.flatten() for one in felt.values()])
        kept = torch.zeros_like(every)
        kept[every.argsort(descending=True, stable=True)[: len(every) - round(self.sparsity * len(every))]] = 1.0
        masks = torch.split(kept, [one.numel() for one in felt.values()])
        for (name, module), mask in zip(chosen.items(), masks, strict=True):
            parametrize.register_parametrization(module, "weight", Masked(mask.reshape(felt[name].shape)))
