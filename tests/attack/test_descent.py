from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from corank.attack import victim as victim_module
from corank.attack.budget import Budget, Norm, dual_lengths
from corank.attack.descent import Path, Steps, descent
from corank.attack.losses import cross_entropy, margin
from corank.attack.victim import Victim
from corank.errors import InputError

from .nets import digits, linear, right


def path(
    network: nn.Module, x: Tensor, y: Tensor, budget: Budget, *, targets: Tensor | None = None, **options: Any
) -> Path:
    generator = torch.Generator().manual_seed(0)
    return descent(Victim(network, (0.0, 1.0)), x, y, budget, Steps(**options), generator, targets=targets)


def of_digits(radius: float = 0.1, **options: Any) -> Path:
    return path(*digits(), Budget(norm="linf", radius=radius), **options)


@pytest.mark.parametrize("norm", ["l2", "linf"])
def test_two_classes_of_a_linear_network_are_pushed_to_the_exact_optimum(norm: Norm) -> None:
    network = linear(2)
    x, y = right(network)
    budget = Budget(norm=norm, radius=0.2)  # no pixel comes to a bound
    sign = 1 - 2 * y.double()
    slope = (network[1].weight[1] - network[1].weight[0]).detach()[None] * sign[:, None]
    best = x + budget.radius * budget.steepest(slope.reshape(x.shape))
    found = path(network, x, y, budget, stop=False, loss=margin, random_start=False)
    assert torch.allclose(found.losses[0, -1], margin(network(best).detach(), y), atol=1e-12)
    assert torch.allclose(found.last, best, atol=1e-9)
    # 2.5 radii along the slope from anywhere in the ball, back onto the sphere where it is left, end at tanh(1.97) of
    # the optimum at the worst: from the sphere, 45 degrees against the slope
    random = path(network, x, y, budget, stop=False, loss=margin)
    climbed = random.losses[0, -1] - margin(network(x).detach(), y)
    assert bool((climbed >= 0.95 * 0.2 * dual_lengths(norm, slope)).all())


@pytest.mark.parametrize("norm", ["l2", "linf"])
def test_bounds_and_budget_together_are_used_up(norm: Norm) -> None:
    network = linear(2)
    x = right(network)[0].sub(0.5).sign().add(1).div(2)  # all pixels are at the bounds
    y = network(x).argmax(1)
    found = path(network, x, y, Budget(norm=norm, radius=0.5), stop=False, loss=margin, random_start=False)
    slope = (network[1].weight[1] - network[1].weight[0]).detach()[None] * (1 - 2 * y.double())[:, None]
    inward = torch.where((x.flatten(1) == 0) == (slope > 0), slope, 0.0)
    best = inward.sign() * 0.5 if norm == "linf" else 0.5 * inward / inward.norm(dim=1, keepdim=True)
    expected = margin(network(x + best.reshape(x.shape)).detach(), y)
    assert torch.allclose(found.losses[0, -1], expected, atol=1e-9)


def test_losses_and_successes_on_the_way_are_those_of_the_outside_library() -> None:
    attacks = pytest.importorskip("foolbox.attacks")
    model = pytest.importorskip("foolbox.models.pytorch").PyTorchModel(digits()[0], bounds=(0, 1), device="cpu")
    _, x, y = digits()
    for steps in (1, 5, 20):
        theirs = attacks.LinfPGD(steps=steps, abs_stepsize=0.02, random_start=False)(model, x, y, epsilons=0.1)[1]
        ours = of_digits(steps=steps, step_size=0.02, random_start=False, stop=False)
        assert torch.allclose(ours.last, theirs, atol=1e-6)
        with torch.no_grad():
            assert torch.allclose(ours.losses[0, -1], cross_entropy(model(theirs), y), atol=1e-5)
        assert torch.equal(ours.last_fooled, model(theirs).argmax(1) != y)


def test_successes_only_grow_with_steps_and_starts() -> None:
    found = of_digits(steps=10, restarts=3)
    before = torch.zeros(len(digits()[1]), dtype=torch.bool)
    for restart in (1, 2, 3):
        for steps in range(11):
            now = found.fooled_within(steps, restart)
            if steps or restart == 1:
                assert bool((now >= before).all())
            before = now
        before = found.fooled_within(0, restart + 1) if restart < 3 else before
    assert bool((found.fooled_within(10, 3) >= found.fooled_within(10, 1)).all())


def test_stopping_changes_nothing_in_who_is_fooled_when() -> None:
    one, two = of_digits(steps=10, stop=True), of_digits(steps=10, stop=False)
    for steps in range(11):
        assert torch.equal(one.fooled_within(steps), two.fooled_within(steps))
    assert torch.equal(one.fooled[0], two.fooled[0].cummax(0).values)
    left = one.losses.isnan()
    assert torch.allclose(one.losses[~left], two.losses[~left], atol=1e-5)  # other batches are rounded otherwise
    assert bool(left.any())


def test_more_starts_never_hurt_and_begin_alike() -> None:
    one, two = of_digits(0.05, steps=5), of_digits(0.05, steps=5, restarts=4)
    assert torch.equal(one.fooled[0], two.fooled[0])
    kept = one.fooled_within(5)
    assert torch.equal(one.inputs[kept], two.inputs[kept])
    assert int(two.fooled_within(5, 4).sum()) > int(kept.sum())


@pytest.mark.parametrize("stop", [True, False])
def test_the_best_inputs_are_those_that_were_seen(stop: bool) -> None:
    network, _, y = digits()
    found = of_digits(steps=10, restarts=2, stop=stop)
    logits = network(found.inputs).detach()
    fooled = found.fooled.flatten(0, 1)
    assert torch.equal(logits.argmax(1) != y, fooled.any(0))
    losses = found.losses.flatten(0, 1)
    counted = torch.where(fooled == fooled.any(0), losses, -torch.inf).nan_to_num(-torch.inf)
    assert torch.allclose(cross_entropy(logits, y), counted.amax(0), atol=1e-5)


def test_inputs_that_were_fooled_stay_where_they_were() -> None:
    network, _, y = digits()
    found = of_digits(steps=10, restarts=3)
    done = found.fooled_within(10, 3)
    assert torch.equal(found.last[done], found.inputs[done])
    assert torch.equal(network(found.last).argmax(1) != y, done)


def test_of_inputs_that_fool_and_others_of_a_larger_loss_the_former_are_kept() -> None:
    class Dip(nn.Module):
        """Fooled in a band, beyond which the loss given below is larger."""

        def forward(self, x: Tensor) -> Tensor:
            first = x.flatten(1)[:, 0]
            return torch.stack([(first - 0.7).abs() - 0.06, torch.zeros_like(first), first - 9], 1)

    x, y = torch.full((1, 1, 6, 6), 0.5), torch.zeros(1, dtype=torch.long)
    options: dict[str, Any] = {"steps": 4, "step_size": 0.1, "random_start": False, "loss": lambda each, _: each[:, 2]}
    found = path(Dip(), x, y, Budget(norm="linf", radius=0.5), stop=False, **options)
    assert found.fooled[0, :, 0].tolist() == [False, False, True, False, False]
    assert float(found.inputs[0, 0, 0, 0]) == pytest.approx(0.7)


def test_where_all_are_fooled_the_rest_of_the_way_says_so() -> None:
    found = of_digits(0.6, steps=40, restarts=2)
    assert bool(found.fooled_within(20).all())
    assert bool(found.last_fooled.all())
    assert bool(found.fooled[0, -1].all())


def test_later_starts_are_random_even_where_the_first_is_not() -> None:
    found = of_digits(0.05, steps=2, restarts=2, random_start=False, stop=False)
    assert torch.equal(found.losses[0, 0], cross_entropy(digits()[0](digits()[1]), digits()[2]).detach())
    assert not torch.equal(found.losses[0], found.losses[1])


def test_targets_are_neared() -> None:
    network, x, y = digits()
    targets = (y + 3) % 10
    found = of_digits(0.3, targets=targets, steps=20, random_start=False)
    assert torch.equal(network(found.inputs).argmax(1) == targets, found.fooled_within(20))
    assert float(found.fooled_within(20).double().mean()) > 0.5
    assert bool((cross_entropy(network(found.inputs), targets) <= cross_entropy(network(x), targets)).all())


@pytest.mark.parametrize("chunk", [3, 50])
def test_chunks_do_not_matter(chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = of_digits(steps=5)
    monkeypatch.setattr(victim_module, "CHUNK", chunk)
    parts = of_digits(steps=5)
    assert torch.equal(whole.fooled, parts.fooled)
    assert torch.allclose(whole.inputs, parts.inputs, atol=1e-6)


class Noisy(nn.Module):
    """A linear network, and as much noise on each of its logits as they are apart."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x: Tensor) -> Tensor:
        logits = self.inner(x + 0.3 * torch.randn_like(x))
        assert isinstance(logits, Tensor)
        return logits


def test_a_random_network_is_better_seen_with_more_draws() -> None:
    network, x, y = digits()
    torch.manual_seed(0)
    climbed = {}
    for draws in (1, 20):
        found = path(
            Noisy(network), x, y, Budget(norm="l2", radius=0.5), draws=draws, steps=10, stop=False, random_start=False
        )
        climbed[draws] = float(margin(network(found.last).detach(), y).mean())
    assert climbed[20] > climbed[1] + 0.1
    victim = Victim(network, (0.0, 1.0))
    generator = torch.Generator().manual_seed(0)
    descent(victim, x, y, Budget(norm="l2", radius=0.5), Steps(steps=3, draws=4, stop=False), generator)
    assert (victim.asked.gradients, victim.asked.forward) == (3 * 4 * 100, 4 * 100)


def test_each_step_takes_one_pass_and_the_last_place_one_forward() -> None:
    network, x, y = digits()
    victim = Victim(network, (0.0, 1.0))
    generator = torch.Generator().manual_seed(0)
    descent(victim, x, y, Budget(norm="linf", radius=0.1), Steps(steps=7, stop=False, restarts=2), generator)
    assert (victim.asked.gradients, victim.asked.forward) == (2 * 7 * 100, 2 * 100)


def test_gradients_that_are_no_numbers_move_nothing() -> None:
    class Rooted(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return (0 * x.flatten(1)[:, :3]).sqrt()  # an infinite slope times zero

    x = torch.full((2, 1, 6, 6), 0.4)
    found = path(Rooted(), x, torch.zeros(2, dtype=torch.long), Budget(norm="l2", radius=0.1), random_start=False)
    assert torch.isfinite(found.last).all()


@pytest.mark.parametrize("option", ["steps", "restarts", "draws"])
@pytest.mark.parametrize("wrong", [0, -1, 1.5])
def test_numbers_that_must_count_are_refused(option: str, wrong: Any) -> None:
    with pytest.raises(InputError, match=f"{option} must be a whole number of at least 1, got {wrong}"):
        Steps(**{option: wrong})


def test_a_step_of_no_size_is_refused() -> None:
    for wrong in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(InputError, match=f"step_size must be positive and finite, got {wrong}"):
            Steps(step_size=wrong)
    assert dataclasses.replace(Steps(), step_size=0.1).step_size == 0.1
