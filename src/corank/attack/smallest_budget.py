"""The smallest budget within which an attack makes a network err on so many inputs, by bisection.

Sanyal et al. 2020, D.3 (Tables 3 and 10) ask for 99 %. What was found within one budget counts in every larger one,
and only inputs that still resist are attacked again: the rate cannot fall as the budget grows, whatever the chance.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor, nn

from corank.attack.budget import Norm
from corank.attack.checks import Bounds, check_positive
from corank.attack.sample import BoundedAttack, Examples
from corank.discover import name_of
from corank.errors import InputError
from corank.result import Result, Scalar


@dataclass(frozen=True, kw_only=True, eq=False)
class SmallestBudget(Result):
    """What an attack needs.

    Attributes:
        attack: that was tried.
        norm: in which the budget is measured.
        rate: share of inputs to be misclassified, those that are from the start among them.
        radius: the smallest found; None where the largest allowed was not enough.
        reached: share misclassified within it, or within the largest allowed.
        rho: over all inputs, the mean Euclidean length of the perturbations within it over that of the inputs; inputs
            that resist are counted with nothing.
        rates: of each radius tried, in the order they were tried, the share misclassified then.
        iterations: how many budgets were tried.
        converged: whether the rate is reached, and the answer known as closely as was asked.
        message: why it ended.
        seconds: of all attacks.
        gradients: samples whose gradients they took.
        forward: samples that only went forward.
        distances: `(m,)` the length of the shortest example found for each input, 0 where it was wrong from the start,
            infinite where there is none.
    """

    attack: str
    norm: Norm
    rate: float
    radius: float | None
    reached: float
    rho: float
    rates: tuple[tuple[float, float], ...]
    iterations: int
    converged: bool
    message: str
    seconds: float
    gradients: int
    forward: int
    distances: Tensor = field(metadata={"json": False})

    def row(self) -> dict[str, Scalar]:
        """The budget, and what it costs."""
        return {
            "attack": self.attack, "norm": self.norm, "rate": self.rate, "radius": self.radius, "reached": self.reached,
            "rho": self.rho, "iterations": self.iterations, "converged": self.converged, "seconds": self.seconds,
        }  # fmt: skip


def smallest_budget(
    attack: BoundedAttack,
    network: nn.Module,
    images: Tensor,
    labels: Tensor,
    *,
    rate: float = 0.99,
    most: float,
    tolerance: float,
    bounds: Bounds | None = (0.0, 1.0),
    source: nn.Module | None = None,
) -> SmallestBudget:
    """Halve the interval in which the smallest budget lies until it is short enough.

    Args:
        attack: tried with one radius after the other.
        network: any `nn.Module` that returns logits, in evaluation mode; it comes back bit for bit.
        images: `(m, ...)` inputs.
        labels: `(m,)` their true classes.
        rate: share of the inputs to be misclassified.
        most: the largest radius tried, the first.
        tolerance: by how much the answer may be too large, in the units of the inputs.
        bounds: within which inputs lie before and after; None where there are none.
        source: another network, on which the examples are made.

    Raises:
        InputError: a rate that is no share, a radius or tolerance that is not positive, and what the attack refuses.

    Example:
        >>> from corank.attack import FGSM
        >>> network = nn.Linear(2, 2, bias=False).eval()
        >>> _ = network.weight.data.copy_(torch.eye(2))
        >>> x, y = torch.tensor([[0.75, 0.5]]), torch.tensor([0])
        >>> found = smallest_budget(FGSM(radius=1.0), network, x, y, rate=1.0, most=1.0, tolerance=0.01)
        >>> found.converged, 0.125 < found.radius < 0.135
        (True, True)
    """
    if not 0 < rate <= 1:
        raise InputError(f"rate must be a share above 0 and at most 1, got {rate}")
    check_positive(most=most, tolerance=tolerance)
    ledger = _Ledger(attack, network, images, labels, bounds, source)
    ledger.tried(most)
    low, high = 0.0, ledger.smallest(rate)
    is_enough = high <= most
    while is_enough and high - low > tolerance:
        middle = (low + high) / 2
        ledger.tried(middle)
        low, high = (middle, high) if ledger.rate(middle) < rate else (low, ledger.smallest(rate))
    reached = ledger.rate(high if is_enough else most)
    return SmallestBudget(
        attack=name_of(type(attack)), norm=attack.norm, rate=rate, radius=high if is_enough else None, reached=reached,
        rho=float(ledger.relative_lengths.mean()), rates=tuple(ledger.rates), iterations=len(ledger.rates),
        converged=is_enough,
        message=f"known to {high - low:.3g}" if is_enough else f"the largest radius, {most:g}, reaches {reached:.4g}",
        seconds=sum(one.seconds for one in ledger.found), gradients=sum(one.gradients for one in ledger.found),
        forward=sum(one.forward for one in ledger.found), distances=ledger.distances,
    )  # fmt: skip


class _Ledger:
    """The shortest example of each input so far."""

    def __init__(
        self,
        attack: BoundedAttack,
        network: nn.Module,
        images: Tensor,
        labels: Tensor,
        bounds: Bounds | None,
        source: nn.Module | None,
    ) -> None:
        self._attack, self._network, self._images, self._labels = attack, network, images, labels
        self._bounds, self._source = bounds, source
        self.distances = images.new_full((len(images),), torch.inf, dtype=torch.float64)
        self.relative_lengths = torch.zeros_like(self.distances)
        self.found: list[Examples] = []
        self.rates: list[tuple[float, float]] = []

    def tried(self, radius: float) -> None:
        """Attack what resists within a radius."""
        rows = (self.distances > radius).nonzero()[:, 0]
        found = replace(self._attack, radius=radius).attack(
            self._network, self._images[rows], self._labels[rows], bounds=self._bounds, source=self._source
        )
        errs = found.succeeded
        self.distances[rows[errs]] = found.distances[errs]
        self.relative_lengths[rows[errs]] = found.relative_lengths[errs]
        self.found.append(found)
        self.rates.append((radius, self.rate(radius)))

    def rate(self, radius: float) -> float:
        """Share misclassified within a radius."""
        return float((self.distances <= radius).double().mean())

    def smallest(self, rate: float) -> float:
        """The length within which so large a share is."""
        return float(self.distances.sort().values[math.ceil(rate * len(self.distances)) - 1])
