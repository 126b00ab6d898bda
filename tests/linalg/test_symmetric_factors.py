"""The factored matrix against the dense one, and its two projections against the best one."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from corank.errors import InputError
from corank.linalg import SymmetricFactors, ensemble_nystrom, sketched_projection


def dense(factors: SymmetricFactors) -> Tensor:
    rows = torch.cat(factors.blocks)
    return rows.T @ factors.core @ rows


def of_spectrum(values: Tensor, width: int, seed: int = 0) -> SymmetricFactors:
    """With orthonormal eigenvectors."""
    chance = torch.Generator().manual_seed(seed)
    rows = torch.linalg.qr(torch.randn(width, len(values), generator=chance, dtype=torch.float64))[0].T
    return SymmetricFactors.from_eigenvectors(rows, values)


def best(matrix: Tensor, rank: int) -> Tensor:
    """The nearest positive semidefinite matrix of that rank."""
    values, vectors = torch.linalg.eigh(matrix)
    kept = values.flip(0)[:rank].clamp(min=0)
    leading = vectors.flip(1)[:, :rank]
    return leading * kept @ leading.T


def rebuilt(rows: Tensor, values: Tensor) -> Tensor:
    return rows.T * values @ rows


@pytest.mark.parametrize("width", [40, 9])  # at 9 the rows would be more than the matrix has
def test_it_grows_by_an_update_exactly_and_never_beyond_the_matrix(width: int) -> None:
    factors = of_spectrum(torch.linspace(1, 0.5, 5, dtype=torch.float64), width)
    expected = dense(factors)
    for seed in range(3):
        chance = torch.Generator().manual_seed(seed)
        x = torch.randn(4, width, generator=chance, dtype=torch.float64)
        cross = torch.randn(4, len(factors.core), generator=chance, dtype=torch.float64)
        own = torch.eye(4, dtype=torch.float64)
        mixed = x.T @ cross @ torch.cat(factors.blocks)
        expected = expected + mixed + mixed.T + x.T @ x
        factors = factors.plus(x, factors.coordinates(x), cross, own)
        scale = float(expected.abs().max())
        torch.testing.assert_close(dense(factors), expected, atol=1e-13 * scale, rtol=0)  # a few hundred roundings
        rows = torch.cat(factors.blocks)
        torch.testing.assert_close(factors.gram, rows @ rows.T)
        assert len(rows) <= width
    probe = torch.randn(3, width, dtype=torch.float64)
    torch.testing.assert_close(factors.times(probe), probe @ expected)


@pytest.mark.parametrize("project", [sketched_projection, ensemble_nystrom])
def test_a_projection_has_the_rank_and_is_positive_semidefinite(project: object) -> None:
    signed = torch.cat([torch.linspace(2, 0.1, 20), torch.linspace(-0.1, -1, 10)]).double()
    rows, values = project(of_spectrum(signed, 60), 8, torch.Generator().manual_seed(0))  # type: ignore[operator]
    assert rows.shape == (8, 60)
    assert bool((values >= 0).all())
    assert int(torch.linalg.matrix_rank(rebuilt(rows, values), rtol=1e-10)) == 8
    torch.testing.assert_close(rows @ rows.T, torch.eye(8, dtype=torch.float64), atol=1e-7, rtol=0)


def test_the_sketch_is_nearly_the_best_of_its_rank_and_much_nearer_than_the_ensemble() -> None:
    decaying = torch.cat([torch.ones(10), 0.3 * 0.9 ** torch.arange(110.0)]).double()
    worse = []
    for seed in range(3):
        factors = of_spectrum(decaying, 150, seed)
        matrix, chance = dense(factors), torch.Generator().manual_seed(seed)
        least = torch.linalg.norm(matrix - best(matrix, 10))
        found = (
            sketched_projection(factors, 10),
            sketched_projection(factors, 10, chance, 30),
            ensemble_nystrom(factors, 10, chance),
        )
        exact, sketched, drawn = (torch.linalg.norm(matrix - rebuilt(*each)) / least for each in found)
        torch.testing.assert_close(exact, torch.ones_like(exact))
        assert 1 - 1e-9 <= sketched < 1.05  # theorem 10.5 of Halko et al. allows sqrt(1 + r / (p - 1)) for a range
        worse.append(float(drawn / sketched))
    assert min(worse) > 1.5


def test_few_directions_are_projected_exactly_and_negative_ones_dropped() -> None:
    signed = torch.tensor([3.0, 2.0, 1.0, -5.0], dtype=torch.float64)
    factors = of_spectrum(signed, 30)
    matrix = dense(factors)
    torch.testing.assert_close(rebuilt(*sketched_projection(factors, 2)), best(matrix, 2))
    rows, values = sketched_projection(factors, 6)
    torch.testing.assert_close(rebuilt(rows, values), best(matrix, 6))
    torch.testing.assert_close(values, torch.tensor([3.0, 2.0, 1.0, 0, 0, 0], dtype=torch.float64))


def test_what_cannot_be_asked_for_is_refused() -> None:
    factors = of_spectrum(torch.ones(2, dtype=torch.float64), 5)
    with pytest.raises(InputError, match="rank must be at least 1, got 0"):
        sketched_projection(factors, 0)
    with pytest.raises(InputError, match="members must be at least 1, got 0"):
        ensemble_nystrom(factors, 1, members=0)
