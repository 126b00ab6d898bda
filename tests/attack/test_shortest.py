"""DeepFool, Carlini & Wagner, the fast minimum norm: what all that look for the shortest perturbation must reach."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from corank.attack import PGD, CarliniWagner, DeepFool, FastMinimumNorm, ShortestAttack
from corank.attack.budget import Norm
from corank.errors import InputError

from .nets import digits, linear, nearest_boundary, right

ATTACKS: list[tuple[ShortestAttack, float]] = [
    (DeepFool(norm="l2"), 1e-5),
    (DeepFool(norm="linf"), 1e-5),
    (FastMinimumNorm(norm="l2"), 1e-5),
    (FastMinimumNorm(norm="linf", steps=500), 1e-2),  # its steps go along the gradient, not its signs
    (CarliniWagner(steps=300, step_size=0.003), 1e-2),  # Adam ends where it ends, in a space that is bent
]


@pytest.mark.parametrize(("attack", "tolerance"), ATTACKS, ids=lambda value: str(value)[:24])
@pytest.mark.parametrize("classes", [2, 5])
def test_linear_networks_have_an_exact_answer(attack: ShortestAttack, tolerance: float, classes: int) -> None:
    network = linear(classes)
    x, y = right(network, 10)
    exact = nearest_boundary(network, x, y, attack.norm)
    found = attack.attack(network, x, y)
    assert bool((found.distances >= exact * (1 - 1e-9)).all())
    assert float((found.distances / exact - 1).max()) <= tolerance


@pytest.mark.parametrize(("attack", "_"), ATTACKS, ids=lambda value: str(value)[:24])
def test_what_is_found_cannot_be_shortened(attack: ShortestAttack, _: float) -> None:
    network, x, y = digits()
    x, y = x[:30], y[:30]
    found = attack.attack(network, x, y)
    assert bool((found.distances[found.clean == y] < math.inf).all())
    back = x + 0.999 * (found.inputs - x)
    assert torch.equal(network(back).argmax(1) == y, found.clean == y)


def lengths(norm: Norm, moved: Tensor) -> Tensor:
    return moved.flatten(1).norm(dim=1, p=2 if norm == "l2" else math.inf)


@pytest.mark.parametrize("norm", ["l2", "linf"])
def test_deepfool_is_as_good_as_that_of_the_outside_library(norm: Norm) -> None:
    attacks = pytest.importorskip("foolbox.attacks")
    network, x, y = digits()
    model = pytest.importorskip("foolbox.models.pytorch").PyTorchModel(network, bounds=(0, 1), device="cpu")
    theirs = {"l2": attacks.L2DeepFoolAttack, "linf": attacks.LinfDeepFoolAttack}[norm]()
    other = lengths(norm, theirs(model, x, y, epsilons=None)[0] - x)
    ours = DeepFool(norm=norm, halvings=0).attack(network, x, y)
    some = ours.clean == y
    assert bool(ours.succeeded.all())
    # theirs goes a ten thousandth farther with every step, and looks at the classes of the largest logits at first
    assert float((ours.lengths[some] / other[some]).median()) == pytest.approx(1, abs=0.01)
    assert float(ours.lengths[some].mean()) <= 1.01 * float(other[some].mean())


def test_the_fast_minimum_norm_is_as_good_as_that_of_the_outside_library() -> None:
    attacks = pytest.importorskip("foolbox.attacks")
    network, x, y = digits()
    model = pytest.importorskip("foolbox.models.pytorch").PyTorchModel(network, bounds=(0, 1), device="cpu")
    other = lengths("linf", attacks.LInfFMNAttack(steps=100)(model, x, y, epsilons=None)[0] - x)
    ours = FastMinimumNorm(norm="linf").attack(network, x, y)
    some = ours.clean == y
    assert float(ours.distances[some].mean()) <= 1.01 * float(other[some].mean())


@pytest.mark.parametrize("norm", ["l2", "linf"])
def test_a_descent_within_the_length_that_was_found_fools_as_well(norm: Norm) -> None:
    network, x, y = digits()
    shortest = FastMinimumNorm(norm=norm).attack(network, x, y).distances
    for radius in (float(shortest.median()), float(shortest.quantile(0.8))):
        bounded = PGD(norm=norm, radius=radius, steps=100, restarts=3, loss="margin").attack(network, x, y)
        assert float(bounded.succeeded.double().mean()) == pytest.approx(
            float((shortest <= radius).double().mean()), abs=0.08
        )


def test_halvings_only_shorten() -> None:
    network, x, y = digits()
    whole, some, many = (DeepFool(halvings=halvings).attack(network, x, y) for halvings in (0, 3, 20))
    assert bool((some.lengths <= whole.lengths).all())
    assert bool((many.lengths <= some.lengths).all())
    assert float(many.lengths.sum()) < float(whole.lengths.sum())
    assert many.accuracy == whole.accuracy == 0


def test_inputs_for_which_nothing_is_found_stay_as_they_were() -> None:
    network, x, y = digits()
    targets = (y + 5) % 10
    found = CarliniWagner(balances=1, steps=1).attack(network, x, y, targets=targets)
    assert not bool(found.succeeded.all())
    assert torch.equal(found.inputs[~found.succeeded], x[~found.succeeded])
    assert bool((found.distances[~found.succeeded] == math.inf).all())


def test_wrong_options_are_refused() -> None:
    with pytest.raises(InputError, match="norm must be l2 for carlini-wagner, got 'linf'"):
        CarliniWagner(norm="linf")
    with pytest.raises(InputError, match="halvings must not be negative, got -1"):
        DeepFool(halvings=-1)
