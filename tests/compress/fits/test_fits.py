"""What the fits promise beyond least squares: less error from fewer samples, and few coefficients."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from corank.compress.fits import Design, DOptimal, Fit, LeastSquares, Ridge, Sparse
from corank.compress.fits.base import CHUNK
from corank.errors import InputError
from corank.linalg import HermiteBasis

BASIS = HermiteBasis(6, 2)


def function(z: Tensor) -> Tensor:
    """Smooth, and no polynomial."""
    chance = torch.Generator().manual_seed(1)
    mix = torch.randn(6, 12, generator=chance, dtype=torch.float64) / 2
    return torch.tanh(z @ mix) @ torch.randn(12, 3, generator=chance, dtype=torch.float64)


def points(samples: int, seed: int) -> Tensor:
    return torch.randn(samples, 6, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def error(fit: Fit, z: Tensor, noise: float = 0.0, seed: int = 0) -> float:
    """The mean squared error on new samples of a fit to samples with noise."""
    disturbed = function(z) + noise * torch.randn(len(z), 3, generator=torch.Generator().manual_seed(seed)).double()
    found = fit.coefficients(Design(z, disturbed, BASIS.evaluate))
    unseen = points(4000, 99)
    return float((function(unseen) - BASIS.evaluate(unseen) @ found.values).square().sum(1).mean())


def mean_error(fit: Fit, samples: int, noise: float = 0.0) -> float:
    return sum(error(fit, points(samples, seed), noise, seed) for seed in range(8)) / 8


def test_a_design_is_the_same_each_time_and_as_long_as_the_samples() -> None:
    z = points(2 * CHUNK + 5, 0)
    design = Design(z, function(z), BASIS.evaluate)
    for _ in range(2):
        phi, targets = (torch.cat(parts) for parts in zip(*design, strict=True))
        assert torch.equal(phi, BASIS.evaluate(z))
        assert torch.equal(targets, function(z))
    assert (design.samples, design.terms, design.outputs) == (len(z), BASIS.terms, 3)
    assert torch.equal(torch.cat([phi for phi, _ in design.without_constant()]), phi[:, 1:])
    factor = torch.randn(BASIS.terms, 4, dtype=torch.float64)
    torch.testing.assert_close(torch.cat([phi for phi, _ in design.combined(factor)]), phi @ factor)


def test_a_ridge_gains_where_samples_are_few_and_noisy_and_loses_little_elsewhere() -> None:
    few = 2 * BASIS.terms
    assert mean_error(Ridge(), few, noise=2.0) < 0.8 * mean_error(LeastSquares(), few, noise=2.0)
    assert mean_error(Ridge(), 20 * BASIS.terms) < 1.02 * mean_error(LeastSquares(), 20 * BASIS.terms)


def test_chosen_samples_are_worth_more_than_as_many_random_ones() -> None:
    chosen = sum(error(DOptimal(share=1.5), points(400, seed)) for seed in range(8)) / 8
    drawn = mean_error(LeastSquares(), math.ceil(1.5 * BASIS.terms))
    assert chosen < 0.7 * drawn
    assert (
        DOptimal(share=1.5).coefficients(Design(points(400, 0), function(points(400, 0)), BASIS.evaluate)).samples == 42
    )


def test_few_coefficients_are_found_from_fewer_samples_than_coefficients() -> None:
    truth = torch.zeros(BASIS.terms, 2, dtype=torch.float64)
    truth[[0, 3, 11], 0] = torch.tensor([1.0, 2.0, -1.0], dtype=torch.float64)
    truth[[5, 20], 1] = torch.tensor([1.0, 1.0], dtype=torch.float64)
    z = points(BASIS.terms - 4, 3)
    found = Sparse().coefficients(Design(z, BASIS.evaluate(z) @ truth, BASIS.evaluate))
    torch.testing.assert_close(found.values, truth, rtol=0, atol=1e-6)
    assert torch.equal(found.values[1:] != 0, truth[1:] != 0)
    assert found.chosen == "6 of 56 coefficients are not zero"  # with both constants, of which one is rounding


def test_the_weights_of_chosen_samples_are_those_of_their_leverage() -> None:
    """On all samples they must give the weighted solution by LAPACK."""
    z = points(40, 5)
    found = DOptimal(share=2.0, ridge=0.0).coefficients(Design(z, function(z), BASIS.evaluate))
    assert found.samples == 40
    phi = BASIS.evaluate(z)
    leverage = torch.linalg.qr(phi)[0].square().sum(1, keepdim=True)
    expected = torch.linalg.lstsq(phi / leverage.sqrt(), function(z) / leverage.sqrt()).solution
    torch.testing.assert_close(found.values, expected, rtol=1e-8, atol=1e-8)


def test_a_choice_that_does_not_fit_in_memory_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("corank.compress.fits.d_optimal.MOST_VALUES", 1000)
    with pytest.raises(InputError, match="must hold at most 1,000 values, got 1,120: lower the rank or the order"):
        DOptimal().coefficients(Design(points(40, 0), function(points(40, 0)), BASIS.evaluate))


@pytest.mark.parametrize(
    ("kind", "options", "named"),
    [
        (LeastSquares, {"ridge": -1.0}, "ridge must be at least 0 and finite, got -1.0"),
        (LeastSquares, {"ridge": math.inf}, "ridge .* got inf"),
        (Sparse, {"folds": 1}, "folds must be at least 2, got 1"),
        (DOptimal, {"share": 0.5}, "share must be at least 1 and finite, got 0.5"),
        (DOptimal, {"ridge": math.nan}, "ridge .* got nan"),
    ],
)
def test_wrong_options_are_refused(kind: type[Fit], options: dict[str, float], named: str) -> None:
    with pytest.raises(InputError, match=named):
        kind(**options)
