"""Norms agree with numpy's singular values, whatever shape, rank and scale, and ratios keep their ranges."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from corank.errors import InputError
from corank.linalg import matrix_norms


def normal(rows: int, columns: int, seed: int) -> Tensor:
    return torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def assert_right(matrix: Tensor) -> None:
    found, entries = matrix_norms(matrix), matrix.double().numpy()
    largest = np.abs(entries).max()
    values = np.linalg.svd(entries / largest, compute_uv=False) * largest
    frobenius = np.linalg.norm(entries / largest) * largest
    expected = {
        "spectral": values[0],
        "frobenius": frobenius,
        "nuclear": values.sum(),
        "absolute": np.abs(entries).sum(),
        "effective_rank": values.sum() / frobenius,
        "effective_sparsity": np.abs(entries).sum() / frobenius,
        "stable_rank": (frobenius / values[0]) ** 2,
    }
    assert {name: getattr(found, name) for name in expected} == pytest.approx(expected, rel=2e-9)


@given(
    shape=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    rank=st.integers(1, 40),
    decay=st.sampled_from([0.3, 0.9, 1.0]),
    scale=st.sampled_from([1e-200, 1e-20, 1.0, 1e100]),
    seed=st.integers(0, 99),
)
def test_agrees_with_numpy(shape: tuple[int, int], rank: int, decay: float, scale: float, seed: int) -> None:
    weights = decay ** torch.arange(rank, dtype=torch.float64)
    if scale == 1e-200:
        scale = 1e-140  # its squares still have a sum in float64
    assert_right((normal(shape[0], rank, seed) * weights) @ normal(rank, shape[1], seed + 1) * scale)


@pytest.mark.parametrize("least", [1e-3, 1e-7, 1e-12, 0.0])
@pytest.mark.parametrize("count", [1, 49])
def test_small_singular_values_count_in_the_nuclear_norm(least: float, count: int) -> None:
    left, right = torch.linalg.qr(normal(50, 50, 1))[0], torch.linalg.qr(normal(200, 50, 2))[0]
    values = torch.cat([torch.ones(50 - count), torch.full((count,), least)]).double()
    matrix = (left * values) @ right.T
    assert_right(matrix)
    assert_right(matrix.T)
    assert_right(matrix.float())


def test_known_matrices() -> None:
    orthogonal = torch.linalg.qr(normal(16, 16, 3))[0]
    found = matrix_norms(5 * orthogonal)
    assert found.effective_rank == pytest.approx(4)
    assert found.stable_rank == pytest.approx(16)
    one = matrix_norms(torch.ones(3, 12))
    assert (one.effective_rank, one.stable_rank) == (pytest.approx(1), pytest.approx(1))
    assert one.effective_sparsity == pytest.approx(6)
    single = torch.zeros(4, 5)
    single[2, 3] = -7
    assert matrix_norms(single).effective_sparsity == pytest.approx(1)


@given(rows=st.integers(1, 20), columns=st.integers(1, 20), seed=st.integers(0, 99))
def test_ratios_keep_their_ranges(rows: int, columns: int, seed: int) -> None:
    matrix, rank = normal(rows, columns, seed), min(rows, columns)
    found = matrix_norms(matrix)
    assert 1 - 1e-12 <= found.effective_rank <= rank**0.5 + 1e-12
    assert 1 - 1e-12 <= found.stable_rank <= rank + 1e-12
    assert 1 - 1e-12 <= found.effective_sparsity <= (rows * columns) ** 0.5 + 1e-12
    doubled = matrix_norms(-2 * matrix.T)
    assert doubled.effective_rank == pytest.approx(found.effective_rank, rel=1e-12)
    assert doubled.spectral == pytest.approx(2 * found.spectral, rel=1e-12)


def test_wrong_input_is_refused() -> None:
    with pytest.raises(InputError, match=r"two dimensions, got shape \(2, 3, 4\)"):
        matrix_norms(torch.ones(2, 3, 4))
    with pytest.raises(InputError, match="must not be all zeros"):
        matrix_norms(torch.zeros(2, 3))
    with pytest.raises(InputError, match="must not be all zeros"):
        matrix_norms(torch.zeros(0, 3))
    with pytest.raises(InputError, match="the matrix must be finite, got nan in row 1"):
        matrix_norms(torch.tensor([[1.0], [float("nan")]]))
    with pytest.raises(InputError, match=r"got torch\.int64"):
        matrix_norms(torch.ones(2, 2, dtype=torch.long))
