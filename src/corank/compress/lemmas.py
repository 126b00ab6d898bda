"""What Lemmas 3.1 and 3.2 bound, both sides measured on samples that took no part in any fit.

Cui et al. 2020, "Active Subspace of Neural Networks". Lemma 3.1 bounds the squared loss that active variables explain,
Lemma 3.2 that of the polynomial before fine-tuning. The second is repaired: cross entropy is sqrt(2)-Lipschitz, so the
classes do not enter, and Hoeffding's inequality holds for residuals of samples that were not fitted.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from corank.linalg import fit_response_surface, number_of_terms
from corank.result import Result, Scalar

CONFIDENCE = 0.95
SAMPLES_PER_TERM = 5


@dataclass(frozen=True, kw_only=True)
class LossBounds(Result):
    """Both lemmas in numbers; losses are cross entropies in nats, and all means go over the held-out samples.

    Attributes:
        samples: how many held-out samples there are (m).
        loss_squared: `E[c_0^2]` of the original network.
        variables_loss_squared: the left side of Lemma 3.1, `E[g(z)^2]`. Here g, the mean loss of all inputs with the
            same active variables, is estimated by a polynomial in them.
        variables_error: `E[(c_0 - g(z))^2]`, which the lemma writes O(epsilon).
        variables_bound: the right side, `2 E[c_0^2] + 2 E[(c_0 - g(z))^2]`.
        polynomial_loss_squared: the left side of Lemma 3.2, `E[loss(psi(z))^2]` for the polynomial psi before
            fine-tuning.
        residual: `delta_held`, the mean of `|y - psi(z)|^2`.
        margin: t, for which the residual of the population is at most `delta_held + t` with the probability below.
        range_high: b; squared residuals are taken to lie in [0, b], b the largest of the fit.
        share_beyond: of the held-out samples whose squared residual is larger; the bound is for those cut off at b.
        polynomial_bound: the right side, `2 E[c_0^2] + 4 (delta_held + t)`.
        polynomial_bound_of_paper: `2 E[c_0^2] + 2 n_L (delta* + t)`, with the residual of the fit itself.
        probability: `1 - exp(-2 t^2 m / b^2)`.
    """

    samples: int
    loss_squared: float
    variables_loss_squared: float
    variables_error: float
    variables_bound: float
    polynomial_loss_squared: float
    residual: float
    margin: float
    range_high: float
    share_beyond: float
    polynomial_bound: float
    polynomial_bound_of_paper: float
    probability: float

    def row(self) -> dict[str, Scalar]:
        """Both sides of both lemmas."""
        return {
            "lemma 3.1": self.variables_loss_squared,
            "at most": self.variables_bound,
            "lemma 3.2": self.polynomial_loss_squared,
            "at most, with t": self.polynomial_bound,
        }


@dataclass(frozen=True, kw_only=True, eq=False)
class Outcomes:
    """What the network and the polynomial make of samples.

    Attributes:
        z: `(m, r)` active variables.
        logits: `(m, classes)` of the original network.
        fitted: `(m, classes)` of the polynomial, as deployed.
        labels: `(m,)`.
    """

    z: Tensor
    logits: Tensor
    fitted: Tensor
    labels: Tensor

    @property
    def losses(self) -> Tensor:
        """The network's cross entropies."""
        return functional.cross_entropy(self.logits, self.labels, reduction="none")

    @property
    def squared_residuals(self) -> Tensor:
        """The squared distances between both outputs."""
        return (self.logits - self.fitted).square().sum(1)


@torch.no_grad()
def loss_bounds(fitted: Outcomes, heldout: Outcomes, order: int) -> LossBounds | None:
    """Both lemmas on held-out samples; None without any.

    Args:
        fitted: the samples that determined the polynomial.
        heldout: others, independent of them.
        order: of the polynomial of the active variables that stands for g, at most; lower where there are fewer than
            five samples a coefficient.
    """
    count = len(heldout.z)
    if count == 0:
        return None
    classes, variables = heldout.logits.shape[1], fitted.z.shape[1]
    while order > 0 and SAMPLES_PER_TERM * number_of_terms(variables, order) > len(fitted.z):
        order -= 1
    losses = heldout.losses
    explained = fit_response_surface(fitted.z, fitted.losses, order).evaluate(heldout.z)
    loss_squared = _mean_square(losses)
    error = _mean_square(losses - explained)
    squares = heldout.squared_residuals
    high = float(fitted.squared_residuals.max())
    margin = high * math.sqrt(-math.log(1 - CONFIDENCE) / (2 * count))
    residual = float(squares.mean())
    return LossBounds(
        samples=count,
        loss_squared=loss_squared,
        variables_loss_squared=_mean_square(explained),
        variables_error=error,
        variables_bound=2 * loss_squared + 2 * error,
        polynomial_loss_squared=_mean_square(
            functional.cross_entropy(heldout.fitted, heldout.labels, reduction="none")
        ),
        residual=residual,
        margin=margin,
        range_high=high,
        share_beyond=float((squares > high).double().mean()),
        polynomial_bound=2 * loss_squared + 4 * (residual + margin),
        polynomial_bound_of_paper=2 * loss_squared + 2 * classes * (float(fitted.squared_residuals.mean()) + margin),
        probability=CONFIDENCE,
    )


def _mean_square(values: Tensor) -> float:
    return float(values.square().mean())
