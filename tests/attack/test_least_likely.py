from __future__ import annotations

import torch
from torch.nn import functional

from corank.attack import LeastLikely
from corank.attack.least_likely import nearness_to_the_least_likely

from .nets import digits


def by_the_formula(steps: int, radius: float, size: float) -> torch.Tensor:
    """Sanyal et al. 2020, eq. 6: the target is chosen anew in each step."""
    network, x, _ = digits()
    moved = x
    for _ in range(steps):
        moved = moved.detach().requires_grad_()
        logits = network(moved)
        (gradient,) = torch.autograd.grad(functional.cross_entropy(logits, logits.argmin(1), reduction="sum"), moved)
        moved = (x + (moved - size * gradient.sign() - x).clamp(-radius, radius)).clamp(0, 1)
    return moved.detach()


def test_fixed_steps_follow_the_formula_though_the_target_changes() -> None:
    network, x, y = digits()
    some = network(x).argmax(1) == y
    for steps in (1, 3, 12):
        found = LeastLikely(radius=0.1, steps=steps, step_size=0.01, stop=False).attack(network, x, y)
        assert torch.allclose(found.inputs[some], by_the_formula(steps, 0.1, 0.01)[some], atol=1e-6)
    assert not torch.equal(network(found.inputs).argmin(1)[some], network(x).argmin(1)[some])


def test_the_least_likely_class_gains() -> None:
    network, x, y = digits()
    found = LeastLikely(radius=0.1, stop=False).attack(network, x, y)
    some, least = found.clean == y, network(x).argmin(1)
    before, after = (network(each).log_softmax(1).gather(1, least[:, None])[some] for each in (x, found.inputs))
    assert bool((after > before).all())


def test_the_loss_is_the_logarithm_of_the_least_probability() -> None:
    logits = torch.randn(9, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    expected = logits.softmax(1).amin(1).log()
    assert torch.allclose(nearness_to_the_least_likely(logits, torch.zeros(9, dtype=torch.long)), expected)
