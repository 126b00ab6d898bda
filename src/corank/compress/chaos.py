"""The new end of an ASNet: a linear map onto few variables and a polynomial of them, fitted to a network's logits.

The polynomial is a sum over total degree in orthonormal Hermite polynomials (Cui et al. 2020, eq. 3.10 to 3.13, with
the recurrence corrected). The fit works on whitened variables, where it is well conditioned. Polynomials of total
degree p stay what they are under affine maps, so the whitening folds into the linear map and the
shift of the mean into the coefficients.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from corank.errors import InputError
from corank.linalg import HermiteBasis, StreamingLeastSquares, StreamingMoments, evaluate_hermite
from corank.measure import Batches, HeldOut
from corank.network import Cut, evaluation_mode

CHUNK = 1024


class PolynomialChaos(nn.Module):
    """`y = sum_a c_a phi_a(V^T x)`: what is stored is V `(r, n)` and c `(classes, terms)`, nothing else.

    Args:
        subspace: `(r, n)` the linear map.
        coefficients: `(classes, terms)` of the orthonormal Hermite polynomials up to the order.
        order: the total degree.
    """

    index: Tensor

    def __init__(self, subspace: Tensor, coefficients: Tensor, order: int) -> None:
        super().__init__()
        self.order = order
        self.subspace = nn.Parameter(subspace)
        self.coefficients = nn.Parameter(coefficients)
        self.register_buffer("index", HermiteBasis(len(subspace), order).index, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Features `(B, ...)` to outputs `(B, classes)`."""
        variables = functional.linear(x.flatten(1), self.subspace)
        return functional.linear(evaluate_hermite(variables, self.index, self.order), self.coefficients)


@dataclass(frozen=True, kw_only=True)
class Expansion:
    """A fitted polynomial with what is known of its error; the attributes are those of `ASNetwork`."""

    subspace: Tensor
    coefficients: Tensor
    order: int
    samples: int
    residual: float
    residual_heldout: float
    variance: float

    def module(self) -> PolynomialChaos:
        """The layers to put after the pre-model."""
        return PolynomialChaos(self.subspace, self.coefficients, self.order)


def fit_expansion(
    halves: Cut, directions: Tensor, batches: Batches, *, order: int, ridge: float, samples: int
) -> Expansion:
    """The polynomial of few directions that is nearest to a network's logits.

    Args:
        halves: the network, cut.
        directions: `(r, n)` orthonormal rows.
        batches: training batches.
        order: of the polynomial.
        ridge: relative to the mean square of a basis function.
        samples: how many are wanted for the fit; all data if there are fewer.

    Raises:
        InputError: fewer samples than coefficients.
    """
    basis = HermiteBasis(len(directions), order)
    z, logits, z_held, logits_held = _variables(halves, directions, batches, samples)
    if len(z) < basis.terms:
        raise InputError(
            f"a polynomial of order {order} in {len(directions)} variables has {basis.terms} coefficients a class and "
            f"needs at least as many samples, got {len(z)}: lower the rank or the order"
        )
    whitening = StreamingMoments(len(directions)).update(z).whitening()
    system = StreamingLeastSquares(basis.terms, logits.shape[1])
    for rows, targets in zip(z.split(CHUNK), logits.split(CHUNK), strict=True):
        system.update(basis.evaluate(whitening.whiten(rows)), targets)
    coefficients = system.solve(ridge)
    shift = whitening.transform @ whitening.mean
    deployed = basis.translate(coefficients, shift).to(directions.dtype)
    subspace = (whitening.transform @ directions.double()).to(directions.dtype)

    def residual(rows: Tensor, targets: Tensor) -> float:
        phi = basis.evaluate((rows @ whitening.transform.T).to(directions.dtype))
        return float((targets - phi @ deployed).double().square().sum(1).mean())

    return Expansion(
        subspace=subspace,
        coefficients=deployed.T.contiguous(),
        order=order,
        samples=len(z),
        residual=residual(z, logits),
        residual_heldout=residual(z_held, logits_held),
        variance=float((logits - logits.mean(0)).square().sum(1).mean()),
    )


@torch.no_grad()
def _variables(
    halves: Cut, directions: Tensor, batches: Batches, samples: int
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Active variables and logits, float64, of the samples for the fit and of held-out ones."""
    heldout = HeldOut()
    pairs: list[tuple[Tensor, Tensor]] = []
    count = 0
    with evaluation_mode(halves.pre), evaluation_mode(halves.post):
        for x, y in batches:
            x, _ = heldout.take(x, y)
            pairs.append(_pair(halves, directions, x))
            count += len(x)
            if count >= samples:
                break
        held = [_pair(halves, directions, x) for x, _ in heldout.batches]
    none = [(directions.new_zeros(0, len(directions)), pairs[0][1][:0])]
    z, logits = (torch.cat(parts)[:samples].double() for parts in zip(*pairs, strict=True))
    z_held, logits_held = (torch.cat(parts).double() for parts in zip(*(held or none), strict=True))
    return z, logits, z_held, logits_held


def _pair(halves: Cut, directions: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
    features = halves.pre(x)
    return features.flatten(1) @ directions.T, halves.post(features)
