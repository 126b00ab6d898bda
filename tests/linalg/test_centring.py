"""The downdated spectrum is that of the centred rows, exactly where the sketch is exact."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from corank.errors import InputError
from corank.linalg import FrequentDirections, Nystrom, centred


def normal(rows: int, columns: int, seed: int) -> Tensor:
    return torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@given(
    count=st.integers(1, 30),
    columns=st.integers(1, 12),
    rank=st.integers(1, 12),
    offset=st.sampled_from([0.0, 1.0, 10.0]),
    seed=st.integers(0, 99),
)
def test_agrees_with_an_svd_of_centred_rows(count: int, columns: int, rank: int, offset: float, seed: int) -> None:
    rows = normal(count, rank, seed) @ normal(rank, columns, seed + 1) + offset * normal(1, columns, seed + 2)
    _, values, vectors = torch.linalg.svd(rows, full_matrices=False)
    found, directions = centred(values, vectors, rows.mean(0), count)
    middle = rows - rows.mean(0)
    gram = directions.T @ (found.square()[:, None] * directions)
    torch.testing.assert_close(gram, middle.T @ middle, rtol=0, atol=1e-11 * float(values[0]) ** 2)
    torch.testing.assert_close(directions @ directions.T, torch.eye(len(found)).double(), rtol=0, atol=1e-10)
    assert bool((found[1:] <= found[:-1]).all())
    assert len(found) <= torch.linalg.matrix_rank(middle, rtol=1e-9) + 1


@pytest.mark.parametrize("kind", [FrequentDirections, Nystrom])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 2e-4), (torch.float64, 1e-9)])
def test_from_a_sketch_of_low_rank_rows(kind: type, dtype: torch.dtype, tolerance: float) -> None:
    rows = (normal(200, 5, 1) @ normal(5, 300, 2) + normal(1, 300, 3)).to(dtype)
    sketch = kind(12, 300, dtype=dtype).update(rows)
    found, directions = centred(sketch.singular_values, sketch.right_vectors, rows.double().mean(0), 200)
    middle = rows.double() - rows.double().mean(0)
    exact = torch.linalg.svdvals(middle)[:5]
    torch.testing.assert_close(found[:5], exact, rtol=tolerance, atol=0)
    assert directions.dtype == dtype
    outside = middle - middle @ directions.double().T @ directions.double()
    assert float(outside.norm()) <= tolerance * float(middle.norm())


def test_from_a_sketch_that_lost_something_the_certificate_still_holds() -> None:
    rows = normal(500, 40, 4) * 0.9 ** torch.arange(40) + 1
    sketch = FrequentDirections(15, 40, dtype=torch.float64).update(rows)
    found = centred(sketch.singular_values, sketch.right_vectors, rows.mean(0), 500)[0].square()
    exact = torch.linalg.svdvals(rows - rows.mean(0)).square()[: len(found)]
    assert bool((found <= exact + 1e-9).all())
    lost = torch.linalg.eigvalsh(
        rows.T @ rows - sketch.right_vectors.T @ (sketch.eigenvalues[:, None] * sketch.right_vectors)
    )[-1]
    assert bool((exact <= found + lost + 1e-9).all())


def test_rows_that_are_all_equal_leave_nothing() -> None:
    rows = normal(1, 6, 5).expand(10, 6)
    _, values, vectors = torch.linalg.svd(rows, full_matrices=False)
    found, directions = centred(values[:1], vectors[:1], rows.mean(0), 10)
    assert found.shape == (0,)
    assert directions.shape == (0, 6)
    empty = centred(torch.zeros(0), torch.zeros(0, 6), torch.zeros(6), 3)
    assert empty[0].shape == (0,)


def test_a_mean_that_leaves_the_span_by_little_leaves_directions_orthonormal() -> None:
    basis = torch.linalg.qr(normal(50, 3, 6))[0].T
    values, rows = torch.tensor([10.0, 1.0, 0.5]).double(), 100
    mean = basis[0] + 1e-11 * normal(1, 50, 7)[0]
    directions = centred(values, basis, mean, rows)[1]
    torch.testing.assert_close(directions @ directions.T, torch.eye(len(directions)).double(), rtol=0, atol=1e-9)


def test_wrong_input_is_refused() -> None:
    values, vectors, mean = torch.ones(2), torch.eye(2, 4), torch.ones(4)
    with pytest.raises(InputError, match=r"got \(3,\) and \(2, 4\)"):
        centred(torch.ones(3), vectors, mean, 5)
    with pytest.raises(InputError, match=r"mean must have shape \(4,\), got \(3,\)"):
        centred(values, vectors, torch.ones(3), 5)
    with pytest.raises(InputError, match="rows must be at least 1, got 0"):
        centred(values, vectors, mean, 0)
