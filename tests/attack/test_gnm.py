from __future__ import annotations

import pytest
import torch
from torch import Tensor

from corank.attack import GNM, PGD
from corank.attack.budget import Norm, dual_lengths
from corank.errors import InputError

from .nets import digits, linear, right


@pytest.mark.parametrize("norm", ["l2", "linf"])
@pytest.mark.parametrize("steps", [1, 5])
def test_of_linear_networks_it_reaches_the_best_class(norm: Norm, steps: int) -> None:
    network, radius = linear(6), 0.2
    x, y = right(network, 50)
    weight, logits = network[1].weight.detach(), network(x).detach()
    slopes = weight[None] - weight[y][:, None]
    ahead = logits - logits.gather(1, y[:, None])
    heights = ahead + radius * dual_lengths(norm, slopes.flatten(0, 1)).reshape(ahead.shape)
    possible = heights.scatter(1, y[:, None], -torch.inf).amax(1) > 0
    found = GNM(norm=norm, radius=radius, steps=steps).attack(network, x, y)
    if steps == 1:  # with more, the best class of a step may be another than that of the whole way
        assert torch.equal(found.succeeded, possible)
    assert bool((found.succeeded <= possible).all())


def by_the_formula(x: Tensor, y: Tensor, radius: float, steps: int) -> Tensor:
    """Balda et al. 2018 in linf, one input at a time."""
    network = digits()[0]
    moved = x[None].clone()
    for _ in range(steps):
        if int(network(moved).argmax(1)) != int(y):
            break
        slopes = torch.autograd.functional.jacobian(lambda given: network(given)[0], moved)[:, 0]
        ahead = network(moved).detach()[0] - network(moved).detach()[0, y]
        slopes = slopes - slopes[y]
        height = ahead + radius / steps * slopes.flatten(1).abs().sum(1)
        height[y] = -torch.inf
        moved = (moved + radius / steps * slopes[height.argmax()].sign()).clamp(0, 1)
    return moved[0]


def test_it_follows_the_formula() -> None:
    network, x, y = digits()
    found = GNM(radius=0.1, steps=5).attack(network, x, y)
    for row in (found.clean == y).nonzero()[:30, 0].tolist():
        assert torch.allclose(found.inputs[row], by_the_formula(x[row], y[row], 0.1, 5), atol=1e-6)


def test_it_fools_about_as_many_as_a_descent_of_as_many_steps() -> None:
    gnm, pgd = GNM(radius=0.05).attack(*digits()), PGD(radius=0.05, steps=5).attack(*digits())
    assert gnm.accuracy <= pgd.accuracy + 0.02


@pytest.mark.parametrize("wrong", [0, -1])
def test_no_steps_are_refused(wrong: int) -> None:
    with pytest.raises(InputError, match=f"steps must be .* got {wrong}"):
        GNM(radius=0.1, steps=wrong)
