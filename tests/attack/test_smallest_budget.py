from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from corank.attack import FGSM, PGD, LeastLikely, smallest_budget
from corank.attack.budget import Norm
from corank.errors import InputError

from .nets import digits, linear, nearest_boundary, right


@pytest.mark.parametrize("norm", ["l2", "linf"])
@pytest.mark.parametrize("rate", [0.5, 0.99, 1.0])
def test_of_a_linear_network_it_is_known(norm: Norm, rate: float) -> None:
    network = linear(2)
    x, y = right(network, 40)
    exact = float(nearest_boundary(network, x, y, norm).sort().values[math.ceil(rate * 40) - 1])
    attack = PGD(norm=norm, radius=1.0, random_start=False, steps=5)
    found = smallest_budget(attack, network, x, y, rate=rate, most=4 * exact, tolerance=1e-5 * exact)
    assert found.converged
    assert found.radius is not None
    assert exact <= found.radius <= exact * (1 + 1.1e-5)
    assert found.reached >= rate
    assert found.iterations == len(found.rates) <= 20


@pytest.mark.parametrize("attack", [PGD(radius=1.0, steps=5), LeastLikely(radius=1.0, step_size=0.02)])
def test_it_never_falls_as_the_rate_grows_and_the_rates_grow_with_the_radius(attack: Any) -> None:
    network, x, y = digits()
    budgets = []
    for rate in (0.1, 0.3, 0.6, 0.9):
        found = smallest_budget(attack, network, x, y, rate=rate, most=0.5, tolerance=0.002)
        assert found.converged == (found.radius is not None)
        budgets.append(math.inf if found.radius is None else found.radius)
        final = [float((found.distances <= radius).double().mean()) for radius, _ in sorted(found.rates)]
        assert final == sorted(final)
        for radius, then in found.rates:
            assert then <= float((found.distances <= radius).double().mean()), "an example was forgotten"
    assert budgets == sorted(budgets)


def test_what_is_reached_is_what_the_network_says() -> None:
    network, x, y = digits()
    found = smallest_budget(PGD(radius=1.0), network, x, y, rate=0.9, most=0.5, tolerance=0.01)
    assert found.radius is not None
    again = PGD(radius=found.radius, restarts=3).attack(network, x, y)
    assert 1 - again.accuracy == pytest.approx(found.reached, abs=0.03)
    wrong = network(x).argmax(1) != y
    assert bool((found.distances[wrong] == 0).all())
    assert found.gradients > 0


def test_it_says_where_the_largest_radius_is_not_enough() -> None:
    network, x, y = digits()
    found = smallest_budget(FGSM(radius=1.0), network, x, y, rate=1.0, most=0.01, tolerance=0.001)
    assert (found.converged, found.radius, found.iterations) == (False, None, 1)
    assert found.message.startswith("the largest radius, 0.01, reaches 0.")
    assert found.reached == found.rates[0][1] < 0.5
    assert found.to_dict()["radius"] is None


def test_nothing_is_needed_where_so_many_are_wrong_from_the_start() -> None:
    network, x, y = digits()
    found = smallest_budget(FGSM(radius=1.0), network, x, (y + 1) % 10, rate=0.5, most=0.1, tolerance=0.001)
    assert (found.converged, found.radius) == (True, 0.0)


def test_examples_can_be_made_on_another_network() -> None:
    network, x, y = digits()
    torch.manual_seed(0)
    other = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 10)).eval()
    white, black = (
        smallest_budget(FGSM(radius=1.0), network, x, y, rate=0.5, most=0.9, tolerance=0.01, source=source)
        for source in (None, other)
    )
    assert white.radius is not None
    assert black.radius is None or white.radius < black.radius


@pytest.mark.parametrize(
    ("options", "told"),
    [
        *(({"rate": rate}, f"rate must be .* got {rate}") for rate in (0.0, 1.1, math.nan)),
        *(({"most": most}, f"most must be .* got {most}") for most in (0.0, -1.0, math.inf)),
        *(({"tolerance": tolerance}, f"tolerance must be .* got {tolerance}") for tolerance in (0.0, math.nan)),
    ],
)
def test_wrong_options_are_refused(options: dict[str, Any], told: str) -> None:
    with pytest.raises(InputError, match=told):
        smallest_budget(FGSM(radius=1.0), *digits(), **{"most": 0.1, "tolerance": 0.01, **options})
