from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import torch
from torch import nn

from corank.attack import PGD, IterativeFGSM, LeastLikely, SteppedAttack, bookkeeping
from corank.errors import InputError

from .nets import digits, linear, right

COURSE: dict[str, Any] = {"radius": 0.2, "steps": 15, "step_size": 0.03}


@pytest.mark.parametrize("attack", [IterativeFGSM(**COURSE), LeastLikely(**COURSE), PGD(**COURSE)])
def test_the_cumulative_accuracy_falls_and_is_never_above_the_instantaneous(attack: SteppedAttack) -> None:
    found = bookkeeping(attack, digits()[0], digits()[1])
    assert len(found.instantaneous) == len(found.cumulative) == 16
    assert found.instantaneous[0] == found.cumulative[0] == 1
    assert list(found.cumulative) == sorted(found.cumulative, reverse=True)
    assert all(one <= two for one, two in zip(found.cumulative, found.instantaneous, strict=True))
    assert found.cumulative[-1] < 0.8


@pytest.mark.parametrize("kind", [IterativeFGSM, LeastLikely])
@pytest.mark.parametrize("steps", [1, 4, 15])
def test_both_accuracies_are_those_of_both_variants_of_the_attack(kind: type[Any], steps: int) -> None:
    network, x, _ = digits()
    y = network(x).argmax(1)
    rows = bookkeeping(kind(**COURSE), network, x)
    fixed, stopping = (kind(**{**COURSE, "steps": steps}, stop=stop).attack(network, x, y) for stop in (False, True))
    assert rows.instantaneous[steps] == pytest.approx(fixed.accuracy)
    assert rows.cumulative[steps] == pytest.approx(stopping.accuracy)
    assert stopping.rho <= fixed.rho
    if steps == 15:
        assert rows.rho == pytest.approx(fixed.rho)


def test_an_example_can_be_lost_again_by_going_on() -> None:
    """A band of another class, narrower than two steps: the first falls into it, the second goes beyond."""

    class Band(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            first = x.flatten(1)[:, :1]
            return torch.cat([0.1 * (first - 0.5), 0.05 - (first - 0.64).abs()], 1)

    x = torch.full((1, 1, 6, 6), 0.5)
    attack = IterativeFGSM(radius=0.5, steps=4, step_size=0.1)
    found = bookkeeping(attack, Band().eval(), x)
    assert found.cumulative[-1] == 0
    assert min(found.instantaneous) == 0
    assert found.instantaneous[-1] in (0.0, 1.0)


def test_rho_is_the_euclidean_length_over_that_of_the_input() -> None:
    network = linear()
    x, _ = right(network)
    found = bookkeeping(IterativeFGSM(radius=0.1, steps=1, step_size=0.1), network, x)
    expected = (0.1 * 6 / x.flatten(1).norm(dim=1)).mean()  # each of 36 pixels by 0.1
    assert found.rho == pytest.approx(float(expected))


def test_inputs_that_cannot_be_attacked_are_refused() -> None:
    network, x, _ = digits()
    attack = IterativeFGSM(radius=0.1)
    for images, told in ((x + 1, "within the bounds"), (x[:0], "at least one"), (x / 0, "finite")):
        with pytest.raises(InputError, match=told):
            bookkeeping(attack, network, images)
    assert dataclasses.is_dataclass(attack)
