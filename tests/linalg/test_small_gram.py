"""Factors through the Gram matrix agree with an SVD down to what a Gram matrix can tell."""

import pytest
import torch

from corank.linalg.small_gram import leading_factors


@pytest.mark.parametrize("features", [7, 2048, 5000])
@pytest.mark.parametrize("decay", [0.9, 0.3])
def test_agrees_with_an_svd(features: int, decay: float) -> None:
    chance = torch.Generator().manual_seed(features)
    rows = torch.randn(12, features, generator=chance, dtype=torch.float64) * decay ** torch.arange(12)[:, None]
    values, vectors = leading_factors(rows, limit=6)
    _, exact, exact_vectors = torch.linalg.svd(rows, full_matrices=False)
    torch.testing.assert_close(values, exact[:6], rtol=0, atol=1e-8 * float(exact[0]))
    agreement = (vectors * exact_vectors[:6]).sum(1).abs()
    torch.testing.assert_close(agreement, torch.ones(6, dtype=torch.float64), rtol=0, atol=1e-8)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_vectors_are_orthonormal_over_a_steep_spectrum(dtype: torch.dtype) -> None:
    chance = torch.Generator().manual_seed(0)
    rows = torch.randn(40, 300, generator=chance, dtype=torch.float64)
    rows = (torch.linalg.qr(rows.T)[0] * 10.0 ** -torch.linspace(0, 12, 40, dtype=torch.float64)).T.to(dtype)
    values, vectors = leading_factors(rows, limit=40)
    resolved = 1e-5 if dtype == torch.float32 else 2e-7
    assert float(values[-1]) > resolved / 2
    assert len(values) >= int((torch.linalg.vector_norm(rows, dim=1) > 2 * resolved).sum())
    identity = torch.eye(len(values), dtype=torch.float64)
    rounding = 10 * torch.finfo(dtype).eps
    torch.testing.assert_close(vectors.double() @ vectors.double().T, identity, rtol=0, atol=rounding)


def test_rank_is_not_overstated() -> None:
    row = torch.arange(1.0, 9.0)
    values, vectors = leading_factors(row.repeat(5, 1), limit=5)
    torch.testing.assert_close(values, torch.linalg.vector_norm(row.repeat(5, 1)).double().reshape(1))
    torch.testing.assert_close(vectors.abs(), (row / row.norm())[None])
