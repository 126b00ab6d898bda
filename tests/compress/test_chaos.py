from __future__ import annotations

import math
from itertools import product
from typing import Any, get_args

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.polynomial import hermite_e
from torch import Tensor, nn

from corank.compress import PolynomialChaos
from corank.compress.chaos import BasisName, fit_expansion, levelled
from corank.compress.fits import DOptimal, Fit, LeastSquares, Ridge, Sparse
from corank.compress.heads import Head
from corank.compress.samples import draw_samples
from corank.errors import InputError
from corank.linalg import StreamingMoments, number_of_terms
from corank.linalg.hermite import multi_indices
from corank.measure import Batches
from corank.network import Cut, cut

from .polynomial import CLASSES, FEATURES, data, network, relative

EPS = float(torch.finfo(torch.float32).eps)


def powers(rank: int, order: int) -> list[tuple[int, ...]]:
    """The degree of each variable in each term, in the order of the coefficients."""
    return [tuple(int((term == v).sum()) for v in range(1, rank + 1)) for term in multi_indices(rank, order)]


def explicit_sum(z: np.ndarray, coefficients: np.ndarray, order: int) -> np.ndarray:
    """Every term as a product of `He_k / sqrt(k!)` of each variable, added up."""
    total = np.zeros((len(z), len(coefficients)))
    for number, degrees in enumerate(powers(z.shape[1], order)):
        value = np.ones(len(z))
        for variable, degree in enumerate(degrees):
            unit = np.zeros(degree + 1)
            unit[degree] = 1 / math.sqrt(math.factorial(degree))
            value = value * hermite_e.hermeval(z[:, variable], unit)
        total += value[:, None] * coefficients[:, number]
    return total


@pytest.mark.parametrize(("rank", "order"), [*product((1, 2, 4), (0, 1, 2, 3, 5)), (30, 2)])
@pytest.mark.parametrize("offset", [0.0, -1.75])
def test_it_is_the_sum_over_all_products_of_hermite_polynomials(rank: int, order: int, offset: float) -> None:
    chance = torch.Generator().manual_seed(rank + order)
    x = torch.randn(7, 2, 3, generator=chance, dtype=torch.float64)
    subspace = torch.randn(rank, 6, generator=chance, dtype=torch.float64)
    coefficients = torch.randn(4, number_of_terms(rank, order), generator=chance, dtype=torch.float64)
    with torch.no_grad():
        found = PolynomialChaos(subspace, coefficients, order, offset)(x)
    z = x.flatten(1) @ subspace.T - offset
    expected = torch.from_numpy(explicit_sum(z.numpy(), coefficients.numpy(), order))
    torch.testing.assert_close(found, expected, rtol=1e-11, atol=1e-11)


def test_all_terms_up_to_the_total_degree_are_there_once() -> None:
    terms = powers(3, 4)
    assert len(terms) == len(set(terms)) == number_of_terms(3, 4)
    assert set(terms) == {term for term in product(range(5), repeat=3) if sum(term) <= 4}


def test_both_matrices_are_trained_and_nothing_else_is_stored() -> None:
    head = PolynomialChaos(torch.randn(3, 8), torch.randn(4, 10), order=2, offset=0.5)
    assert {name: tuple(value.shape) for name, value in head.state_dict().items()} == {
        "subspace": (3, 8),
        "coefficients": (4, 10),
    }
    head(torch.randn(5, 8)).square().sum().backward()
    assert all(parameter.grad is not None and parameter.grad.abs().sum() > 0 for parameter in head.parameters())


@st.composite
def clouds(draw: st.DrawFn) -> Tensor:
    """Points `(m, r)` with any mean, spread and correlation, some variables constant."""
    rank = draw(st.integers(1, 6))
    chance = torch.Generator().manual_seed(draw(st.integers(0, 1000)))
    mean = torch.randn(rank, generator=chance, dtype=torch.float64) * draw(st.sampled_from([0.0, 1.0, 100.0]))
    mix = torch.randn(rank, rank, generator=chance, dtype=torch.float64) + 2 * torch.eye(rank, dtype=torch.float64)
    z = torch.randn(200, rank, generator=chance, dtype=torch.float64) @ mix + mean
    if draw(st.booleans()):
        z[:, draw(st.integers(0, rank - 1))] = draw(st.sampled_from([0.0, 3.0]))
    return z


@given(clouds())
def test_a_levelled_whitening_is_a_whitening_with_one_mean_for_all(z: Tensor) -> None:
    whitening = StreamingMoments(z.shape[1]).update(z).whitening()
    transform, offset = levelled(whitening)
    white = z @ transform - offset
    rounding = 1e-12 * (1 + float(z.abs().max()) * float(transform.abs().max()) * z.shape[1])
    assert white.mean(0).abs().max() <= rounding
    # the same variances in all as the whitening gives: a reflection turns them, no more
    expected, found = (torch.linalg.eigvalsh(torch.cov(points.T).reshape(z.shape[1], -1)) for points in
                       (whitening.whiten(z), white))  # fmt: skip
    torch.testing.assert_close(found, expected, atol=1e3 * rounding, rtol=0)
    assert offset * math.sqrt(z.shape[1]) == pytest.approx(float((whitening.mean @ whitening.transform).norm()))


def halves(rank: int, order: int, ratio: float = 1.0) -> Cut:
    net = network(rank, order, ratio)
    return cut(net, "2", data(1)[0][0])


def spanning(net: nn.Sequential) -> Tensor:
    """Orthonormal rows that span the directions which the polynomial reads."""
    return torch.linalg.qr(net[3].directions.detach().T)[0].T.contiguous()


def expansion(sliced: Cut, directions: Tensor, batches: Batches, *, samples: int, **options: Any) -> Head:
    return fit_expansion(draw_samples(sliced, directions, batches, samples), **options)


def fitted(rank: int, order: int, ratio: float = 1.0, **options: Any) -> tuple[Cut, Head]:
    sliced = halves(rank, order, ratio)
    directions = spanning(network(rank, order, ratio))
    settings = {"order": order, "samples": 10_000, **options}
    return sliced, expansion(sliced, directions, data(), **settings)


@pytest.mark.parametrize(("rank", "order"), [(1, 3), (2, 0), (2, 2), (4, 1)])
@pytest.mark.parametrize("ratio", [1.0, 30.0])
def test_a_polynomial_is_found_exactly(rank: int, order: int, ratio: float) -> None:
    sliced, found = fitted(rank, order, ratio)
    x = torch.cat([x for x, _ in data()])
    with torch.no_grad():
        logits, again = sliced.post(sliced.pre(x)), found.module(sliced.pre(x))
    scale = float(logits.double().square().mean().sqrt())
    assert float((again - logits).double().square().mean().sqrt()) <= 1e-4 * scale
    assert found.residual <= 1e-8 * scale**2 * CLASSES
    if order:
        assert relative(again, logits) <= 1e-4


@pytest.mark.parametrize("order", [1, 2, 3])
@pytest.mark.parametrize("ratio", [1.0, 10.0, 100.0])
@pytest.mark.parametrize("rank", [5, 20])
def test_rounding_grows_with_the_mean_and_not_with_a_power_of_it(rank: int, order: int, ratio: float) -> None:
    """In float32 a variable of mean |s| and unit spread is known to |s| eps, so no polynomial can do better."""
    chance = torch.Generator().manual_seed(order)
    mix = torch.randn(rank, rank, generator=chance) / rank**0.5 + torch.eye(rank)
    z = torch.randn(4000, rank, generator=chance) @ mix
    z = (z + ratio * z.std(0) * torch.randn(rank, generator=chance).sign()).double()
    whitening = StreamingMoments(rank).update(z).whitening()
    transform, offset = levelled(whitening)
    coefficients = torch.randn(3, number_of_terms(rank, order), generator=chance, dtype=torch.float64)
    exactly = PolynomialChaos(transform.T.contiguous(), coefficients, order, offset)
    rounded = PolynomialChaos(transform.T.float(), coefficients.float(), order, offset)
    with torch.no_grad():
        error = relative(rounded(z.float()), exactly(z.float().double()))
    assert error <= 8 * EPS * (1 + offset * rank**0.5)


def test_order_nought_is_the_mean() -> None:
    sliced, _ = fitted(2, 2)
    found = expansion(sliced, spanning(network(2, 2)), data(), order=0, fit=LeastSquares(ridge=0), samples=10_000)
    x = torch.cat([x for x, _ in data()])[torch.arange(16 * 64) % 5 != 4]
    with torch.no_grad():
        logits = sliced.post(sliced.pre(x))
        torch.testing.assert_close(found.module(sliced.pre(x[:2])), logits.mean(0).expand(2, -1), rtol=1e-5, atol=1e-5)
    assert found.residual == pytest.approx(found.variance, rel=1e-5)


def test_the_fit_is_the_least_squares_solution() -> None:
    """No coefficients of that order do better on the samples of the fit; here by LAPACK on plain monomials."""
    sliced = halves(3, 3)
    directions = spanning(network(3, 3))[:2]
    found = expansion(sliced, directions, data(), order=2, fit=LeastSquares(ridge=0), samples=10_000)
    x = torch.cat([x for x, _ in data()])[torch.arange(16 * 64) % 5 != 4]
    with torch.no_grad():
        features = sliced.pre(x)
        logits = sliced.post(features).double()
    z = (features @ directions.T).double()
    z = (z - z.mean(0)) / z.std(0)
    columns = torch.stack([z[:, 0] ** a * z[:, 1] ** b for a, b in powers(2, 2)], 1)
    best = logits - columns @ torch.linalg.lstsq(columns, logits).solution
    assert found.residual == pytest.approx(float(best.square().sum(1).mean()), rel=1e-4)
    assert found.residual > 1e-3 * found.variance


def test_samples_are_as_many_as_wanted_and_no_more() -> None:
    _, some = fitted(2, 2, samples=100)
    _, everything = fitted(2, 2, samples=10_000)
    assert some.samples == 100
    assert everything.samples == 16 * 64 - 16 * 64 // 5


def test_fewer_samples_than_coefficients_are_refused() -> None:
    sliced, directions = halves(3, 3), spanning(network(3, 3))
    x, y = data(1)[0]
    with pytest.raises(InputError, match=r"order 3 in 3 variables has 20 coefficients .* got 19: lower the rank"):
        expansion(sliced, directions, [(x[:23], y[:23])], order=3, samples=100)
    expansion(sliced, directions, [(x[:24], y[:24])], order=3, samples=100)


def test_features_that_do_not_vary_do_no_harm() -> None:
    """A direction along which all data agree can carry nothing, however large its value."""
    sliced = halves(2, 2, ratio=30.0)
    flat = torch.linalg.svd(torch.cat([sliced.pre(x) for x, _ in data()]).detach().sub(1))[2][-1:]
    directions = torch.linalg.qr(torch.cat([spanning(network(2, 2, 30.0)), flat]).T)[0].T.contiguous()
    assert directions.shape == (3, FEATURES)
    found = expansion(sliced, directions, data(), order=2, samples=10_000)
    assert found.residual <= 1e-8 * found.variance


def test_batches_of_other_samples_are_named() -> None:
    sliced, directions = halves(2, 2), spanning(network(2, 2))
    other = (torch.zeros(3, 5), torch.zeros(3))
    with pytest.raises(InputError, match=r"batch 1 have shape \(5,\)"):
        expansion(sliced, directions, [*data(1), other], order=1, samples=99)


def test_labels_that_name_no_class_are_refused_with_their_batch() -> None:
    sliced, directions = halves(2, 2), spanning(network(2, 2))
    x, y = data(2)[1]
    with pytest.raises(InputError, match=r"batch 1: label 5 is outside 0 \.\. 4"):
        expansion(sliced, directions, [*data(1), (x, y + 5 - y)], order=1, samples=99)


FITS = {"least-squares": LeastSquares(), "ridge": Ridge(), "sparse": Sparse(), "d-optimal": DOptimal()}
every_fit = pytest.mark.parametrize("fit", FITS.values(), ids=FITS)
every_basis = pytest.mark.parametrize("basis", ["hermite", "data-driven"])


@every_fit
@every_basis
@pytest.mark.parametrize(("rank", "order", "ratio"), [(2, 2, 30.0), (1, 3, 1.0), (3, 1, 1.0)])
def test_every_fit_in_every_basis_finds_a_polynomial(
    fit: Fit, basis: BasisName, rank: int, order: int, ratio: float
) -> None:
    sliced, found = fitted(rank, order, ratio, fit=fit, basis=basis)
    x = torch.cat([x for x, _ in data()])
    with torch.no_grad():
        assert relative(found.module(sliced.pre(x)), sliced.post(sliced.pre(x))) <= 2e-4
    assert found.residual <= 1e-7 * found.variance
    assert found.module.get_parameter("coefficients").shape == (CLASSES, number_of_terms(rank, order))


@every_fit
@every_basis
def test_every_fit_gives_a_constant_at_order_nought(fit: Fit, basis: BasisName) -> None:
    _, found = fitted(2, 0, fit=fit, basis=basis)
    assert found.module.get_parameter("coefficients").shape == (CLASSES, 1)
    assert found.residual == pytest.approx(found.variance, rel=1e-5)


def test_least_squares_do_not_depend_on_the_basis_and_shrinking_does() -> None:
    """Where the polynomial cannot be exact; the bases span the same functions."""
    sliced = halves(3, 3)
    directions = spanning(network(3, 3))[:2]
    made = {
        (ridge, basis): expansion(
            sliced, directions, data(), order=2, samples=900, fit=LeastSquares(ridge=ridge), basis=basis
        )
        .module.get_parameter("coefficients")
        .detach()
        for ridge in (0.0, 1.0)
        for basis in get_args(BasisName)
    }
    torch.testing.assert_close(made[0.0, "hermite"], made[0.0, "data-driven"], rtol=1e-4, atol=1e-4)
    assert relative(made[1.0, "hermite"], made[1.0, "data-driven"]) > 1e-3


def test_variables_that_do_not_vary_leave_the_data_driven_basis() -> None:
    sliced = halves(2, 2, ratio=30.0)
    flat = torch.linalg.svd(torch.cat([sliced.pre(x) for x, _ in data()]).detach().sub(1))[2][-1:]
    directions = torch.linalg.qr(torch.cat([spanning(network(2, 2, 30.0)), flat]).T)[0].T.contiguous()
    for fit in FITS.values():
        found = expansion(sliced, directions, data(), order=2, samples=10_000, fit=fit, basis="data-driven")
        assert found.residual <= 1e-7 * found.variance


def test_samples_that_are_needed_depend_on_the_fit() -> None:
    sliced, directions = halves(3, 3), spanning(network(3, 3))
    x, y = data(1)[0]
    few = [(x[:18], y[:18])]  # 15 of them for the fit of 20 coefficients
    for fit in (LeastSquares(), DOptimal()):
        with pytest.raises(InputError, match="needs at least 20 samples, got 15"):
            expansion(sliced, directions, few, order=3, samples=100, fit=fit)
    for fit in (Ridge(), Sparse()):
        assert expansion(sliced, directions, few, order=3, samples=100, fit=fit).samples == 15
    with pytest.raises(InputError, match="needs at least 10 samples, got 8"):
        expansion(sliced, directions, [(x[:9], y[:9])], order=3, samples=100, fit=Sparse())


@every_fit
def test_bounds_are_those_of_the_samples_that_were_held_out(fit: Fit) -> None:
    sliced, found = fitted(2, 1, fit=fit)
    x, y = (torch.cat(parts) for parts in zip(*data(), strict=True))
    held = torch.arange(len(x)) % 5 == 4
    with torch.no_grad():
        features = sliced.pre(x[held])
        logits, again = sliced.post(features).double(), found.module(features).double()
    losses = nn.functional.cross_entropy(logits, y[held], reduction="none")
    assert found.bounds is not None
    assert found.bounds.samples == int(held.sum())
    assert found.bounds.loss_squared == pytest.approx(float(losses.square().mean()), rel=1e-6)
    assert found.bounds.residual == pytest.approx(found.residual_heldout)
    assert found.bounds.residual == pytest.approx(float((logits - again).square().sum(1).mean()), rel=1e-4)
