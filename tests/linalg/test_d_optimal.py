"""Greedy D-optimal rows against every subset, and against the determinants of every next step."""

from __future__ import annotations

import math
from itertools import combinations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from corank.errors import InputError
from corank.linalg import d_optimal_rows


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def log_determinant(rows: Tensor) -> float:
    return float(torch.logdet(rows.T @ rows))


@pytest.mark.parametrize("count", [3, 4, 5, 7, 8])
def test_near_the_best_of_all_subsets_of_eight_rows(count: int) -> None:
    shares = []
    for seed in range(60):
        matrix = normal(8, 3, seed=seed)
        best = max(log_determinant(matrix[list(chosen)]) for chosen in combinations(range(8), count))
        found = log_determinant(matrix[d_optimal_rows(matrix, count)])
        assert found <= best + 1e-9
        if count == 3:  # greedy pivots: the volume is at least 1 / n! of the largest (Civril and Magdon-Ismail 2009)
            assert found >= best - 2 * math.log(math.factorial(3)) - 1e-9
        shares.append(math.exp((found - best) / 3))
    assert min(shares) > 0.45
    assert sum(shares) / len(shares) > 0.93
    assert sum(share > 1 - 1e-9 for share in shares) >= 20  # often it is the best


@given(st.integers(1, 6), st.integers(0, 999))
def test_every_step_is_the_best_next_one(features: int, seed: int) -> None:
    matrix = normal(25, features, seed=seed)
    order = d_optimal_rows(matrix, 12 if features < 6 else 20).tolist()
    assert len(set(order)) == len(order)
    for count in range(features, len(order)):
        chosen = order[:count]
        following = {row: log_determinant(matrix[[*chosen, row]]) for row in range(len(matrix)) if row not in chosen}
        assert following[order[count]] == pytest.approx(max(following.values()), abs=1e-9)
    squares = matrix.square().sum(1)
    assert float(squares[order[0]]) == pytest.approx(float(squares.max()))


def test_all_rows_may_be_asked_for_and_dtypes_do_not_matter() -> None:
    matrix = normal(9, 2)
    assert sorted(d_optimal_rows(matrix, 9).tolist()) == list(range(9))
    assert d_optimal_rows(matrix.float(), 2).tolist() == d_optimal_rows(matrix, 2).tolist()


@pytest.mark.parametrize(
    ("matrix", "count", "named"),
    [
        (normal(5, 3), 2, r"shape \(5, 3\) needs a count of rows from its columns to its rows, got 2"),
        (normal(5, 3), 6, "got 6"),
        (normal(2, 3), 3, "got 3"),
        (torch.ones(5, 2), 3, "must have rank 2, got 1: leave out columns"),
        (normal(5, 2) / 0, 3, "must be finite"),
    ],
)
def test_what_is_no_design_is_refused(matrix: Tensor, count: int, named: str) -> None:
    with pytest.raises(InputError, match=named):
        d_optimal_rows(matrix, count)
