from __future__ import annotations

import torch

from corank.attack import IterativeFGSM
from corank.attack.iterative_fgsm import PIXEL

from .nets import digits


def by_the_formula(steps: int, radius: float, size: float) -> torch.Tensor:
    """Sanyal et al. 2020, eq. 5, within the bounds of the images."""
    network, x, y = digits()
    moved = x
    for _ in range(steps):
        moved = moved.detach().requires_grad_()
        (gradient,) = torch.autograd.grad(torch.nn.functional.cross_entropy(network(moved), y, reduction="sum"), moved)
        moved = (x + (moved + size * gradient.sign() - x).clamp(-radius, radius)).clamp(0, 1)
    return moved.detach()


def test_fixed_steps_follow_the_formula() -> None:
    network, x, y = digits()
    some = network(x).argmax(1) == y
    for steps in (1, 3, 12):
        found = IterativeFGSM(radius=0.05, steps=steps, step_size=0.01, stop=False).attack(network, x, y)
        assert torch.allclose(found.inputs[some], by_the_formula(steps, 0.05, 0.01)[some], atol=1e-6)


def test_stopping_stands_where_the_network_first_erred() -> None:
    network, x, y = digits()
    found = IterativeFGSM(radius=0.2, steps=12, step_size=0.02).attack(network, x, y)
    remaining = found.clean == y
    for steps in range(1, 13):
        moved = by_the_formula(steps, 0.2, 0.02)
        now = remaining & (network(moved).argmax(1) != y)
        assert torch.allclose(found.inputs[now], moved[now], atol=1e-6)
        remaining &= ~now
    assert torch.equal(found.classes == y, remaining)


def test_stopping_fools_as_many_or_more_with_less() -> None:
    for radius in (0.02, 0.1):
        first, last = (IterativeFGSM(radius=radius, stop=stop).attack(*digits()) for stop in (True, False))
        assert bool((first.succeeded >= last.succeeded).all())
        assert first.rho < last.rho
        assert first.gradients < last.gradients == 20 * int((last.clean == last.labels).sum())


def test_a_step_is_one_grey_level() -> None:
    network, x, y = digits()
    found = IterativeFGSM(radius=0.5, steps=3, stop=False).attack(network, x, y)
    assert float(found.lengths.max()) <= 3 * PIXEL + 1e-7
