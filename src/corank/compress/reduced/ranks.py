"""How many directions of a layer are kept: a number, a share of the energy, a share of the width, or by inference.

Daulbaev, "Applications of Differential Equations and Reduced-Order Modeling for Deep Learning", section 5.4.1, takes
variational Bayes or a constant factor.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from corank.compress.reduced.bases import Basis
from corank.compress.reduced.sizes import at_least
from corank.errors import InputError
from corank.linalg import VBMF, analytic_vbmf, gavish_donoho_rank, rank_by_energy

ENERGY = 0.99


@dataclass(frozen=True, kw_only=True)
class RankRule:
    """One of four ways to choose a rank; 99 % of the energy if none is given.

    Args:
        rank: the number itself, or all features where they are fewer.
        energy: share of the mean square of the activations that is kept at least; all known directions where these
            hold less.
        factor: how many times fewer directions than features.
        vbmf: whether analytic variational Bayes decides.

    Raises:
        InputError: more than one way, or a number out of range.

    Example:
        >>> RankRule(factor=10).largest(4096)
        410
    """

    rank: int | None = None
    energy: float | None = None
    factor: float | None = None
    vbmf: bool = False

    def __post_init__(self) -> None:
        if self.rank is not None and self.rank < 1:
            raise InputError(f"rank must be at least 1, got {self.rank}")
        if self.energy is not None and not 0 < self.energy <= 1:
            raise InputError(f"energy must be above 0 and at most 1, got {self.energy}")
        if self.factor is not None and not 1 <= self.factor < math.inf:
            raise InputError(f"factor must be at least 1 and finite, got {self.factor}")
        given = [name for name in ("rank", "energy", "factor") if getattr(self, name) is not None]
        given += ["vbmf"] if self.vbmf else []
        if len(given) > 1:
            raise InputError(f"ranks are chosen in one way, got {' and '.join(given)}: give one of them")

    @property
    def share(self) -> float | None:
        """The share of energy that is to be kept; None where something else decides."""
        is_other = self.rank is not None or self.factor is not None or self.vbmf
        return None if is_other else self.energy or ENERGY

    def largest(self, features: int) -> int | None:
        """The rank of a layer as far as it does not depend on data; None where it does."""
        if self.rank is not None:
            return min(self.rank, features)
        return at_least(features / self.factor) if self.factor is not None else None

    def __call__(self, basis: Basis) -> int:
        """The rank of a layer, at least 1."""
        fixed = self.largest(basis.features)
        if fixed is not None:
            return fixed
        if self.share is None:
            return max(1, bayesian(basis).rank)
        return rank_by_energy(basis.singular_values, basis.energy, self.share) or len(basis.vectors)


def bayesian(basis: Basis) -> VBMF:
    """What analytic variational Bayes says of the activation matrix."""
    matrix = basis.singular_values * math.sqrt(basis.samples)
    return analytic_vbmf(matrix, basis.features, basis.samples, energy=basis.energy * basis.samples)


def thresholded(basis: Basis) -> int:
    """The rank of Gavish and Donoho."""
    matrix = basis.singular_values * math.sqrt(basis.samples)
    return gavish_donoho_rank(matrix, basis.features, basis.samples, energy=basis.energy * basis.samples)
