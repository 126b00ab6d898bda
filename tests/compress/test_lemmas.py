"""The numbers of Lemmas 3.1 and 3.2 against their definitions, and the bounds against what they bound."""

from __future__ import annotations

import json
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.nn.functional import cross_entropy

from corank.compress.lemmas import CONFIDENCE, LossBounds, Outcomes, loss_bounds


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def outcomes(samples: int, seed: int, error: float = 0.5, classes: int = 4) -> Outcomes:
    z = normal(samples, 3, seed=seed)
    logits = 2 * torch.tanh(z @ normal(3, classes, seed=1000))
    labels = torch.randint(classes, (samples,), generator=torch.Generator().manual_seed(seed))
    return Outcomes(z=z, logits=logits, fitted=logits + error * normal(samples, classes, seed=seed + 1), labels=labels)


def bounds(fitted: Outcomes, heldout: Outcomes, order: int = 2) -> LossBounds:
    found = loss_bounds(fitted, heldout, order)
    assert found is not None
    return found


def test_every_number_is_what_its_definition_says() -> None:
    fitted, held = outcomes(300, 0), outcomes(80, 10)
    found = bounds(fitted, held)
    losses = [float(cross_entropy(held.logits[i : i + 1], held.labels[i : i + 1])) for i in range(80)]
    small = [float(cross_entropy(held.fitted[i : i + 1], held.labels[i : i + 1])) for i in range(80)]
    squares = (held.logits - held.fitted).square().sum(1)
    of_fit = (fitted.logits - fitted.fitted).square().sum(1)
    assert found.samples == 80
    assert found.loss_squared == pytest.approx(sum(loss**2 for loss in losses) / 80)
    assert found.polynomial_loss_squared == pytest.approx(sum(loss**2 for loss in small) / 80)
    assert found.residual == pytest.approx(float(squares.mean()))
    assert found.range_high == pytest.approx(float(of_fit.max()))
    assert found.share_beyond == pytest.approx(float((squares > of_fit.max()).double().mean()))
    assert math.exp(-2 * found.margin**2 * 80 / found.range_high**2) == pytest.approx(1 - CONFIDENCE)
    assert found.probability == CONFIDENCE
    assert found.polynomial_bound == pytest.approx(2 * found.loss_squared + 4 * (found.residual + found.margin))
    of_paper = 2 * found.loss_squared + 2 * 4 * (float(of_fit.mean()) + found.margin)
    assert found.polynomial_bound_of_paper == pytest.approx(of_paper)
    assert found.variables_bound == pytest.approx(2 * found.loss_squared + 2 * found.variables_error)
    assert json.loads(json.dumps(found.to_dict(), allow_nan=False)) == found.to_dict()
    assert found.row()["lemma 3.2"] == found.polynomial_loss_squared


@given(st.integers(0, 999), st.floats(0, 10), st.integers(2, 60), st.integers(2, 8), st.integers(0, 3))
def test_what_is_bounded_is_not_larger(seed: int, error: float, samples: int, classes: int, order: int) -> None:
    found = bounds(outcomes(100, seed, error, classes), outcomes(samples, seed + 1, error, classes), order)
    assert found.variables_loss_squared <= found.variables_bound * (1 + 1e-12)
    assert found.polynomial_loss_squared <= found.polynomial_bound * (1 + 1e-12)


@given(st.integers(0, 9999), st.integers(2, 10), st.floats(1e-6, 50))
def test_cross_entropy_is_lipschitz_with_the_root_of_two_for_any_number_of_classes(
    seed: int, classes: int, scale: float
) -> None:
    one, other = scale * normal(50, classes, seed=seed), scale * normal(50, classes, seed=seed + 10_000)
    labels = torch.zeros(50, dtype=torch.long)
    change = cross_entropy(one, labels, reduction="none") - cross_entropy(other, labels, reduction="none")
    assert bool((change.square() <= 2 * (one - other).square().sum(1) * (1 + 1e-9) + 1e-18).all())


def test_the_root_of_two_is_reached() -> None:
    sure = torch.tensor([[-30.0, 30.0]], dtype=torch.float64, requires_grad=True)
    cross_entropy(sure, torch.tensor([0])).backward()
    assert float(sure.grad.norm()) == pytest.approx(2**0.5)  # type: ignore[union-attr]


def test_a_polynomial_that_is_the_network_has_its_loss() -> None:
    exact, held = outcomes(200, 0, error=0.0), outcomes(50, 5, error=0.0)
    found = bounds(exact, held)
    assert found.polynomial_loss_squared == found.loss_squared
    assert found.residual == found.margin == found.range_high == found.share_beyond == 0
    assert found.polynomial_bound == 2 * found.loss_squared


def with_losses(z: Tensor, losses: Tensor) -> Outcomes:
    """Two classes whose cross entropies are given, each above 0."""
    logits = torch.stack([-torch.log(torch.expm1(losses)), torch.zeros_like(losses)], 1)
    return Outcomes(z=z, logits=logits, fitted=logits, labels=torch.zeros(len(z), dtype=torch.long))


def test_variables_that_tell_the_loss_leave_no_error_and_others_all_variance() -> None:
    z, unseen = normal(400, 2), normal(100, 2, seed=1)
    found = bounds(with_losses(z, 1 + z[:, 0] ** 2), with_losses(unseen, 1 + unseen[:, 0] ** 2))
    assert found.variables_error <= 1e-12
    assert found.variables_loss_squared == pytest.approx(found.loss_squared)
    chance, other = 1 + normal(400, seed=2) ** 2, 1 + normal(100, seed=3) ** 2
    apart = bounds(with_losses(z, chance), with_losses(unseen, other), order=0)
    assert apart.variables_loss_squared == pytest.approx(float(chance.mean()) ** 2)
    assert apart.variables_error == pytest.approx(float((other - chance.mean()).square().mean()))


def test_the_order_is_lowered_where_samples_are_few() -> None:
    few = outcomes(12, 0)  # less than five for each of the 4 coefficients of order 1
    found = bounds(few, outcomes(30, 1), order=3)
    assert found.variables_loss_squared == pytest.approx(float(few.losses.mean()) ** 2)


def test_the_population_is_within_the_margin_as_often_as_stated() -> None:
    """Residuals at both ends of the range, for which Hoeffding's inequality is hardest."""
    high, exceeded = 2.0, 0
    fitted = outcomes(50, 0, error=0.0)
    far = Outcomes(z=fitted.z, logits=fitted.logits, fitted=fitted.logits.clone(), labels=fitted.labels)
    far.fitted[:, 0] += high**0.5
    for seed in range(400):
        held = outcomes(40, seed, error=0.0)
        is_far = torch.rand(40, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) < 0.5
        held.fitted[:, 0] += high**0.5 * is_far
        found = bounds(far, held, order=0)
        exceeded += found.residual + found.margin < high / 2
    assert exceeded / 400 <= 1 - CONFIDENCE
    assert exceeded > 0


def test_without_heldout_samples_nothing_is_known() -> None:
    assert loss_bounds(outcomes(20, 0), outcomes(0, 1), 1) is None
