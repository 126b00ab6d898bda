"""Rows chosen by volume, by GappyPOD+E and by dominance, against determinants and decompositions formed anew."""

from __future__ import annotations

import math
from typing import get_args

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.linalg import qr
from torch import Tensor

from corank.errors import InputError
from corank.linalg import a_priori_constant, select_rows
from corank.linalg.gappy_pod_e import gappy_pod_e_rows
from corank.linalg.greedy_volume import pivoted_rows, volume_rows
from corank.linalg.maxvol import TOLERANCE, dominance, dominant_rows
from corank.linalg.row_selection import Method

METHODS = get_args(Method)
ROUNDING = 1e-9  # a thousand times what float64 leaves of well-conditioned matrices of this size


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def orthonormal(features: int, rank: int, seed: int = 0) -> Tensor:
    return torch.linalg.qr(normal(features, rank, seed=seed))[0]


def heavy(features: int, rank: int, seed: int = 0) -> Tensor:
    """Orthonormal columns whose rows have lengths over several powers of ten."""
    return torch.linalg.qr(normal(features, rank, seed=seed) * normal(features, 1, seed=seed + 1).mul(3).exp())[0]


def log_volume(rows: Tensor) -> float:
    return float(torch.logdet(rows.T @ rows))


@given(st.sampled_from(METHODS), st.integers(1, 6), st.integers(0, 30), st.integers(0, 999))
def test_the_constant_bounds_what_becomes_of_every_error(method: Method, rank: int, more: int, seed: int) -> None:
    basis = orthonormal(40, rank, seed=seed)
    found = select_rows(basis, rank + more, method=method)
    assert found.rows.tolist() == sorted(set(found.rows.tolist()))
    assert len(found.rows) == rank + more
    chosen = basis[found.rows]
    assert found.constant == pytest.approx(1 / float(torch.linalg.svdvals(chosen)[-1]), rel=ROUNDING)
    error = normal(40, 100, seed=seed + 1)
    coordinates = torch.linalg.pinv(chosen) @ error[found.rows]
    assert (coordinates.norm(dim=0) <= found.constant * error.norm(dim=0) * (1 + ROUNDING)).all()
    whole = error - basis @ coordinates
    beside = error - basis @ (basis.T @ error)
    assert (whole.norm(dim=0) <= found.constant * beside.norm(dim=0) * (1 + ROUNDING)).all()


@given(st.integers(1, 20), st.integers(0, 999), st.sampled_from([0.0, 3.0, 9.0]))
def test_pivots_are_those_of_a_qr_factorisation(rank: int, seed: int, decades: float) -> None:
    """Also of columns whose lengths span many powers of ten, where differences of squares would lose every digit."""
    matrix = normal(200, rank, seed=seed) * torch.logspace(0, -decades, rank, dtype=torch.float64)
    rows, coordinates = pivoted_rows(matrix)
    assert rows.tolist() == qr(matrix.numpy().T, mode="r", pivoting=True)[1][:rank].tolist()
    again = torch.linalg.solve(matrix[rows], matrix, left=False)
    assert torch.allclose(coordinates, again, atol=1e-14 * 10**decades * 1e3)


@given(st.integers(1, 8), st.integers(0, 999), st.booleans())
def test_every_further_row_is_the_best_next_one_by_volume(rank: int, seed: int, is_heavy: bool) -> None:
    basis = heavy(40, rank, seed) if is_heavy else orthonormal(40, rank, seed)
    first, coordinates = pivoted_rows(basis)
    order = volume_rows(coordinates, first, 20).tolist()
    assert order[:rank] == first.tolist()
    for count in range(rank, 20):
        chosen = order[:count]
        following = {row: log_volume(basis[[*chosen, row]]) for row in range(40) if row not in chosen}
        assert following[order[count]] == pytest.approx(max(following.values()), abs=1e-7)
        inverse = torch.linalg.inv(basis[chosen].T @ basis[chosen])
        leverage = float(basis[order[count]] @ inverse @ basis[order[count]])
        assert following[order[count]] - log_volume(basis[chosen]) == pytest.approx(math.log1p(leverage), abs=1e-7)


def test_a_pool_followed_over_many_blocks_chooses_what_leverages_formed_anew_do() -> None:
    basis = orthonormal(1000, 30)
    first, coordinates = pivoted_rows(basis)
    order = volume_rows(coordinates, first, 250)
    inverse = torch.linalg.inv(basis[first].T @ basis[first])
    for place in range(30, 250):
        leverages = ((basis @ inverse) * basis).sum(1)
        leverages[order[:place]] = -1
        assert int(leverages.argmax()) == int(order[place])
        inverse = torch.linalg.inv(basis[order[: place + 1]].T @ basis[order[: place + 1]])


@given(st.integers(1, 8), st.integers(0, 999), st.booleans())
def test_no_swap_improves_dominant_rows_and_the_volume_never_falls(rank: int, seed: int, is_heavy: bool) -> None:
    basis = heavy(60, rank, seed) if is_heavy else orthonormal(60, rank, seed)
    start = torch.randperm(60, generator=torch.Generator().manual_seed(seed))[:rank]  # swaps are few from the pivots
    before = torch.linalg.solve(basis[start], basis, left=False)
    rows, coordinates = dominant_rows(before, start)
    assert len(set(rows.tolist())) == rank
    assert torch.allclose(coordinates @ basis[rows], basis, atol=1e-8)
    assert dominance(basis, rows) <= 1 + TOLERANCE + 1e-8
    assert log_volume(basis[rows]) >= log_volume(basis[start]) - 1e-8
    swap = max(
        log_volume(basis[[*rows[:place].tolist(), row, *rows[place + 1 :].tolist()]])
        for place in range(rank)
        for row in range(60)
        if row not in rows
    )
    assert swap - log_volume(basis[rows]) <= 2 * math.log(1 + TOLERANCE) + 1e-7


def test_maxvol_improves_on_pivots_that_a_swap_beats() -> None:
    basis = torch.tensor([[1.0, 0.9, 0.0], [1.0, -0.9, 0.0], [0.0, 0.0, 1.0], [1.3, 0.0, 0.5]], dtype=torch.float64)
    basis = torch.linalg.qr(basis)[0]
    volumes = [abs(float(torch.linalg.det(basis[select_rows(basis, 3, method=m).rows]))) for m in ("volume", "maxvol")]
    assert volumes[1] >= volumes[0]
    grown = select_rows(basis, 4, method="maxvol")
    assert grown.constant == pytest.approx(1)


def expected_rise(basis: Tensor, chosen: list[int]) -> Tensor:
    """The bound of Peherstorfer, Drmac and Gugercin (2020) for every row, as they print it, from an SVD."""
    _, values, vectors = torch.linalg.svd(basis[chosen], full_matrices=False)
    gap = values[-2] ** 2 - values[-1] ** 2
    turned = vectors @ basis.T
    total = gap + turned.square().sum(0)
    return (total - (total.square() - 4 * gap * turned[-1].square()).sqrt()) / 2


@pytest.mark.parametrize(("rank", "features"), [(2, 30), (7, 60), (80, 300)])  # 80: by Lanczos' method
def test_gappy_pod_e_adds_the_row_with_the_largest_bound_which_holds(rank: int, features: int) -> None:
    basis = orthonormal(features, rank)
    first, _ = pivoted_rows(basis)
    order = gappy_pod_e_rows(basis, first, rank + 15).tolist()
    for count in range(rank, rank + 15):
        rises = expected_rise(basis, order[:count])
        rises[order[:count]] = -1
        assert int(rises.argmax()) == order[count]
        before, after = (float(torch.linalg.svdvals(basis[order[:many]])[-1]) ** 2 for many in (count, count + 1))
        assert after - before >= float(rises[order[count]]) - ROUNDING


@pytest.mark.parametrize("rank", [1, 3, 100])
def test_gappy_pod_e_where_the_smallest_singular_values_are_equal(rank: int) -> None:
    basis = torch.eye(rank, dtype=torch.float64).repeat(3, 1) / math.sqrt(3)
    found = select_rows(basis, 2 * rank, method="gappy-pod-e")
    assert len(found.rows.unique()) == 2 * rank
    assert found.constant == pytest.approx(math.sqrt(3 / 2))


@given(st.sampled_from(METHODS), st.integers(1, 6), st.integers(0, 999))
def test_the_choice_follows_a_permutation_of_the_rows(method: Method, rank: int, seed: int) -> None:
    basis = orthonormal(50, rank, seed=seed)
    order = torch.randperm(50, generator=torch.Generator().manual_seed(seed))
    permuted = select_rows(basis[order], 2 * rank, method=method)
    assert order[permuted.rows].sort().values.tolist() == select_rows(basis, 2 * rank, method=method).rows.tolist()


@pytest.mark.parametrize("method", METHODS)
def test_all_rows_keep_every_error_as_it_is(method: Method) -> None:
    found = select_rows(orthonormal(9, 3), 9, method=method)
    assert found.rows.tolist() == list(range(9))
    assert found.constant == pytest.approx(1)


@pytest.mark.parametrize("method", METHODS)
def test_chosen_rows_beat_chance_and_respect_the_floor(method: Method) -> None:
    basis = orthonormal(2000, 20)
    found = select_rows(basis, 30, method=method).constant
    chance = torch.randperm(2000, generator=torch.Generator().manual_seed(0))[:30]
    assert math.sqrt(2000 / 30) <= found < 0.6 / float(torch.linalg.svdvals(basis[chance])[-1])
    assert found < a_priori_constant(2000, 20, 30)


@pytest.mark.parametrize("method", METHODS)
def test_a_basis_in_float32_is_worked_on_in_float64(method: Method) -> None:
    basis = orthonormal(60, 5).float()
    found, same = select_rows(basis, 8, method=method), select_rows(basis.double(), 8, method=method)
    assert found.rows.dtype == torch.long
    assert found.rows.tolist() == same.rows.tolist()
    assert found.constant == same.constant


def test_the_choice_by_volume_does_not_depend_on_the_basis_of_the_space() -> None:
    basis, mixing = orthonormal(80, 4), normal(4, 4, seed=3)
    first, _ = pivoted_rows(basis)
    rows = [volume_rows(torch.linalg.solve(v[first], v, left=False), first, 12) for v in (basis, basis @ mixing)]
    assert rows[0].tolist() == rows[1].tolist()


def test_a_priori_constant_at_its_ends_and_as_printed() -> None:
    assert a_priori_constant(10, 3, 10) == 1
    assert a_priori_constant(10, 3, 3) == pytest.approx(math.sqrt(1 + 7 * 3))
    assert a_priori_constant(10, 1, 1) == pytest.approx(math.sqrt(10))
    with pytest.raises(InputError, match="expected 1 <= rank <= rows <= features, got rank 3, rows 2, features 10"):
        a_priori_constant(10, 3, 2)
    with pytest.raises(InputError, match="rows 11, features 10"):
        a_priori_constant(10, 3, 11)
    with pytest.raises(InputError, match="got rank 0"):
        a_priori_constant(10, 0, 3)


@pytest.mark.parametrize(
    ("basis", "count", "named"),
    [
        (normal(5, 3), 2, r"shape \(5, 3\) needs a count of rows from its columns to its rows, got 2"),
        (normal(5, 3), 6, "got 6"),
        (normal(2, 3), 3, "got 3"),
        (normal(5), 3, r"shape \(5,\)"),
        (normal(5, 0), 3, r"shape \(5, 0\)"),
        (torch.ones(5, 2), 3, "must have independent columns, got 2 of rank 1"),
        (torch.zeros(5, 2), 3, "got 2 of rank 0"),
        (normal(5, 2) / 0, 3, "must be finite"),
        (torch.ones(5, 2, dtype=torch.long), 3, "floating-point"),
    ],
)
def test_what_is_no_basis_is_refused(basis: Tensor, count: int, named: str) -> None:
    with pytest.raises(InputError, match=named):
        select_rows(basis, count)


def test_unknown_methods_and_dominance_of_too_many_rows_are_refused() -> None:
    with pytest.raises(InputError, match="one of volume, gappy-pod-e, maxvol, got 'random'"):
        select_rows(normal(5, 2), 3, method="random")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="as many rows as columns, got 3 rows of 2 columns"):
        dominance(normal(5, 2), torch.arange(3))
