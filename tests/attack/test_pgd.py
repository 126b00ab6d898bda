from __future__ import annotations

import pytest
import torch

from corank.attack import GNM, PGD, IterativeFGSM
from corank.attack.budget import Norm
from corank.errors import InputError

from .nets import digits, linear, nearest_boundary, right


@pytest.mark.parametrize("norm", ["l2", "linf"])
def test_of_two_linear_classes_those_within_the_radius_are_fooled_and_no_others(norm: Norm) -> None:
    network = linear(2)
    x, y = right(network, 50)
    distances = nearest_boundary(network, x, y, norm)
    radius = float(distances.median())
    for steps in (1, 10, 40):
        for factor in (1 - 1e-5, 1 + 1e-5):
            attack = PGD(norm=norm, radius=radius * factor, random_start=False, steps=steps)
            assert torch.equal(attack.attack(network, x, y).succeeded, distances <= radius * factor)


def test_more_steps_starts_and_radius_fool_more() -> None:
    weak = PGD(radius=0.05, steps=1, step_size=0.05).attack(*digits())
    assert weak.accuracy > PGD(radius=0.05, steps=20).attack(*digits()).accuracy
    assert weak.accuracy > PGD(radius=0.1, steps=1, step_size=0.1).attack(*digits()).accuracy
    few, many = (PGD(radius=0.05, steps=2, restarts=restarts).attack(*digits()) for restarts in (1, 10))
    assert bool((many.succeeded >= few.succeeded).all())


def test_without_a_random_start_the_seed_does_not_matter() -> None:
    one, two = (PGD(radius=0.1, random_start=False, seed=seed, steps=5).attack(*digits()) for seed in (0, 1))
    assert one.inputs.equal(two.inputs)
    one, two = (PGD(radius=0.1, seed=seed, steps=5).attack(*digits()) for seed in (0, 1))
    assert not one.inputs.equal(two.inputs)


def test_gnm_follows_the_best_class_where_pgd_follows_the_loss() -> None:
    found = {attack: attack.attack(*digits()).accuracy for attack in (GNM(radius=0.1), PGD(radius=0.1, steps=5))}
    assert max(found.values()) < 0.5


def test_wrong_options_are_refused() -> None:
    with pytest.raises(InputError, match="loss must be one of cross-entropy, margin, logits-ratio, got 'hinge'"):
        PGD(radius=0.1, loss="hinge")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="radius must be positive and finite, got 0"):
        IterativeFGSM(radius=0)
