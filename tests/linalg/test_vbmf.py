"""Ranks of spectra: the closed form against free energies minimised by other means, scales, and planted ranks."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.optimize import minimize
from torch import Tensor

from corank.errors import InputError
from corank.linalg import VBMF, analytic_vbmf, gavish_donoho_rank, rank_by_energy
from corank.linalg.marchenko_pastur import marchenko_pastur_quantiles
from corank.linalg.spectrum_ranks import spectrum_of
from corank.linalg.vbmf import _FreeEnergy


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def planted(rows: int, columns: int, rank: int, noise: float, seed: int = 0) -> Tensor:
    """Singular values of random factors plus noise."""
    low_rank = normal(rows, rank, seed=seed) @ normal(rank, columns, seed=seed + 1)
    return torch.linalg.svdvals(low_rank + noise * normal(rows, columns, seed=seed + 2))


def component_energy(free: np.ndarray, value: float, shorter: int, longer: int) -> float:
    """Twice the free energy of one component at noise variance 1, as Nakajima et al. (2013) write it, over all of its
    means, variances and prior variances; the likelihood's terms without the component are left out."""
    a, b = free[:2]
    variance_a, variance_b, prior_a, prior_b = np.exp(free[2:])
    second_a, second_b = a**2 + longer * variance_a, b**2 + shorter * variance_b
    return float(
        longer * math.log(prior_a / variance_a)
        + shorter * math.log(prior_b / variance_b)
        + second_a / prior_a
        + second_b / prior_b
        - (shorter + longer)
        - 2 * a * b * value
        + second_a * second_b
    )


def least_component_energy(value: float, shorter: int, longer: int) -> float:
    """Its minimum by a general optimiser; 0 without the component."""
    starts = [np.array([s, s, -3.0, -3.0, 0.0, 0.0]) * 1.0 for s in (0.3, 1.0, math.sqrt(value))]
    options = {"maxiter": 4000, "ftol": 1e-15, "gtol": 1e-9}
    found = (
        minimize(component_energy, start, (value, shorter, longer), method="L-BFGS-B", options=options)
        for start in starts
    )
    return min(0.0, *(float(each.fun) for each in found))


@pytest.mark.parametrize(("shorter", "longer"), [(4, 4), (3, 7), (2, 20)])
@pytest.mark.parametrize("above", [0.9, 0.98, 1.02, 1.3, 3.0])
def test_a_component_is_worth_what_an_optimiser_finds(shorter: int, longer: int, above: float) -> None:
    energy = _FreeEnergy(spectrum_of(torch.ones(shorter), shorter, longer, None))
    value = above * math.sqrt(longer * energy.threshold)
    alone = _FreeEnergy(spectrum_of(torch.tensor([value]), shorter, longer, value**2))
    gain = alone.value(0.0, 1) - alone.value(0.0, 0) if above > 1 else 0.0
    assert longer * gain == pytest.approx(least_component_energy(value, shorter, longer), rel=1e-4, abs=2e-3)
    assert (gain < 0) == (above > 1)


def least_energies(squares: np.ndarray, shorter: int, longer: int, variances: np.ndarray) -> np.ndarray:
    """Twice the free energy at each noise variance, every component's minimised by the updates of variational Bayes."""
    value = np.sqrt(squares[None, :] / variances[:, None])
    a = b = np.sqrt(value)
    variance_a = variance_b = prior_a = prior_b = np.ones_like(value)
    for _ in range(3000):
        variance_a = 1 / (b**2 + shorter * variance_b + 1 / prior_a)
        a = variance_a * b * value
        variance_b = 1 / (a**2 + longer * variance_a + 1 / prior_b)
        b = variance_b * a * value
        prior_a, prior_b = a**2 / longer + variance_a, b**2 / shorter + variance_b
    second_a, second_b = a**2 + longer * variance_a, b**2 + shorter * variance_b
    each = longer * np.log(prior_a / variance_a) + shorter * np.log(prior_b / variance_b)
    each += second_a / prior_a + second_b / prior_b - (shorter + longer) - 2 * a * b * value + second_a * second_b
    return shorter * longer * np.log(variances) + squares.sum() / variances + np.minimum(each, 0).sum(1)


@pytest.mark.parametrize(
    ("shorter", "longer", "rank", "noise"), [(6, 9, 1, 0.3), (8, 8, 2, 0.2), (5, 40, 2, 1.0), (7, 12, 0, 1.0)]
)
@pytest.mark.parametrize("seed", [0, 10])
def test_the_noise_variance_is_where_the_minimised_free_energy_is_least(
    shorter: int, longer: int, rank: int, noise: float, seed: int
) -> None:
    values = planted(shorter, longer, rank, noise, seed)
    found = analytic_vbmf(values, shorter, longer)
    mean_square = float(values.square().sum()) / (shorter * longer)
    variances = np.geomspace(1e-4 * mean_square, mean_square, 600)
    energies = least_energies(values.square().numpy(), shorter, longer, variances)
    assert found.noise_variance == pytest.approx(variances[energies.argmin()], rel=0.02)  # the grid's step is 1.5 %
    at_found = least_energies(values.square().numpy(), shorter, longer, np.array([found.noise_variance]))
    assert float(at_found[0]) <= energies.min() + 1e-3
    assert found.rank == rank
    assert found.rank == int((values > found.threshold).sum())


def plateaus(*levels: tuple[int, float]) -> Tensor:
    """So many singular values falling from 1.5 to 0.7 times each level."""
    return torch.cat([level * torch.linspace(1.5, 0.7, count, dtype=torch.float64) for count, level in levels])


INDICES = torch.arange(256, dtype=torch.float64)


@pytest.mark.parametrize(
    ("values", "longer", "minima", "rank"),
    [
        (plateaus((2, 80), (20, 5), (18, 0.01)), 80, {2, 22}, 22),  # two strong components, a plateau, a lower one:
        (plateaus((2, 80), (20, 5), (18, 0.6)), 80, {2, 22}, 2),  # either may be the noise
        (plateaus((2, 80), (15, 2), (23, 0.001)), 40, {2, 17}, 17),
        (torch.cat([1 + 0.001 * INDICES[:10].flip(0), 0.01 * torch.ones(2)]), 120, {10}, 10),  # within one interval
        (1 / (1 + INDICES), 1024, {81}, 81),  # published code stops at 12
        (torch.exp(-0.05 * INDICES), 1024, {182}, 182),  # and here at 42
    ],
)
def test_of_all_minima_the_lowest_counts(values: Tensor, longer: int, minima: set[int], rank: int) -> None:
    shorter = len(values)
    values = values / math.sqrt(float(values.square().sum()) / (shorter * longer))
    energy = _FreeEnergy(spectrum_of(values, shorter, longer, None))
    places = np.linspace(-28, 0, 3000)
    fine = [energy.value(place, energy.kept(place)) for place in places]
    ends = [place for place in range(1, 2999) if fine[place - 1] > fine[place] < fine[place + 1]]
    assert {energy.kept(places[place]) for place in ends} >= minima
    found = analytic_vbmf(values, shorter, longer)
    assert energy.value(math.log(found.noise_variance), found.rank) <= min(fine) + 1e-9
    assert found.rank == rank == energy.kept(math.log(found.noise_variance))


@given(st.floats(0.05, 0.99), st.integers(0, 30))
def test_the_slope_is_that_of_the_energy(share: float, seed: int) -> None:
    values = planted(10, 15, 3, 0.5, seed)
    energy = _FreeEnergy(spectrum_of(values / math.sqrt(float(values.square().sum()) / 150), 10, 15, None))
    place = 6 * (share - 1)
    kept, step = energy.kept(place), 1e-6
    slope = (energy.value(place + step, kept) - energy.value(place - step, kept)) / (2 * step)
    if energy.kept(place - 0.01) == energy.kept(place + 0.01):  # at a threshold the root of t(x) has an end
        assert energy.slope(place, kept) == pytest.approx(slope, rel=1e-5, abs=1e-4)


@given(st.floats(-6, 6), st.integers(0, 20), st.integers(0, 99))
def test_the_rank_does_not_depend_on_the_scale_nor_on_which_side_is_longer(power: float, rank: int, seed: int) -> None:
    values = planted(40, 90, rank, 1.0, seed)
    found, scaled = analytic_vbmf(values, 40, 90), analytic_vbmf(values * 10**power, 40, 90)
    assert scaled.rank == found.rank
    assert scaled.noise_variance == pytest.approx(found.noise_variance * 10 ** (2 * power), rel=1e-6)
    assert scaled.has_noise_floor == found.has_noise_floor
    assert analytic_vbmf(values, 90, 40) == found
    assert gavish_donoho_rank(values * 10**power, 90, 40) == gavish_donoho_rank(values, 40, 90)


@pytest.mark.parametrize("rank", [0, 1, 20])
@pytest.mark.parametrize("noise", [0.01, 1.0, 3.0])
@pytest.mark.parametrize("shape", [(256, 1024), (200, 200)])
def test_a_planted_rank_and_its_noise_are_found(rank: int, noise: float, shape: tuple[int, int]) -> None:
    values = planted(*shape, rank, noise)
    found = analytic_vbmf(values, *shape)
    assert found.rank == rank == gavish_donoho_rank(values, *shape)
    assert found.noise_variance == pytest.approx(noise**2, rel=0.03)
    assert found.has_noise_floor
    assert found.misfit < 0.03
    assert not found.is_limit


@pytest.mark.parametrize("known", [256, 140, 60, 25])
def test_leading_values_and_the_energy_are_enough(known: int) -> None:
    values = planted(256, 1024, 20, 1.0)
    energy = float(values.square().sum())
    found = analytic_vbmf(values[:known], 256, 1024, energy=energy)
    assert (found.rank, found.has_noise_floor, found.is_limit) == (20, True, False)
    assert found.noise_variance == pytest.approx(analytic_vbmf(values, 256, 1024).noise_variance, rel=1e-9)
    assert gavish_donoho_rank(values[:known], 256, 1024, energy=energy) == 20


def test_where_every_known_value_is_kept_more_might_be() -> None:
    values = planted(256, 1024, 20, 1.0)
    found = analytic_vbmf(values[:15], 256, 1024, energy=float(values.square().sum()))
    assert (found.rank, found.is_limit, found.has_noise_floor) == (15, True, False)
    assert math.isnan(found.misfit)


@pytest.mark.parametrize("rank", [0, 1, 20])
def test_without_noise_the_rank_is_exact(rank: int) -> None:
    values = torch.cat([planted(256, 1024, 20, 0.0)[:rank], torch.zeros(256 - rank, dtype=torch.float64)])
    for given_values in (values, values[: rank + 1], planted(256, 1024, rank, 0.0) if rank else values):
        found = analytic_vbmf(given_values, 256, 1024, energy=float(given_values.square().sum()))
        assert (found.rank, found.noise_variance, found.threshold, found.has_noise_floor) == (rank, 0.0, 0.0, True)
        assert not found.is_limit
    exact = values[: max(1, rank)]
    assert not analytic_vbmf(exact, 256, 1024, energy=float(exact.square().sum())).is_limit
    assert gavish_donoho_rank(values, 256, 1024) == rank


@pytest.mark.parametrize(
    "values",
    [
        1 / torch.arange(1, 257, dtype=torch.float64),
        torch.exp(-0.05 * torch.arange(256, dtype=torch.float64)),
        torch.exp(-0.5 * torch.arange(256, dtype=torch.float64)),  # fades into rounding
        torch.linalg.svdvals(normal(256, 1024) * normal(256, 1, seed=1).exp()),  # noise of many variances
        torch.linalg.svdvals((normal(256, 20) @ normal(20, 1024, seed=1)).relu()),
    ],
)
def test_a_spectrum_that_only_decays_has_no_noise_floor(values: Tensor) -> None:
    assert not analytic_vbmf(values, 256, 1024).has_noise_floor


@pytest.mark.parametrize("aspect", [1.0, 0.5, 0.01])
def test_quantiles_of_noise_are_those_of_the_printed_density(aspect: float) -> None:
    low, high = (1 - math.sqrt(aspect)) ** 2, (1 + math.sqrt(aspect)) ** 2
    shares = torch.tensor([0.0, 0.1, 0.5, 0.9, 1.0], dtype=torch.float64)
    found = marchenko_pastur_quantiles(shares, aspect)
    assert float(found[0]) == pytest.approx(low, abs=1e-12)
    assert float(found[-1]) == pytest.approx(high)
    for share, value in zip(shares[1:-1].tolist(), found[1:-1].tolist(), strict=True):
        inside = quad(lambda x: math.sqrt((high - x) * (x - low)) / (2 * math.pi * aspect * x), low, value, limit=400)
        assert inside[0] == pytest.approx(share, abs=1e-5)


def test_square_noise_is_cut_at_the_published_multiple_of_the_median() -> None:
    """Gavish and Donoho: 2.858 times the median singular value of a square matrix."""
    values = torch.linspace(10, 0.1, 101, dtype=torch.float64)
    median = float(values.median())
    for factor, kept in ((2.85, 1), (2.87, 2)):
        values[0] = 100.0
        values[1] = factor * median
        ordered = torch.cat([values[:2], values[2:].clamp(max=median)])
        assert gavish_donoho_rank(ordered, 101, 101) == kept


@pytest.mark.parametrize("known", [101, 100, 60, 30])
def test_the_threshold_hardly_depends_on_how_many_values_are_known(known: int) -> None:
    """Noise exactly as the law has it, and 20 components from 0.9 to 1.3 times the threshold in steps of 2 %."""
    noise = marchenko_pastur_quantiles((torch.arange(180, 0, -1, dtype=torch.float64) - 0.5) / 200, 0.5).sqrt()
    lambda_half = math.sqrt(3 + 4 / (1.5 + math.sqrt(0.25 + 7 + 1)))
    components = lambda_half * torch.linspace(1.3, 0.9, 20, dtype=torch.float64)
    values = torch.cat([components, noise]).sort(descending=True).values
    exact = int((components > lambda_half).sum())
    assert gavish_donoho_rank(values, 200, 400) == exact
    energy = float(values.square().sum())
    assert abs(gavish_donoho_rank(values[:known], 200, 400, energy=energy) - exact) <= 1


@given(st.integers(1, 30), st.floats(0.01, 1.0), st.integers(0, 99))
def test_the_rank_by_energy_is_the_least_that_reaches_it(known: int, share: float, seed: int) -> None:
    values = normal(30, seed=seed).abs().sort(descending=True).values
    total = float(values.square().sum())
    found = rank_by_energy(values[:known], total, share)
    shares = [float(values[:count].square().sum()) / total for count in range(31)]
    if found is None:
        assert shares[known] < share
    else:
        assert shares[found - 1] < share <= shares[found] * (1 + 1e-11)
    assert rank_by_energy(values, total, 1.0) is not None


def test_results_are_plain_numbers() -> None:
    found = analytic_vbmf(planted(20, 30, 2, 0.1).float(), 20, 30)
    assert isinstance(found, VBMF)
    assert [type(value) for value in vars(found).values()] == [int, float, float, float, bool, bool]


@pytest.mark.parametrize(
    ("values", "energy", "named"),
    [
        (torch.ones(4), None, r"a matrix of 3 x 5 has 1 to 3 singular values, got shape \(4,\)"),
        (torch.ones(0), None, r"got shape \(0,\)"),
        (torch.ones(1, 3), None, r"got shape \(1, 3\)"),
        (torch.tensor([1.0, 2.0, 0.5]), None, "descending: sort them first"),
        (torch.tensor([1.0, 0.5, -0.1]), None, "not negative"),
        (torch.tensor([math.nan, 0.5, 0.1]), None, "must be finite"),
        (torch.ones(2), None, "2 of 3 singular values need the energy of all: give energy="),
        (torch.ones(2), 1.5, "at least the sum of the squares that are known, 2, got 1.5"),
        (torch.ones(2), math.inf, "got inf"),
    ],
)
def test_what_is_no_spectrum_is_refused(values: Tensor, energy: float | None, named: str) -> None:
    for rank_of in (analytic_vbmf, gavish_donoho_rank):
        with pytest.raises(InputError, match=named):
            rank_of(values, 3, 5, energy=energy)


def test_shares_and_energies_out_of_range_are_refused() -> None:
    for share in (0.0, 1.1, math.nan):
        with pytest.raises(InputError, match="share must be above 0 and at most 1"):
            rank_by_energy(torch.ones(2), 3.0, share)
    with pytest.raises(InputError, match="energy_total must be positive, got 0"):
        rank_by_energy(torch.zeros(2), 0.0, 0.5)
    with pytest.raises(InputError, match="energy must be at least"):
        rank_by_energy(torch.ones(2), 1.0, 0.5)
