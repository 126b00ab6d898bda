"""Nystrom's approximation: below A^T A, with the expected error of its theorem, far beyond what it holds."""

import pytest
import torch
from torch import Tensor

from corank.linalg import Nystrom


def matrix(spectrum: Tensor, rows: int, columns: int) -> Tensor:
    """A matrix with exactly these singular values."""
    chance = torch.Generator().manual_seed(0)
    left, right = (
        torch.linalg.qr(torch.randn(length, len(spectrum), generator=chance, dtype=torch.float64))[0]
        for length in (rows, columns)
    )
    return (left * spectrum) @ right.T


SPECTRA = {
    "exponential": torch.exp(-torch.arange(80, dtype=torch.float64) / 8),
    "harmonic": 1 / torch.arange(1, 81, dtype=torch.float64),
    "steps": torch.tensor([1.0] * 10 + [1e-2] * 70, dtype=torch.float64),
}


@pytest.mark.parametrize("spectrum", SPECTRA)
def test_expected_error_is_within_the_theorem(spectrum: str) -> None:
    values = SPECTRA[spectrum]
    rows, size = matrix(values, 100, 90), 24
    gram = rows.T @ rows
    errors = []
    for seed in range(20):
        sketch = Nystrom(size, 90, seed=seed, dtype=torch.float64).update(rows)
        vectors = sketch.right_vectors
        gap = torch.linalg.eigvalsh(gram - vectors.T @ (sketch.eigenvalues[:, None] * vectors))
        assert float(gap[0]) >= -1e-12  # never above A^T A
        errors.append(float(gap.clamp(min=0).sum()))
    tails = values.square().flip(0).cumsum(0).flip(0)
    bound = min((1 + r / (size - r - 1)) * float(tails[r]) for r in range(size - 1))
    # of twenty draws; an orthonormal test matrix is no worse than a Gaussian one
    assert sum(errors) / len(errors) <= 1.05 * bound
    assert sum(errors) / len(errors) >= float(tails[size])  # nothing of this rank can be better


def test_float32_reads_what_its_rounding_leaves() -> None:
    values = torch.arange(1, 81, dtype=torch.float64) ** -2
    rows = matrix(values, 100, 90)
    single = Nystrom(60, 90).update(rows.float())
    double = Nystrom(60, 90, dtype=torch.float64).update(rows)
    known = len(single.eigenvalues)
    assert known >= 30  # 31^-4 = 1e-6, ten times the rounding of the products
    torch.testing.assert_close(single.eigenvalues, double.eigenvalues[:known], rtol=0, atol=1e-6)


def test_a_matrix_that_is_not_positive_definite_by_rounding_is_still_read() -> None:
    rows = matrix(torch.tensor([1.0, 1e-9], dtype=torch.float64), 40, 30)
    for dtype in (torch.float32, torch.float64):
        sketch = Nystrom(20, 30, dtype=dtype)
        for row in rows.to(dtype):
            sketch.update(row[None])
        assert float(sketch.singular_values[0]) == pytest.approx(1, rel=1e-5)
        assert len(sketch.singular_values) <= 3


def test_test_vectors_depend_on_the_seed_only() -> None:
    rows = matrix(SPECTRA["harmonic"], 100, 90)
    one, same, other = (Nystrom(10, 90, seed=seed).update(rows.float()) for seed in (3, 3, 4))
    assert torch.equal(one.right_vectors, same.right_vectors)
    assert not torch.allclose(one.singular_values, other.singular_values, rtol=1e-3)
