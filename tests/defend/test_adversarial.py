from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from corank.attack import PGD
from corank.attack.budget import lengths_of
from corank.defend import Adversarial, Course, Perturbed, Watch
from corank.errors import InputError
from corank.train import Triangle


def plane(samples: int = 400) -> tuple[Tensor, Tensor]:
    """Two features that tell the class: one surely but by little, one by much but not always."""
    chance = torch.Generator().manual_seed(0)
    y = torch.randint(2, (samples,), generator=chance)
    sign = 2.0 * y - 1
    sure = 0.5 + 0.05 * sign
    wide = 0.5 + 0.3 * sign * torch.where(torch.rand(samples, generator=chance) < 0.9, 1.0, -1.0)
    return torch.stack([sure, wide], 1), y


def fresh() -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(nn.Linear(2, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 2)).eval()


@pytest.mark.parametrize("attack", ["fgsm", "pgd", "fast"])
@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_what_is_learnt_lies_within_budget_and_bounds_and_has_a_larger_loss(attack: Any, norm: Any) -> None:
    network, (x, y) = fresh(), plane()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    perturb = Adversarial(attack=attack, radius=0.1, norm=norm).perturbed((0.0, 1.0))
    network.train()
    moved = perturb(network, x, y)
    assert network.training
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert all(parameter.grad is None for parameter in network.parameters())
    assert float(lengths_of(norm, moved - x).max()) <= 0.1 + 1e-6
    assert 0 <= float(moved.min()) <= float(moved.max()) <= 1
    network.eval()
    losses = [float(nn.functional.cross_entropy(network(each), y)) for each in (x, moved)]
    assert losses[1] > losses[0]


@pytest.mark.parametrize("attack", ["fgsm", "pgd", "fast"])
def test_it_learns_to_withstand_what_a_plain_training_does_not(attack: Any) -> None:
    x, y = plane()
    batches = list(zip(x.split(50), y.split(50), strict=True))

    def under_attack(network: nn.Module) -> float:
        return PGD(radius=0.1, steps=10).attack(network, x, y).accuracy

    course = Course(epochs=20)
    plain = Adversarial(radius=1e-9).defend(fresh(), batches, course).network
    robust = Adversarial(attack=attack, radius=0.1).defend(fresh(), batches, course).network
    assert under_attack(plain) < 0.5
    assert under_attack(robust) > 0.85


def test_the_fast_one_starts_anywhere_and_goes_up_and_down_with_its_rate() -> None:
    plan = Adversarial(attack="fast", radius=0.2)._plan(fresh(), [], Course(), (0.0, 1.0))
    assert plan.course.schedule == Triangle()
    assert isinstance(plan.perturb, Perturbed)
    assert (plan.perturb.steps, plan.perturb.step_size, plan.perturb.random_start) == (1, 0.25, True)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"attack": "free"}, "attack must be one of fgsm, pgd, fast, got 'free'"),
        ({"radius": 0.0}, "radius must be positive and finite, got 0.0"),
        ({"norm": "l3"}, "norm must be one of l2, linf, got 'l3'"),
        ({"steps": 0}, "steps must be a whole number of at least 1, got 0"),
        ({"step_size": -1.0}, "step_size must be positive and finite, got -1.0"),
        ({"attack": "fgsm", "step_size": 0.1}, "leave step_size 0.1 out"),
    ],
)
def test_an_option_out_of_range_is_refused(options: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        Adversarial(**{"radius": 0.1, **options})


@pytest.mark.parametrize(("norm", "radius"), [("linf", 0.05), ("l2", 0.5)])
def test_a_radius_is_watched_in_its_own_norm_alone(norm: Any, radius: float) -> None:
    defence, (x, y) = Adversarial(radius=0.5, norm="l2", steps=1), plane(32)
    told: dict[str, Any] = {"watch": Watch(quantities=(), norm=norm, steps=1), "validation": [(x, y)]}
    watched = defence.defend(fresh(), [(x, y)], Course(epochs=1), **told).watched
    assert watched is not None
    assert (watched.norm, watched.radius) == (norm, radius)
