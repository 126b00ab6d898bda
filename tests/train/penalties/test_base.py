"""The contract of every penalty, over all that the room holds."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import corank.train.penalties
from corank.discover import methods_of
from corank.errors import InputError
from corank.network import Normalised
from corank.train.penalties import L1, Penalty

FOUND = methods_of(corank.train.penalties, Penalty)
every_penalty = pytest.mark.parametrize("kind", FOUND.values(), ids=FOUND)


def make_network() -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(2, 3, 2), nn.BatchNorm2d(3), nn.Flatten(), nn.Linear(12, 4)).double()


def weights_of(network: nn.Module) -> dict[str, torch.Tensor]:
    return {name: tensor.detach().clone() for name, tensor in network.named_parameters()}


def test_the_room_is_not_empty() -> None:
    assert FOUND["l1"] is L1


@every_penalty
def test_it_is_a_scalar_not_negative_and_scales_with_its_strength(kind: type[Penalty]) -> None:
    network = make_network()
    one, three, none = (kind(strength=strength)(network) for strength in (1.0, 3.0, 0.0))
    assert one.shape == ()
    assert one > 0
    assert none == 0
    torch.testing.assert_close(three, 3 * one)


@every_penalty
def test_its_gradient_agrees_with_differences(kind: type[Penalty]) -> None:
    network, penalty = make_network(), kind(strength=0.7)
    directions = {name: torch.randn_like(weight) for name, weight in penalty.weights(network).items()}
    gradients = torch.autograd.grad(penalty(network), list(penalty.weights(network).values()))
    slope = sum((g * d).sum() for g, d in zip(gradients, directions.values(), strict=True))

    def moved(distance: float) -> torch.Tensor:
        with torch.no_grad():
            for name, weight in penalty.weights(network).items():
                weight += distance * directions[name]
            value = penalty(network)
            for name, weight in penalty.weights(network).items():
                weight -= distance * directions[name]
        return value

    step = 1e-6  # error step^2 of the central difference, rounding 1e-16 / step: 1e-9 is left with room
    torch.testing.assert_close(slope, (moved(step) - moved(-step)) / (2 * step), rtol=1e-7, atol=1e-8)


@every_penalty
def test_its_proximal_step_is_the_minimiser_near_the_weights(kind: type[Penalty]) -> None:
    network, penalty, step = make_network(), kind(strength=0.7), 0.1
    before = weights_of(network)

    @torch.no_grad()
    def lowered() -> torch.Tensor:
        distance = sum(((weight - before[name]) ** 2).sum() for name, weight in network.named_parameters())
        return distance / 2 + step * penalty(network)

    start = lowered()
    penalty.proximal_step(network, step)
    least = lowered()
    assert least < start
    reached = weights_of(network)
    for distance in (1e-1, 1e-3):
        with torch.no_grad():
            for name, weight in penalty.weights(network).items():
                weight.copy_(reached[name] + distance * torch.randn_like(weight))
        assert lowered() > least


@every_penalty
def test_only_the_chosen_weights_are_touched(kind: type[Penalty]) -> None:
    network = make_network()
    before = weights_of(network)
    kind(strength=1.0, layers="3").proximal_step(network, 0.05)
    changed = {name for name, weight in network.named_parameters() if not torch.equal(weight, before[name])}
    assert changed == {"3.weight"}


@every_penalty
@pytest.mark.parametrize("strength", [-1.0, float("nan")])
def test_a_wrong_strength_is_refused(kind: type[Penalty], strength: float) -> None:
    with pytest.raises(InputError, match=f"strength must be at least 0, got {strength}"):
        kind(strength=strength)


@pytest.mark.parametrize(
    ("layers", "names"), [("*", ["0.weight", "3.weight"]), ("3", ["3.weight"]), ("0.w*", ["0.weight"])]
)
@pytest.mark.parametrize("wrapped", [False, True])
def test_layers_are_chosen_by_glob_and_vectors_never(layers: str, names: list[str], wrapped: bool) -> None:
    network: nn.Module = make_network()
    if wrapped:
        network = Normalised(network, mean=[0.5, 0.5], std=[0.2, 0.2])
    assert list(L1(strength=1.0, layers=layers).weights(network)) == names


def test_a_glob_without_weights_is_refused() -> None:
    with pytest.raises(InputError, match=r"no weight matches the layers 'conv\*': known: 0.weight, 3.weight"):
        L1(strength=1.0, layers="conv*")(make_network())
