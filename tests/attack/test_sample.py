from __future__ import annotations

import math
from dataclasses import dataclass
from typing import final

import pytest
import torch
from torch import Tensor, nn

from corank.attack import FGSM, PGD, BoundedAttack
from corank.attack.budget import Norm
from corank.attack.sample import Task

from .nets import digits, linear, right


@final
@dataclass(frozen=True, kw_only=True)
class Cheat(BoundedAttack):
    """Proposes whatever it was told to."""

    proposal: float = math.nan

    def _perturbed(self, task: Task) -> Tensor:
        return torch.full_like(task.x, self.proposal)


@pytest.mark.parametrize("norm", ["l2", "linf"])
@pytest.mark.parametrize("proposal", [-7.0, 1e30, math.inf, math.nan])
def test_what_an_attack_proposes_is_brought_within_budget_and_bounds(norm: Norm, proposal: float) -> None:
    network = linear()
    x, y = right(network)
    found = Cheat(norm=norm, radius=0.3, proposal=proposal).attack(network, x, y)
    assert float(found.lengths.max()) <= 0.3
    assert torch.equal(found.classes, network(found.inputs).argmax(1))
    if not math.isfinite(proposal):
        assert torch.equal(found.inputs, x)
    elif norm == "linf":
        assert torch.allclose(found.inputs, (x + math.copysign(0.3, proposal)).clamp(0, 1))


@pytest.mark.parametrize("norm", ["l2", "linf"])
@pytest.mark.parametrize("radius", [0.1, 1 / 3, 8 / 255])
def test_not_even_the_last_digit_is_over_the_budget(norm: Norm, radius: float) -> None:
    network = linear(dtype=torch.float32)
    x, y = right(network, 500)
    found = Cheat(norm=norm, radius=radius, proposal=5.0).attack(network, x, y)
    assert float(found.lengths.max()) <= radius
    assert float(found.lengths.min()) > radius * (1 - 1e-5)


@pytest.mark.parametrize("value", [0.1, 0.2, 0.7])
def test_an_input_may_be_moved_to_the_very_bound(value: float) -> None:
    network = linear()
    x, _ = right(network)
    grey = torch.full_like(x, value)
    found = Cheat(norm="linf", radius=value, proposal=0.0).attack(network, grey, network(grey).argmax(1))
    assert float(found.lengths.max()) <= value
    assert float(found.inputs.abs().max()) < 1e-6


def test_an_outcome_counts_what_it_should() -> None:
    network, x, y = digits()
    wrong = network(x).argmax(1) != y
    found = PGD(radius=0.05).attack(network, x, y)
    assert 0 < int(wrong.sum()) < 20
    assert found.accuracy_before == pytest.approx(1 - float(wrong.double().mean()))
    changed = found.classes != found.clean
    assert found.fooled == float(changed.double().mean())
    assert found.fooled_of_right == float(changed[~wrong].double().mean())
    assert found.accuracy == pytest.approx(found.accuracy_before - found.fooled)
    assert found.accuracy_within(0.05) == pytest.approx(found.accuracy)
    assert found.accuracy_within(0.01) >= found.accuracy
    assert found.accuracy_within(0.0) == found.accuracy_before


def test_rho_is_euclidean_whatever_the_norm_of_the_budget() -> None:
    network, x, y = digits()
    found = FGSM(radius=0.05).attack(network, x, y)
    moved = (found.inputs - x).flatten(1).double().norm(dim=1)
    assert found.rho == pytest.approx(float((moved / x.flatten(1).double().norm(dim=1)).mean()))


def test_a_black_box_is_never_asked_for_gradients() -> None:
    class Closed(nn.Module):
        def __init__(self, network: nn.Module) -> None:
            super().__init__()
            self.network = network

        def forward(self, x: Tensor) -> Tensor:
            assert not x.requires_grad
            logits = self.network(x)
            assert isinstance(logits, Tensor)
            return logits

    network, x, y = digits()
    torch.manual_seed(0)
    source = nn.Sequential(nn.Flatten(), nn.Linear(64, 10)).eval()
    found = PGD(radius=0.1).attack(Closed(network).eval(), x, y, source=source)
    white = PGD(radius=0.1).attack(network, x, y)
    assert white.accuracy < found.accuracy <= found.accuracy_before
    assert torch.equal(found.classes, network(found.inputs).argmax(1))


def test_a_network_that_is_its_own_source_is_a_white_box() -> None:
    one, two = (PGD(radius=0.05).attack(*digits(), source=source) for source in (None, digits()[0]))
    assert torch.equal(one.inputs, two.inputs)


class Noisy(nn.Module):
    """Asks chance at every pass."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> Tensor:
        logits = self.network(x + 0.1 * torch.randn_like(x))
        assert isinstance(logits, Tensor)
        return logits


def test_a_random_network_gives_the_same_result_for_the_same_seed_and_leaves_chance_alone() -> None:
    network, x, y = digits()
    noisy, state, found = Noisy(network).eval(), torch.get_rng_state(), []
    for _ in range(2):
        found.append(PGD(radius=0.05, steps=5).attack(noisy, x, y))
        assert torch.equal(torch.get_rng_state(), state)
        torch.manual_seed(9)
        state = torch.get_rng_state()
    assert torch.equal(found[0].inputs, found[1].inputs)
    assert torch.equal(found[0].classes, found[1].classes)


def test_nothing_remains_after_an_interruption() -> None:
    network, x, y = digits()
    network.zero_grad()  # other libraries, which tests compare with, leave gradients in it
    state = torch.get_rng_state()

    @final
    @dataclass(frozen=True, kw_only=True)
    class Interrupted(BoundedAttack):
        def _perturbed(self, task: Task) -> Tensor:
            torch.manual_seed(77)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Interrupted(radius=0.1).attack(network, x, y)
    assert torch.equal(torch.get_rng_state(), state)
    assert all(parameter.grad is None for parameter in network.parameters())
