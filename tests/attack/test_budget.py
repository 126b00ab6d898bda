from __future__ import annotations

import math
from typing import Any, get_args

import pytest
import torch

from corank.attack.budget import Budget, Norm, dual_lengths, lengths_of, within_radii
from corank.errors import InputError

NORMS: tuple[Norm, ...] = get_args(Norm)


def rows(scale: float = 1.0, seed: int = 0) -> torch.Tensor:
    return scale * torch.randn(50, 2, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("norm", NORMS)
def test_what_is_within_stays_and_what_is_not_goes_to_the_nearest_place(norm: Norm) -> None:
    budget, given = Budget(norm=norm, radius=1.5), rows()
    kept = budget.within(given)
    inside = budget.length(given) <= 1.5
    assert inside.any()
    assert (~inside).any()
    assert torch.equal(kept[inside], given[inside])
    assert bool((budget.length(kept) <= 1.5 * (1 + 1e-15)).all())
    # the nearest point of a convex set: no other of its points lies on the far side
    others = budget.within(rows(seed=1))
    assert bool((((given - kept) * (others - kept)).flatten(1).sum(1) <= 1e-12).all())


@pytest.mark.parametrize("norm", NORMS)
def test_a_radius_for_each_is_as_one_radius_for_that_one(norm: Norm) -> None:
    given, radii = rows(), torch.linspace(0.1, 3.0, 50, dtype=torch.float64)
    radii[7] = math.inf
    kept = within_radii(norm, given, radii)
    assert torch.equal(kept[7], given[7])
    for one, radius, found in zip(given, radii.tolist(), kept, strict=True):
        if radius < math.inf:
            assert torch.allclose(Budget(norm=norm, radius=radius).within(one[None])[0], found, atol=1e-15)


@pytest.mark.parametrize("norm", NORMS)
def test_no_direction_of_length_one_climbs_faster_than_the_steepest(norm: Norm) -> None:
    budget, gradients = Budget(norm=norm, radius=1.0), rows()
    steepest = budget.steepest(gradients)
    assert torch.allclose(budget.length(steepest), torch.ones(50, dtype=torch.float64))
    climbed = (steepest * gradients).flatten(1).sum(1)
    assert torch.allclose(climbed, dual_lengths(norm, gradients))
    for seed in range(20):
        assert bool(((budget.within(rows(5.0, seed)) * gradients).flatten(1).sum(1) <= climbed + 1e-12).all())


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("scale", [1e-40, 1e-25, 1e30])
def test_gradients_of_any_size_have_a_direction(norm: Norm, scale: float) -> None:
    given = rows().float() * scale  # 1e-40 has few digits left
    found = Budget(norm=norm, radius=2.0)
    for each, length in ((found.steepest(given), 1.0), (found.at_radius(given), 2.0)):
        assert torch.allclose(lengths_of(norm, each), torch.tensor(length), rtol=1e-5)
    zeros = torch.zeros(2, 3)
    assert torch.equal(found.steepest(zeros), zeros)
    assert torch.equal(found.at_radius(zeros), zeros)


@pytest.mark.parametrize("norm", NORMS)
def test_random_starts_fill_the_budget_and_follow_their_generator(norm: Norm) -> None:
    budget, like = Budget(norm=norm, radius=0.7), torch.zeros(4000, 2, 3, dtype=torch.float64)
    one, two = (budget.random(like, torch.Generator().manual_seed(3)) for _ in range(2))
    assert torch.equal(one, two)
    lengths = budget.length(one)
    assert 0.69 < float(lengths.max()) <= 0.7
    assert float(one.mean().abs()) < 0.02
    if norm == "l2":  # even from zero to the radius: four standard deviations of a mean of 4000
        assert abs(float(lengths.mean()) - 0.35) < 4 * 0.7 / math.sqrt(12 * 4000)
    else:
        assert abs(float(one.abs().mean()) - 0.35) < 4 * 0.7 / math.sqrt(12 * 24000)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"norm": "l3", "radius": 1.0}, "norm must be one of l2, linf, got 'l3'"),
        *(({"norm": "l2", "radius": radius}, f"radius must be .* got {radius}") for radius in (0.0, -1.0, math.nan)),
        ({"norm": "linf", "radius": math.inf}, "radius must be .* got inf"),
    ],
)
def test_what_is_no_budget_is_refused(options: dict[str, Any], told: str) -> None:
    with pytest.raises(InputError, match=told):
        Budget(**options)


def test_a_radius_as_large_as_the_range_takes_any_input_to_any_other_and_is_refused() -> None:
    low, high = -1.0, 2.0
    one, other = rows().clamp(low, high), rows(seed=1).clamp(low, high)
    one[0], other[0] = low, high
    for radius, reaches in ((3.0, True), (2.999, False)):
        budget = Budget(norm="linf", radius=radius)
        assert torch.equal(budget.within(other - one), other - one) is reaches
    with pytest.raises(InputError, match=r"radius 3.0 lets any input .* give one below 3"):
        Budget(norm="linf", radius=3.0).check_within((low, high))
    Budget(norm="linf", radius=2.999).check_within((low, high))
    Budget(norm="l2", radius=3.0).check_within((low, high))  # with two numbers an input there are some farther away
