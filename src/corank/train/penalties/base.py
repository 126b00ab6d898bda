"""The contract of a weight regulariser: a term of the loss, or its proximal map after each step.

A penalty is `strength * R(weights)`. The fitting loop adds it to the loss; a proximal gradient method applies
`prox_(step * strength * R)` after each step instead (Parikh & Boyd 2014, "Proximal Algorithms", section 4.2).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

import torch
from torch import Tensor, nn

from corank.errors import InputError, near
from corank.network import unwrapped


@dataclass(frozen=True, kw_only=True)
class Penalty(ABC):
    """A term of the loss that depends on a network's weights alone.

    Args:
        strength: what the regulariser is multiplied with, not negative.
        layers: glob over the names of layers (`features.*`) or of parameters (`fc1.weight`). Only weights
            count, that is parameters of two or more dimensions: neither biases nor the scales of batch norms.

    Raises:
        InputError: a negative strength; when applied, a glob that no weight of the network matches.
    """

    strength: float
    layers: str = "*"

    def __post_init__(self) -> None:
        if not self.strength >= 0:
            raise InputError(f"strength must be at least 0, got {self.strength}")

    @abstractmethod
    def value(self, weights: Sequence[Tensor]) -> Tensor:
        """The regulariser without its strength: a scalar with a (sub)gradient, not negative."""

    @abstractmethod
    def proximal(self, weights: Sequence[Tensor], threshold: float) -> list[Tensor]:
        """The minimiser of `1/2 |w - weights|^2 + threshold * value(w)`."""

    def __call__(self, network: nn.Module) -> Tensor:
        """The term of the loss: `strength * value` of the network's weights, a scalar."""
        return self.strength * self.value(list(self.weights(network).values()))

    @torch.no_grad()
    def proximal_step(self, network: nn.Module, step: float) -> None:
        """Replace the weights `v` by the minimiser `w` of `1/2 |w - v|^2 + step * penalty(w)`, in place.

        Args:
            network: its weights are changed.
            step: the step size of the gradient step before.
        """
        chosen = list(self.weights(network).values())
        for weight, shrunk in zip(chosen, self.proximal(chosen, step * self.strength), strict=True):
            weight.copy_(shrunk)

    def weights(self, network: nn.Module) -> dict[str, nn.Parameter]:
        """The weights that the penalty acts on, by name, in the network's order."""
        named = {name: weight for name, weight in unwrapped(network).named_parameters() if weight.ndim > 1}
        chosen = {name: weight for name, weight in named.items() if self._matches(name)}
        if not chosen:
            raise InputError(f"no weight matches the layers {self.layers!r}: {near(self.layers, named)}")
        return chosen

    def _matches(self, name: str) -> bool:
        return fnmatchcase(name, self.layers) or fnmatchcase(name.rpartition(".")[0], self.layers)
