"""AutoAttack and Square, which `pyautoattack` brings, and the stand-in that all outside libraries get."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from corank.attack import PGD, AutoAttack, BoundedAttack, CarliniWagner, Square
from corank.attack.budget import Norm
from corank.attack.outside import StandIn, attacked_outside
from corank.attack.sample import Task
from corank.attack.victim import Victim
from corank.errors import InputError

from .nets import digits, linear, right, short_auto_attack

pytest.importorskip("pyautoattack")


@pytest.fixture(autouse=True, scope="module")
def short() -> Iterator[None]:
    with short_auto_attack(25):
        yield


def some(count: int = 20) -> tuple[nn.Sequential, Tensor, Tensor]:
    network, x, y = digits()
    return network, x[:count], y[:count]


@pytest.mark.parametrize(("norm", "radius"), [("linf", 0.05), ("l2", 0.4)])
def test_it_is_never_weaker_than_our_descent(norm: Norm, radius: float) -> None:
    network, x, y = some()
    best = AutoAttack(norm=norm, radius=radius, queries=50).attack(network, x, y)
    ours = PGD(norm=norm, radius=radius, restarts=2).attack(network, x, y)
    assert 0 < best.accuracy <= ours.accuracy
    assert bool((best.succeeded >= ours.succeeded).all())


def test_with_ten_classes_it_is_the_standard_version_bit_for_bit() -> None:
    from pyautoattack import AutoAttack as Standard

    network, x, y = some(8)
    ours = AutoAttack(radius=0.1, seed=3).attack(network, x, y)
    with torch.random.fork_rng():
        standard = Standard(network.requires_grad_(False), eps=0.1, norm="Linf", seed=3)
        right = network(x).argmax(1) == y
        theirs, _ = standard.run_standard_evaluation(x[right], y[right])
    network.requires_grad_(True)
    assert torch.equal(network(theirs).argmax(1) == y[right], (ours.classes == y)[right])
    assert torch.allclose(ours.inputs[right], theirs, atol=1e-6)


@pytest.mark.parametrize("classes", [2, 3, 4, 5])
def test_few_classes_are_no_trouble(classes: int) -> None:
    network = linear(classes, dtype=torch.float32)
    x, y = right(network, 10)
    weak, strong = (AutoAttack(radius=radius, queries=20).attack(network, x, y).accuracy for radius in (1e-4, 0.3))
    assert weak > strong == 0


def test_more_queries_of_the_random_search_never_hurt() -> None:
    network, x, y = some()
    found = [Square(radius=0.1, queries=queries).attack(network, x, y) for queries in (1, 20, 200)]
    for fewer, more in pairwise(found):
        assert bool((more.succeeded >= fewer.succeeded).all())
    assert found[-1].accuracy < found[0].accuracy
    assert found[-1].gradients == 0


@pytest.mark.parametrize("attack", [Square(radius=2.0, queries=50), AutoAttack(radius=2.0, queries=20)])
def test_other_bounds_are_the_same_images_in_other_units(attack: BoundedAttack) -> None:
    class Shifted(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            logits = digits()[0]((x + 10) / 40)
            assert isinstance(logits, Tensor)
            return logits

    network, x, y = some(5)
    there = attack.attack(Shifted().eval(), 40 * x - 10, y, bounds=(-10.0, 30.0))
    here = type(attack)(radius=0.05, queries=attack.queries).attack(network, x, y)  # type: ignore[attr-defined]
    assert float(there.lengths.max()) <= 2
    assert torch.equal(there.succeeded, here.succeeded)


def test_nothing_of_the_process_changes(caplog: pytest.LogCaptureFixture) -> None:
    def tracing(*_: Any) -> None: ...

    before = sys.gettrace()
    sys.settrace(tracing)
    try:
        with caplog.at_level(logging.WARNING):
            AutoAttack(radius=0.05, queries=5).attack(*some(3))
        assert sys.gettrace() is tracing
    finally:
        sys.settrace(before)
    assert not caplog.records


def test_inputs_that_are_no_images_are_refused() -> None:
    network = nn.Linear(9, 2).eval()
    x = torch.rand(4, 9)
    y = network(x).argmax(1)
    for attack in (Square(radius=0.1), AutoAttack(radius=0.1)):
        with pytest.raises(InputError, match=r"shape \(m, channels, height, width\).* got \(4, 9\)"):
            attack.attack(network, x, y)
    small = nn.Sequential(nn.Flatten(), nn.Linear(16, 2)).eval()
    x = torch.rand(4, 1, 4, 4)
    with pytest.raises(InputError, match=r"at least 5 wide, got \(4, 1, 4, 4\)"):
        Square(norm="l2", radius=0.1).attack(small, x, small(x).argmax(1))


def test_a_missing_library_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("pyautoattack")]:
        monkeypatch.setitem(sys.modules, name, None)
    for attack in (Square(radius=0.1), AutoAttack(radius=0.1)):
        with pytest.raises(InputError, match=r"needs pyautoattack: pip install 'corank\[autoattack\]'"):
            attack.attack(*some(3))


def test_a_stand_in_answers_for_the_network_and_counts() -> None:
    network = linear(3)
    x, y = right(network)
    victim = Victim(network, (-1.0, 3.0))
    stand_in = StandIn(victim, torch.float64)
    with torch.no_grad():
        answer = stand_in(((x + 1) / 4).float())
    assert answer.dtype == torch.float32
    assert torch.allclose(answer.double(), network(x), atol=1e-6)
    stand_in(x[:5].clone().requires_grad_())
    assert (victim.asked.forward, victim.asked.gradients) == (20, 5)
    assert not list(stand_in.parameters()), "the network is not in its hands"
    task = Task(Victim(network, (0.0, 1.0)), x, y, None, torch.Generator())
    assert torch.equal(attacked_outside(task, lambda _, given, __: given, dtype=torch.float32), x)


def test_a_network_without_gradients_is_no_defect() -> None:
    class Cut(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            logits = digits()[0](x.detach())
            assert isinstance(logits, Tensor)
            return logits.detach()

    _, x, y = some(5)
    for attack in (CarliniWagner(balances=2, steps=3), AutoAttack(radius=0.05, queries=5)):
        assert attack.attack(Cut().eval(), x, y).accuracy > 0
