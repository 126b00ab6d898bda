"""A network whose end is a polynomial of few linear combinations of features that are far from white."""

from __future__ import annotations

from functools import cache
from itertools import combinations_with_replacement

import torch
from torch import Tensor, nn

from corank.network import GraphNetwork, capture

FEATURES = 9
INPUTS = 4
CLASSES = 5


class Polynomial(nn.Module):
    """All monomials up to the order in `directions x - shift`, with fixed random coefficients, summed in float64."""

    def __init__(self, rank: int, order: int, centre: Tensor, spread: float) -> None:
        super().__init__()
        chance = torch.Generator().manual_seed(10 * rank + order)
        directions = torch.randn(rank, FEATURES, generator=chance) / spread
        self.terms = [
            term for degree in range(order + 1) for term in combinations_with_replacement(range(rank), degree)
        ]
        self.directions = nn.Parameter(directions)
        self.shift = nn.Parameter((directions.double() @ centre.double()).float())
        self.coefficients = nn.Parameter(
            torch.randn(len(self.terms), CLASSES, generator=chance) / len(self.terms) ** 0.5
        )

    def forward(self, x: Tensor) -> Tensor:
        variables = x.double() @ self.directions.double().T - self.shift.double()
        columns = [
            torch.stack([variables[:, v] for v in term], 1).prod(1) if term else torch.ones_like(variables[:, 0])
            for term in self.terms
        ]
        return (torch.stack(columns, 1) @ self.coefficients.double()).to(x.dtype)


def network(rank: int, order: int, ratio: float = 1.0, dtype: torch.dtype = torch.float32) -> nn.Sequential:
    """Features are correlated, with a mean of about `ratio` times their spread; the polynomial starts after them."""
    chance = torch.Generator().manual_seed(2)
    first, mix = nn.Linear(INPUTS, FEATURES), nn.Linear(FEATURES, FEATURES)
    first.weight.data = torch.randn(FEATURES, INPUTS, generator=chance)
    first.bias.data = torch.randn(FEATURES, generator=chance)
    mix.weight.data = torch.randn(FEATURES, FEATURES, generator=chance) / 3 + 0.5
    mix.bias.data = ratio * (1 + torch.rand(FEATURES, generator=chance))
    made = nn.Sequential(first, nn.Tanh(), mix, Polynomial(rank, order, mix.bias.data, spread=3.0))
    return made.to(dtype)


@cache
def graph(rank: int, order: int, ratio: float = 1.0) -> GraphNetwork:
    """The same, captured once for all: its many terms take long."""
    return capture(network(rank, order, ratio), torch.zeros(2, INPUTS))


def data(batches: int = 16, size: int = 64, dtype: torch.dtype = torch.float32) -> list[tuple[Tensor, Tensor]]:
    chance = torch.Generator().manual_seed(3)
    return [
        (torch.randn(size, INPUTS, generator=chance).to(dtype), torch.randint(CLASSES, (size,), generator=chance))
        for _ in range(batches)
    ]


def relative(found: Tensor, expected: Tensor) -> float:
    """The error over the spread of what is expected, so that a constant cannot hide it."""
    spread = expected.double() - expected.double().mean(0)
    return float((found.double() - expected.double()).norm() / spread.norm())
