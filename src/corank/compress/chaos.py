"""The new end of an ASNet: a linear map onto few variables and a polynomial of them, fitted to a network's logits.

The polynomial is a sum over total degree in orthonormal Hermite polynomials (Cui et al. 2020, eq. 3.10 to 3.13, with
the recurrence corrected). The fit works on whitened variables, where it is well conditioned, or on the polynomials
that are orthonormal on the data, whose triangular factor folds into the coefficients. The whitening folds into
the linear map. Whitened variables may be turned at will, so they are turned until all have the same mean: one
scalar, which is a constant of the graph as the order is, centres them all. (Folding the mean into the
coefficients instead would multiply their rounding by |mean|^p, in float32 fatal for |mean| = 100 and p = 3.)
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from corank.compress.fits import Coefficients, Design, Fit, LeastSquares
from corank.compress.heads import Head, judged
from corank.compress.samples import Drawn
from corank.errors import InputError
from corank.linalg import HermiteBasis, StreamingMoments, Whitening, evaluate_hermite, orthonormal_transform

BasisName = Literal["hermite", "data-driven"]


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
        self.register_buffer("index", HermiteBasis(len(subspace), order).index.to(subspace.device), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Features `(B, ...)` to outputs `(B, classes)`."""
        variables = functional.linear(x.flatten(1), self.subspace) - self.offset
        return functional.linear(evaluate_hermite(variables, self.index, self.order), self.coefficients)


def fit_expansion(
    drawn: Drawn,
    *,
    order: int,
    fit: Fit = LeastSquares(),  # noqa: B008 - frozen
    basis: BasisName = "hermite",
) -> Head:
    """The polynomial of few directions that is nearest to a network's logits.

    Args:
        drawn: samples along these directions.
        order: of the polynomial.
        fit: how the coefficients are found.
        basis: in which they are found: "hermite", the polynomials that are orthonormal for normal variables, or
            "data-driven", those that are for the data. It matters to fits that shrink or select coefficients.

    Raises:
        InputError: fewer samples than the fit needs.
    """
    directions, fitted = drawn.directions, drawn.fitted
    assert directions is not None
    hermite = HermiteBasis(len(directions), order)
    needed = fit.least_samples(hermite.terms)
    if len(fitted.z) < needed:
        raise InputError(
            f"a polynomial of order {order} in {len(directions)} variables has {hermite.terms} coefficients a class "
            f"and needs at least {needed} samples, got {len(fitted.z)}: lower the rank or the order"
        )
    transform, offset = levelled(StreamingMoments(len(directions), device=fitted.z.device).update(fitted.z).whitening())

    def functions(z: Tensor) -> Tensor:
        return hermite.evaluate(z @ transform - offset)

    found, values = _coefficients(Design(fitted.z, fitted.logits, functions), fit, basis)
    coefficients = values.to(directions.dtype)

    def outputs(z: Tensor) -> Tensor:
        """As deployed: basis and coefficients in the dtype of the network."""
        return hermite.evaluate((z @ transform - offset).to(directions.dtype)) @ coefficients

    subspace = (transform.T @ directions.double()).to(directions.dtype)
    return judged(
        PolynomialChaos(subspace, coefficients.T.contiguous(), order, offset),
        drawn,
        outputs,
        order=order,
        terms=hermite.terms,
        chosen=found.chosen,
        samples=found.samples,
    )


def _coefficients(design: Design, fit: Fit, basis: BasisName) -> tuple[Coefficients, Tensor]:
    """What a fit finds in a basis, and the coefficients of the Hermite polynomials `(terms, classes)`."""
    if design.terms == 1:
        fit = LeastSquares()  # a constant leaves nothing to shrink or to select
    if basis == "hermite":
        found = fit.coefficients(design)
        return found, found.values
    gram = torch.zeros(design.terms, design.terms, dtype=torch.float64, device=design.device)
    for phi, _ in design:
        gram.addmm_(phi.T, phi)
    factor = orthonormal_transform(gram / design.samples)
    found = fit.coefficients(design.combined(factor))
    return found, factor @ found.values


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
