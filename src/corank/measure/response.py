"""The loss as a function of a few active variables: how good a response surface the active subspace carries.

For fixed z the best guess of c(x) is its mean given `z = V_1^T x`, and its squared error is bounded, up to a constant,
by the eigenvalues that were left out (Cui et al. 2020, Active Subspace of Neural Networks, sec. 2.1, eq. 2.7 and
Lemma 2.3). Here the guess is a polynomial, fitted on one half of the held-out samples and judged on the other.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from corank.linalg import fit_response_surface, number_of_terms

ORDER = 2
SAMPLES_PER_TERM = 5


@dataclass(frozen=True, kw_only=True)
class Response:
    """The response surface of the loss over the first active variables, cross-validated on held-out samples.

    Attributes:
        variables: how many.
        order: of the polynomial.
        samples: that it was fitted and tested on, each by a fit without it.
        error: root mean squared error, in nats.
        explained: share of the loss's variance that it explains; below 0 where the mean does better.
        neglected: the sum of the eigenvalues of the other directions, to which the squared error is bounded up
            to a constant (Lemma 2.3).
    """

    variables: int
    order: int
    samples: int
    error: float
    explained: float
    neglected: float


def fit_response(z: Tensor, losses: Tensor, neglected: Callable[[int], float]) -> Response | None:
    """The response surface over as many leading variables as the samples determine well; None for none.

    Args:
        z: `(m, k)` active variables.
        losses: `(m,)`.
        neglected: from a number of variables to the sum of the eigenvalues of all others.
    """
    half = len(z) // 2
    variables = min(z.shape[1], _affordable(half))
    if not variables or not len(losses):
        return None
    z, values = z[:, :variables].double(), losses.double()
    halves = (slice(0, half), slice(half, None))
    predicted = torch.empty_like(values)
    for fitted, judged in (halves, halves[::-1]):
        predicted[judged] = fit_response_surface(z[fitted], values[fitted], ORDER).evaluate(z[judged])
    squared = float((predicted - values).square().mean())
    variance = float(values.var(correction=0))
    return Response(
        variables=variables,
        order=ORDER,
        samples=len(z),
        error=squared**0.5,
        explained=1 - squared / variance if variance else 0.0,
        neglected=neglected(variables),
    )


def _affordable(samples: int) -> int:
    """The most variables whose polynomial has several samples a coefficient."""
    variables = 0
    while SAMPLES_PER_TERM * number_of_terms(variables + 1, ORDER) <= samples:
        variables += 1
    return variables
