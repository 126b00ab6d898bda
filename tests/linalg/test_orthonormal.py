"""Gram-Schmidt from moments: orthonormal on the data, triangular, the classical polynomials on classical densities."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.polynomial import laguerre, legendre

from corank.errors import InputError
from corank.linalg import HermiteBasis, orthonormal_transform


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@given(st.integers(1, 200), st.integers(0, 999))
def test_it_is_gram_schmidt_on_the_samples(terms: int, seed: int) -> None:
    """Blocks are of 64; against the QR factorisation of the samples themselves, with positive diagonal."""
    phi = normal(3 * terms + 10, terms, seed=seed) * torch.logspace(-3, 3, terms, dtype=torch.float64)
    transform = orthonormal_transform(phi.T @ phi / len(phi))
    q, r = torch.linalg.qr(phi / len(phi) ** 0.5)
    signs = r.diagonal().sign()
    torch.testing.assert_close(phi @ transform / len(phi) ** 0.5, q * signs, rtol=0, atol=1e-10)
    assert not transform.tril(-1).any()


@pytest.mark.parametrize(
    ("rule", "evaluate"),
    [
        (legendre.leggauss(20), lambda x, k: legendre.legval(x, np.eye(8)[k]) * (2 * k + 1) ** 0.5),
        (laguerre.laggauss(20), lambda x, k: laguerre.lagval(x, np.eye(8)[k]) * (-1) ** k),
    ],
)
def test_on_classical_densities_it_gives_the_classical_polynomials(rule: tuple, evaluate: object) -> None:  # type: ignore[type-arg]
    """Uniform and exponential, by quadrature that is exact for these degrees."""
    nodes, weights = rule
    weights = weights / weights.sum()
    phi = HermiteBasis(1, 6).evaluate(torch.from_numpy(nodes)[:, None])
    transform = orthonormal_transform(phi.T @ (phi * torch.from_numpy(weights)[:, None]))
    found = (phi @ transform).numpy()
    for degree in range(7):
        expected = evaluate(nodes, degree)  # type: ignore[operator]
        seen = weights > 1e-6  # far out in the tail the values are large and their weight is nothing
        np.testing.assert_allclose(found[seen, degree], expected[seen], rtol=1e-6, atol=1e-6)


@given(st.integers(2, 90), st.integers(1, 5), st.integers(0, 999))
def test_functions_that_depend_on_earlier_ones_are_left_out(terms: int, dependent: int, seed: int) -> None:
    phi = normal(4 * terms, terms, seed=seed)
    places = sorted(
        torch.randperm(terms - 1, generator=torch.Generator().manual_seed(seed))[:dependent].add(1).tolist()
    )
    for place in places:
        phi[:, place] = phi[:, :place] @ normal(place, seed=place)
    transform = orthonormal_transform(phi.T @ phi / len(phi))
    assert transform.shape == (terms, terms - len(places))
    assert not transform[places].any()
    turned = phi @ transform
    torch.testing.assert_close(
        turned.T @ turned / len(phi), torch.eye(turned.shape[1], dtype=torch.float64), rtol=0, atol=1e-8
    )


def test_constants_and_nothing_are_left_out() -> None:
    phi = torch.cat([torch.ones(50, 1).double(), normal(50, 2), torch.full((50, 1), 7.0).double()], 1)
    phi = torch.cat([phi, torch.zeros(50, 1).double()], 1)
    assert orthonormal_transform(phi.T @ phi).shape == (5, 3)


@pytest.mark.parametrize(
    ("gram", "named"),
    [
        (torch.zeros(2, 3), r"square, got shape \(2, 3\)"),
        (torch.full((2, 2), float("nan")), "finite"),
        (torch.zeros(2, 2), "not be all zeros"),
    ],
)
def test_what_is_no_gram_matrix_is_refused(gram: torch.Tensor, named: str) -> None:
    with pytest.raises(InputError, match=named):
        orthonormal_transform(gram)
