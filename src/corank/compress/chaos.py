"""The new end of an ASNet: a linear map onto few variables and a polynomial of them, fitted to a network's logits.

The polynomial is a sum over total degree in orthonormal Hermite polynomials (Cui et al. 2020, eq. 3.10 to 3.13, with
the recurrence corrected). The fit works on whitened variables, where it is well conditioned. The whitening folds into
the linear map. Whitened variables may be turned at will, so they are turned until all have the same mean: one
scalar, which is a constant of the graph as the order is, centres them all. (Folding the mean into the
coefficients instead would multiply their rounding by |mean|^p, in float32 fatal for |mean| = 100 and p = 3.)
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from corank.errors import InputError
from corank.linalg import (
    HermiteBasis,
    StreamingLeastSquares,
    StreamingMoments,
    Whitening,
    evaluate_hermite,
    number_of_terms,
)
from corank.measure import Batches, HeldOut, first_batch, taking
from corank.network import Cut, evaluation_mode

CHUNK = 1024


class PolynomialChaos(nn.Module):
    """`y = sum_a c_a phi_a(V^T x - offset)`: stored are V `(r, n)` and c `(classes, terms)`, nothing else.

    Args:
        subspace: `(r, n)` the linear map.
        coefficients: `(classes, terms)` of the orthonormal Hermite polynomials up to the order.
        order: the total degree.
        offset: one number for all variables.
    """

    index: Tensor

    def __init__(self, subspace: Tensor, coefficients: Tensor, order: int, offset: float = 0.0) -> None:
        super().__init__()
        self.order = order
        self.offset = offset
        self.subspace = nn.Parameter(subspace)
        self.coefficients = nn.Parameter(coefficients)
        self.register_buffer("index", HermiteBasis(len(subspace), order).index, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Features `(B, ...)` to outputs `(B, classes)`."""
        variables = functional.linear(x.flatten(1), self.subspace) - self.offset
        return functional.linear(evaluate_hermite(variables, self.index, self.order), self.coefficients)


@dataclass(frozen=True, kw_only=True)
class Expansion:
    """A fitted polynomial with what is known of its error; the attributes are those of `ASNetwork`."""

    subspace: Tensor
    coefficients: Tensor
    order: int
    offset: float
    samples: int
    residual: float
    residual_heldout: float
    variance: float

    def module(self) -> PolynomialChaos:
        """The layers to put after the pre-model."""
        return PolynomialChaos(self.subspace, self.coefficients, self.order, self.offset)


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
    z, logits, z_held, logits_held = _variables(halves, directions, batches, samples)
    terms = number_of_terms(len(directions), order)
    if len(z) < terms:
        raise InputError(
            f"a polynomial of order {order} in {len(directions)} variables has {terms} coefficients a class and "
            f"needs at least as many samples, got {len(z)}: lower the rank or the order"
        )
    basis = HermiteBasis(len(directions), order)
    transform, offset = levelled(StreamingMoments(len(directions), device=z.device).update(z).whitening())
    system = StreamingLeastSquares(basis.terms, logits.shape[1], device=z.device)
    for rows, targets in _chunks(z, logits):
        system.update(basis.evaluate(rows @ transform - offset), targets)
    coefficients = system.solve(ridge).to(directions.dtype)

    def residual(z: Tensor, logits: Tensor) -> float:
        """As deployed: basis and coefficients in the dtype of the network."""
        total = 0.0
        for rows, targets in _chunks(z, logits):
            phi = basis.evaluate((rows @ transform - offset).to(directions.dtype))
            total += float((targets - phi @ coefficients).square().sum())
        return total / len(z) if len(z) else math.nan

    return Expansion(
        subspace=(transform.T @ directions.double()).to(directions.dtype),
        coefficients=coefficients.T.contiguous(),
        order=order,
        offset=offset,
        samples=len(z),
        residual=residual(z, logits),
        residual_heldout=residual(z_held, logits_held),
        variance=float((logits - logits.mean(0)).square().sum(1).mean()),
    )


def levelled(whitening: Whitening) -> tuple[Tensor, float]:
    """A whitening after which all variables have the same mean: `w = z transform - offset`.

    Whitened variables stay white when they are reflected, and one reflection takes the mean of `z transform` to a
    multiple of (1, ..., 1).

    Args:
        whitening: of r variables.

    Returns:
        the transform `(r, r)`, float64, and the offset.

    Example:
        >>> z = torch.tensor([[8.0, 3.0], [8.0, 5.0], [6.0, 3.0], [6.0, 5.0]], dtype=torch.float64)
        >>> transform, offset = levelled(StreamingMoments(features=2).update(z).whitening())
        >>> (z @ transform).mean(0), round(offset, 4)  # |(7, 4)| / sqrt(2)
        (tensor([5.7009, 5.7009], dtype=torch.float64), 5.7009)
    """
    mean = whitening.mean @ whitening.transform
    offset = float(mean.norm()) / math.sqrt(len(mean))
    normal = mean - offset
    if not normal.any():
        return whitening.transform, offset
    reflected = torch.outer(whitening.transform @ normal, normal) * (2 / normal.dot(normal))
    return whitening.transform - reflected, offset


def _chunks(z: Tensor, logits: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    return zip(torch.split(z, CHUNK), torch.split(logits, CHUNK), strict=True)


@torch.no_grad()
def _variables(
    halves: Cut, directions: Tensor, batches: Batches, samples: int
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Active variables and logits, float64, of the samples for the fit and of held-out ones."""
    heldout = HeldOut()
    first, _ = first_batch(batches)
    pairs: list[tuple[Tensor, Tensor]] = []
    count = 0
    with evaluation_mode(halves.pre), evaluation_mode(halves.post):
        for number, (x, y) in enumerate(batches):
            x, _ = heldout.take(x, y)
            if len(x):
                with taking(number, x, first):
                    pairs.append(_pair(halves, directions, x))
            count += len(x)
            if count >= samples:
                break
        held = [_pair(halves, directions, x) for _, x, _ in heldout.merged(len(first))]
    none = [(directions.new_zeros(0, len(directions)), pairs[0][1][:0])]
    z, logits = (torch.cat(parts)[:samples].double() for parts in zip(*pairs, strict=True))
    z_held, logits_held = (torch.cat(parts).double() for parts in zip(*(held or none), strict=True))
    return z, logits, z_held, logits_held


def _pair(halves: Cut, directions: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
    features = halves.pre(x)
    return features.flatten(1) @ directions.T, halves.post(features)
