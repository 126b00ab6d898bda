"""What ASNet returns: a network that was cut and finished by new layers, with its accounts."""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import nn

from corank.compress.base import Compressed
from corank.compress.lemmas import LossBounds
from corank.compress.sparsity import Sparsified
from corank.network import Cost
from corank.result import Scalar

DIRECTIONS = {"AS": "active directions", "Jacobian": "directions of all outputs", "PCA": "principal directions"}
"""By the first letters of a method's name."""


@dataclass(frozen=True, kw_only=True)
class ASNetwork(Compressed):
    """A network that was cut and finished by a polynomial of few variables, or by a baseline of that.

    A logistic regression counts as a polynomial of order 1. That on all features has no subspace layer, and as many
    directions as features.

    Attributes:
        network: pre-model, subspace layer and polynomial as one graph.
        fitted: the same before fine-tuning; without that the network itself.
        tuned: after fine-tuning, before sparse training; without that the network itself.
        layer: where the cut lies.
        features: of one sample there.
        method: what was built, in the letters of Cui et al. 2020, Fig. 5b: "AS + PCE" is an ASNet, "Jacobian + PCE"
            one with the directions of all outputs; the baselines are "PCA + PCE", "AS + LR", "PCA + LR" and "LR".
        rank: directions kept.
        order: of the polynomial.
        terms: its number of basis functions.
        pre: the cost of the pre-model.
        head: the cost of the subspace layer and the polynomial.
        captured_heldout: share of held-out samples in the directions: of the energy of their gradients for active
            ones, of the variance of their features for principal ones, and 1 for all.
        samples_fit: how many samples determined the coefficients.
        residual: `delta*`, the mean squared distance to the network's logits over the samples of the fit (eq. 3.13); a
            logistic regression does not aim at them.
        residual_heldout: the same over samples that took no part in the fit; null where there were none.
        variance: the mean squared distance of the logits from their mean, to compare the residuals with.
        bounds: both sides of Lemmas 3.1 and 3.2; null without held-out samples, and for a logistic regression.
        sparse: what the sparse training reached; null without.
    """

    fitted: nn.Module = field(metadata={"json": False}, repr=False)
    tuned: nn.Module = field(metadata={"json": False}, repr=False)
    layer: str
    features: int
    method: str
    rank: int
    order: int
    terms: int
    pre: Cost
    head: Cost
    captured_heldout: float
    samples_fit: int
    residual: float
    residual_heldout: float
    variance: float
    bounds: LossBounds | None
    sparse: Sparsified | None

    @property
    def replaced(self) -> Cost:
        """The cost of the part of the original network that the new end stands for."""
        return Cost(
            parameters=self.original.parameters - self.pre.parameters,
            storage_bytes=self.original.storage_bytes - self.pre.storage_bytes,
            multiply_adds=self.original.multiply_adds - self.pre.multiply_adds,
        )

    @property
    def dense(self) -> nn.Module | None:
        """The network after fine-tuning, before sparse training; None without the latter."""
        return None if self.sparse is None else self.tuned

    @property
    def manner(self) -> str:
        """Where it was cut."""
        return f"cut after {self.layer}"

    @property
    def why(self) -> str:
        """What was replaced by what, and what was done to the rest."""
        directions, _, head = self.method.rpartition(" + ")
        end = "a logistic regression" if head == "LR" else f"a polynomial of order {self.order}"
        read = f"{self.rank:,} {DIRECTIONS[directions]} of the" if directions else "all"
        is_tuned = self.training is not None or self.sparse is not None
        front = "was only fine-tuned" if is_tuned else "is as it was"
        return (
            f"everything after {self.layer} was replaced by {end} of {read} {self.features:,} features there; what is "
            f"in front {front}"
        )

    def row(self) -> dict[str, Scalar]:
        """The cut, its cost and how well the polynomial fits."""
        return {
            "layer": self.layer, "features": self.features, "method": self.method, "rank": self.rank,
            "order": self.order,
            **super().row(), "residual": self.residual, "residual held-out": self.residual_heldout,
            **({} if self.sparse is None else self.sparse.row()),
        }  # fmt: skip
