"""Theorems 1 and 4 and the Lemmas 2 and 3 as experiments: random points and matrices, and no training.

Gao et al., section 2. A class has one random point; a network that answers 1 for its own class and 0 for all others
is, whatever its depth, the inverse of the matrix of the points. The distance between points grows with the root of the
dimension, the smallest perturbation does not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from corank.linalg import (
    exchanging_perturbation,
    factors_of_products,
    lower_tail_bound,
    probed_distance,
    products_of_factors,
)
from corank.result import Result, Scalar

DRAWS = 200
GENERATORS = (0, 1)  # Theorem 1 has none, Theorem 4 any number
PRODUCT_SIZES = (4, 6, 8)
PRODUCT_DRAWS = 2_000
TAIL_SHARES = (0.25, 0.5, 0.75)
TAIL_DRAWS = 20_000


@dataclass(frozen=True, kw_only=True)
class RandomPoints(Result):
    """As many random points as dimensions, each a class of its own: medians over the draws.

    Attributes:
        dimension: of the points, and how many there are.
        generators: Gaussian matrices that the points have gone through.
        half_distance: half the smallest distance between two points: what the best classifier withstands.
        smallest: the smallest perturbation of the last point that changes its class (Theorem 5).
        exchanging: the length of the perturbation that the proof of Theorem 1 constructs, which is no smaller.
    """

    dimension: int
    generators: int
    half_distance: float
    smallest: float
    exchanging: float

    def row(self) -> dict[str, Scalar]:
        """All of it."""
        return {
            "d": self.dimension, "generators": self.generators, "half distance": self.half_distance,
            "smallest": self.smallest, "exchanging": self.exchanging,
        }  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class TailRow(Result):
    """Lemma 2 at one dimension and share.

    Attributes:
        dimension: numbers that are squared and summed.
        share: of the expected sum.
        frequency: of sums below it.
        bound: of their probability.
    """

    dimension: int
    share: float
    frequency: float
    bound: float

    def row(self) -> dict[str, Scalar]:
        """All of it."""
        return {"d": self.dimension, "share": self.share, "frequency": self.frequency, "bound": self.bound}


@dataclass(frozen=True, kw_only=True)
class SameFactors(Result):
    """Lemma 3: whether both ways give the same distribution, entry by entry (Kolmogorov and Smirnov's test).

    Attributes:
        sizes: of the matrices of the product.
        draws: from each distribution.
        entries: on and above the diagonal.
        p_value: the smallest over the entries times their number: below 0.01 the lemma would be in doubt.
    """

    sizes: tuple[int, ...]
    draws: int
    entries: int
    p_value: float

    def row(self) -> dict[str, Scalar]:
        """How much was drawn and what came out."""
        return {"draws": self.draws, "entries": self.entries, "p": self.p_value}


def random_points(dimension: int, generators: int, seed: int, draws: int = DRAWS) -> RandomPoints:
    """Draw points of all classes and attack the last one.

    Args:
        dimension: at least 2.
        generators: matrices that the points go through, each with entries of variance 1 / d.
        seed: of the draws.
        draws: how many sets of points.

    Example:
        >>> found = random_points(40, 0, seed=0)
        >>> found.smallest < found.exchanging < found.half_distance
        True
    """
    chance = torch.Generator().manual_seed(seed)
    points = torch.randn(draws, dimension, dimension, dtype=torch.float64, generator=chance)
    for _ in range(generators):
        mixing = torch.randn(draws, dimension, dimension, dtype=torch.float64, generator=chance)
        points = mixing / dimension**0.5 @ points
    columns = points.mT.contiguous()
    distances = torch.cdist(columns, columns) + torch.diag(torch.full((dimension,), torch.inf))
    probes = torch.linalg.inv(points)
    last = points[..., -1].unsqueeze(1).expand(-1, dimension - 1, -1)
    found = probed_distance(probes[:, -1:].expand(-1, dimension - 1, -1), probes[:, :-1], last)
    return RandomPoints(
        dimension=dimension,
        generators=generators,
        half_distance=float(distances.flatten(1).amin(1).median()) / 2,
        smallest=float(found.distance.amin(1).median()),
        exchanging=float(exchanging_perturbation(points).norm(dim=1).median()),
    )


def tail_rows(dimensions: Sequence[int], seed: int, draws: int = TAIL_DRAWS) -> tuple[TailRow, ...]:
    """Lemma 2 beside frequencies."""
    chance = torch.Generator().manual_seed(seed)
    rows = []
    for dimension in dimensions:
        sums = torch.randn(draws, dimension, dtype=torch.float64, generator=chance).square().sum(1)
        rows += [
            TailRow(
                dimension=dimension,
                share=share,
                frequency=float((sums <= share * dimension).double().mean()),
                bound=lower_tail_bound(share, dimension),
            )
            for share in TAIL_SHARES
        ]
    return tuple(rows)


def same_factors(seed: int, sizes: Sequence[int] = PRODUCT_SIZES, draws: int = PRODUCT_DRAWS) -> SameFactors:
    """Lemma 3 put to a test.

    Args:
        seed: of the draws.
        sizes: as of `factors_of_products`.
        draws: from each distribution.
    """
    from scipy.stats import ks_2samp  # imported here: it takes a second to import

    chance = torch.Generator().manual_seed(seed)
    one, other = (make(sizes, draws, chance) for make in (factors_of_products, products_of_factors))
    rows, columns = torch.triu_indices(sizes[0], sizes[0])
    p_values = [
        float(ks_2samp(one[:, i, j].numpy(), other[:, i, j].numpy()).pvalue)
        for i, j in zip(rows.tolist(), columns.tolist(), strict=True)
    ]
    return SameFactors(
        sizes=tuple(sizes), draws=draws, entries=len(p_values), p_value=min(1.0, len(p_values) * min(p_values))
    )
