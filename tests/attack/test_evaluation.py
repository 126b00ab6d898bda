from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from corank.attack.budget import Norm, lengths_of
from corank.attack.evaluation import Evaluation, evaluate
from corank.attack.interval import wilson
from corank.attack.pgd import PGD
from corank.attack.sample import BoundedAttack, SampleAttack, ShortestAttack, Task
from corank.attack.standard import standard_attacks
from corank.attack.victim import Victim
from corank.errors import InputError
from corank.network.guard import unchanged

RADII = (0.02, 0.1, 0.3)
PLAIN = {"pgd": PGD(radius=1.0, steps=5, random_start=False), "margin": PGD(radius=1.0, steps=5, loss="margin")}


@dataclass(frozen=True, kw_only=True)
class Once(BoundedAttack):
    """Moves every input along one direction, to a length of its own, but only within budgets below a limit."""

    direction: Tensor
    length: float
    limit: float

    def _perturbed(self, task: Task) -> Tensor:
        return task.x + self.length * self.direction if self.radius < self.limit else task.x


@dataclass(frozen=True, kw_only=True)
class Exactly(ShortestAttack):
    """Moves every input just over the boundary of a linear network of two classes, straight towards it."""

    weight: Tensor
    bias: Tensor

    def _found(self, task: Task) -> Tensor:
        values = task.x.flatten(1) @ self.weight + self.bias
        moves = -(1 + 1e-9) * values[:, None] * self.weight / self.weight.square().sum()
        moved: Tensor = task.x + moves.reshape(task.x.shape)
        return moved


class Rounding(nn.Module):
    """A network that hides its gradients behind rounded inputs."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.network((x * 32).round() / 32)
        return logits


class Noisy(nn.Module):
    """A network that answers at random to some extent."""

    def forward(self, x: Tensor) -> Tensor:
        return x.flatten(1)[:, :3] + 0.2 * torch.randn(len(x), 3)


def network_of(classes: int = 3, seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Flatten(), nn.Linear(9, 16), nn.ReLU(), nn.Linear(16, classes)).eval()


def samples_of(network: nn.Module, count: int = 60, wrong: int = 7) -> tuple[Tensor, Tensor]:
    """Inputs and the network's own answers for them, but the first few, which are wrong."""
    images = torch.rand(count, 1, 3, 3)
    with torch.no_grad():
        logits = network(images)
    labels = logits.argmax(1)
    labels[:wrong] = (labels[:wrong] + 1) % logits.shape[1]
    return images, labels


def evaluated(network: nn.Module, images: Tensor, labels: Tensor, **options: Any) -> Evaluation:
    return evaluate(network, images, labels, **{"radii": RADII, "attacks": PLAIN, "progress": False, **options})


def linear() -> tuple[nn.Sequential, Tensor, Tensor]:
    """A linear network of two classes, with the weight and bias of the difference of its logits."""
    layer = nn.Linear(9, 2).double()
    network = nn.Sequential(nn.Flatten(), layer).eval()
    return network, (layer.weight[1] - layer.weight[0]).detach(), (layer.bias[1] - layer.bias[0]).detach()


@pytest.mark.parametrize(("norm", "dual"), [("linf", 1), ("l2", 2)])
def test_on_a_linear_network_the_worst_case_is_the_exact_robust_accuracy(norm: Norm, dual: float) -> None:
    network, weight, bias = linear()
    images = torch.rand(300, 1, 3, 3, dtype=torch.float64) - 0.5
    labels = torch.randint(2, (300,))
    values = images.flatten(1) @ weight + bias
    exact = torch.where((values > 0) == (labels == 1), values.abs() / weight.norm(p=dual), 0.0)
    radii = tuple(exact[exact > 0].quantile(torch.tensor([0.1, 0.4, 0.8], dtype=torch.float64)).tolist())
    found = evaluate(network, images, labels, radii=radii, norm=norm, bounds=None, progress=False)
    assert [row.accuracy for row in found.of("worst")] == [float((exact > radius).double().mean()) for radius in radii]
    assert found.accuracy == float((exact > 0).double().mean())


def test_the_worst_case_is_below_every_attack_and_never_rises() -> None:
    network = network_of()
    images, labels = samples_of(network)
    found = evaluated(network, images, labels, sources={"twin": network_of(seed=1)})
    worst = {row.radius: row.accuracy for row in found.of("worst")}
    assert list(worst) == list(RADII)
    assert {row.attack for row in found.robust_accuracy} == {"clean", "pgd", "margin", "transfer:twin", "worst"}
    assert all(row.accuracy >= worst[row.radius] for row in found.robust_accuracy if row.radius)
    assert found.accuracy > worst[0.02] > worst[0.3]
    assert list(worst.values()) == sorted(worst.values(), reverse=True)


def test_the_standard_attacks_are_tried_where_none_is_named() -> None:
    network = network_of()
    images, labels = samples_of(network, 20)
    found = evaluated(network, images, labels, attacks=None)
    expected = [(name, radius) for name in (*standard_attacks("linf"), "worst") for radius in RADII]
    assert [(row.attack, row.radius) for row in found.robust_accuracy] == [("clean", 0.0), *expected]


@pytest.mark.parametrize(("length", "limit", "broken"), [(0.02, 0.05, {0.02, 0.1, 0.3}), (0.1, 9.0, {0.1, 0.3})])
def test_an_example_counts_at_every_radius_that_it_is_not_longer_than(
    length: float, limit: float, broken: set[float]
) -> None:
    network, weight, bias = linear()
    images = torch.zeros(4, 1, 3, 3, dtype=torch.float64)
    direction = weight.sign().reshape(1, 3, 3) * (-1.0 if float(bias) > 0 else 1.0)
    with torch.no_grad():
        layer: Any = network[1]
        layer.bias.mul_(length / 2 * weight.norm(p=1) / bias.abs())
    labels = network(images).argmax(1)
    attack = Once(norm="linf", radius=1.0, direction=direction, length=length, limit=limit)
    found = evaluated(network, images, labels, bounds=None, attacks={"once": attack})
    assert {row.radius for row in found.of("worst") if row.accuracy == 0} == broken
    own = {row.radius for row in found.of("once") if row.accuracy == 0}
    assert own == ({0.02} if limit < 1 else broken)
    for name in ("once", "worst"):
        torch.testing.assert_close(found.distances[name], torch.full((4,), length).double(), rtol=1e-6, atol=0)


def test_a_shortest_attack_runs_once_for_all_radii() -> None:
    network, weight, bias = linear()
    images = torch.rand(50, 1, 3, 3, dtype=torch.float64)
    labels = network(images).argmax(1)
    distances = (images.flatten(1) @ weight + bias).abs() / weight.norm()
    radii = tuple(distances.quantile(torch.tensor([0.2, 0.7], dtype=torch.float64)).tolist())
    attacks: dict[str, SampleAttack] = {"exactly": Exactly(weight=weight, bias=bias)}
    found = evaluated(network, images, labels, norm="l2", bounds=None, radii=radii, attacks=attacks)
    assert [row.accuracy for row in found.of("exactly")] == [float((distances > r).double().mean()) for r in radii]
    torch.testing.assert_close(found.distances["worst"], distances, rtol=2e-9, atol=0)
    assert len({row.seconds for row in found.of("exactly")}) == 1


def test_both_fooling_ratios_and_the_interval_follow_from_the_accuracies() -> None:
    network = network_of()
    images, labels = samples_of(network)
    found = evaluated(network, images, labels)
    for row in found.robust_accuracy:
        assert row.fooled == pytest.approx(found.accuracy - row.accuracy)
        assert row.fooled_of_right == pytest.approx((found.accuracy - row.accuracy) / found.accuracy)
        assert (row.low, row.high) == wilson(round(row.accuracy * 60), 60)


def test_the_nearest_examples_are_what_they_are_said_to_be() -> None:
    network = network_of()
    images, labels = samples_of(network, wrong=7)
    found = evaluated(network, images, labels)
    lengths, distances = lengths_of("linf", found.nearest - images).double(), found.distances["worst"]
    is_fooled = distances.isfinite() & (distances > 0)
    assert 0 < int(is_fooled.sum()) < 53
    torch.testing.assert_close(lengths[is_fooled], distances[is_fooled], rtol=0, atol=1e-6)
    assert torch.equal(Victim(network).classes(found.nearest) == labels, distances.isinf())
    assert torch.equal(found.nearest[~is_fooled], images[~is_fooled])
    assert (distances[:7] == 0).all()
    assert torch.equal(found.nearest, found.nearest.clamp(0, 1))


def test_only_survivors_finds_the_same_worst_case_with_fewer_gradients() -> None:
    network = network_of()
    images, labels = samples_of(network)
    attacks = {name: replace(attack, random_start=False) for name, attack in PLAIN.items()}
    full, spared = (evaluated(network, images, labels, attacks=attacks, only_survivors=flag) for flag in (False, True))
    for one, other in zip(full.of("worst"), spared.of("worst"), strict=True):
        assert one.accuracy == other.accuracy
        assert one.gradients > other.gradients
    assert [row.attacked for row in full.of("margin")] == [53] * 3
    left = [round(60 * row.accuracy) for row in spared.of("pgd")]
    assert [row.attacked for row in spared.of("margin")] == left
    assert [row.accuracy for row in spared.of("margin")] == [row.accuracy for row in spared.of("worst")]
    assert full.message != spared.message


def test_of_survivors_too_the_shortest_examples_are_found() -> None:
    network, weight, bias = linear()
    images = torch.rand(60, 1, 3, 3, dtype=torch.float64)
    labels = network(images).argmax(1)
    exact = (images.flatten(1) @ weight + bias).abs() / weight.norm()
    radii = tuple(exact.quantile(torch.tensor([0.2, 0.5, 0.8], dtype=torch.float64)).tolist())
    attacks = {"pgd": PGD(norm="l2", radius=1.0, steps=1), "exactly": Exactly(weight=weight, bias=bias)}
    options = {"norm": "l2", "bounds": None, "radii": radii, "attacks": attacks, "only_survivors": True}
    found = evaluated(network, images, labels, **options)
    is_left = found.distances["pgd"] > radii[0]
    assert int((is_left & found.distances["pgd"].isfinite()).sum()) > 0
    assert {row.attacked for row in found.of("exactly")} == {int(is_left.sum())}
    torch.testing.assert_close(found.distances["worst"][is_left], exact[is_left], rtol=1e-6, atol=0)


def test_examples_of_another_network_break_one_that_hides_its_gradients() -> None:
    plain = network_of()
    masked = Rounding(plain).eval()
    images, labels = samples_of(masked)
    found = evaluated(masked, images, labels, sources={"plain": plain})
    assert found.of("pgd")[-1].accuracy == found.accuracy
    assert found.of("transfer:plain")[-1].accuracy < found.accuracy / 2
    assert found.of("worst")[-1].accuracy <= found.of("transfer:plain")[-1].accuracy


def test_huge_radii_and_a_network_that_is_always_wrong_are_no_trouble() -> None:
    network = network_of()
    images, labels = samples_of(network)
    for norm in ("l2", "linf"):
        found = evaluated(network, images, labels, norm=norm, radii=(0.01, 1e9), attacks=None)
        assert found.of("worst")[1].accuracy < found.of("worst")[0].accuracy
        assert torch.equal(found.nearest, found.nearest.clamp(0, 1))
    wrong = evaluated(network, images, (Victim(network).classes(images) + 1) % 3)
    assert {row.accuracy for row in wrong.robust_accuracy} == {0.0}
    assert {row.fooled_of_right for row in wrong.robust_accuracy} == {None}


def test_the_network_comes_back_and_the_same_seed_finds_the_same() -> None:
    network = network_of()
    images, labels = samples_of(network, 20)
    given = images.clone()
    with unchanged(network):
        first, second = (evaluated(network, images, labels, attacks=None, seed=3) for _ in range(2))
    assert torch.equal(images, given)
    assert torch.equal(first.distances["worst"], second.distances["worst"])


def test_a_network_that_is_random_gives_the_same_again_and_leaves_chance_alone() -> None:
    images, labels = samples_of(network_of())
    state = torch.get_rng_state()
    first, second = (evaluated(Noisy().eval(), images, labels, seed=3) for _ in range(2))
    assert torch.equal(first.distances["worst"], second.distances["worst"])
    assert torch.equal(torch.get_rng_state(), state)


def test_it_becomes_json_without_the_samples() -> None:
    network = network_of()
    told = json.loads(json.dumps(evaluated(network, *samples_of(network)).to_dict(), allow_nan=False))
    assert {"norm", "radii", "accuracy", "robust_accuracy", "message"} <= {*told}
    assert {"attack", "radius", "accuracy", "low", "high", "fooled", "fooled_of_right"} <= {*told["robust_accuracy"][0]}
    assert not {"images", "labels", "distances", "nearest"} & {*told}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"radii": ()}, "radii must be positive and finite, and at least one, got none"),
        ({"radii": (0.1, 0.0)}, "got 0.0"),
        ({"radii": (float("inf"),)}, "got inf"),
        ({"radii": (float("nan"),)}, "got nan"),
        ({"norm": "l1", "attacks": None}, "norm must be one of l2, linf, got 'l1'"),
        ({"norm": "l2"}, "attack 'pgd' measures in linf, expected l2"),
        ({"attacks": {"worst": PGD(radius=1.0)}}, "may not be called 'worst'"),
        ({"attacks": {"transfer:a": PGD(radius=1.0)}}, "may not be called 'transfer:a'"),
        ({"attacks": {}}, "expected an attack or a source network, got none"),
        ({"bounds": (0.0, 0.5)}, "must lie within the bounds 0 to 0.5"),
        ({"bounds": (1.0, 0.0)}, "bounds must be a smaller and a larger number"),
        ({"sources": {"other": nn.Flatten().train()}}, "training mode"),
    ],
)
def test_what_cannot_be_evaluated_is_refused(options: dict[str, Any], said: str) -> None:
    network = network_of()
    with pytest.raises(InputError, match=said) as refused:
        evaluated(network, *samples_of(network, 10, 0), **options)
    assert "\n" not in str(refused.value)


def test_samples_and_networks_that_do_not_belong_together_are_refused() -> None:
    network = network_of()
    images, labels = samples_of(network, 10, 0)
    for wrong in ((images[:0], labels[:0]), (images, labels + 3), (images * torch.nan, labels), (images, labels[:3])):
        with pytest.raises(InputError):
            evaluated(network, *wrong)
    with pytest.raises(InputError, match="training mode"):
        evaluated(network.train(), images, labels)
