from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from corank.defend import Course, JointL1, Regularised
from corank.errors import InputError
from corank.linalg import matrix_norms


def network(kernel: bool = False) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        front: list[nn.Module] = [nn.Conv2d(1, 6, 3), nn.Flatten()] if kernel else [nn.Flatten(), nn.Linear(36, 12)]
        return nn.Sequential(*front, nn.Tanh(), nn.Linear(96 if kernel else 12, 3))


def batches() -> list[tuple[Tensor, Tensor]]:
    chance = torch.Generator().manual_seed(0)
    x = torch.rand(240, 1, 6, 6, generator=chance)
    y = (x[:, 0, 0, 0] > 0.5).long() + (x[:, 0, 5, 5] > 0.5).long()
    return list(zip(x.split(40), y.split(40), strict=True))


@pytest.mark.parametrize("applied", ["penalty", "proximal"])
@pytest.mark.parametrize(("kernel", "layer"), [(False, "1"), (True, "0")])
def test_each_makes_small_what_it_penalises(kernel: bool, layer: str, applied: Any) -> None:
    def norms(**options: Any) -> Any:
        defence = Regularised(**{"layer": (layer,), "applied": applied, **options})
        found = defence.defend(network(kernel), batches(), Course(epochs=10)).network
        return matrix_norms(found.get_submodule(layer).weight.flatten(1))

    more = 1 if applied == "penalty" else 10  # the map does not know of the momentum of 0.9
    plain, sparse, low = norms(l1=1e-9), norms(l1=0.01 * more), norms(nuclear=0.05 * more)
    assert sparse.effective_sparsity < 0.8 * plain.effective_sparsity
    assert low.effective_rank < 0.95 * plain.effective_rank


def test_proximal_steps_make_zeros_and_lower_the_rank() -> None:
    course = Course(epochs=10)
    sparse = Regularised(l1=0.1, layer=("1",), applied="proximal").defend(network(), batches(), course).network
    assert float((sparse[1].weight == 0).float().mean()) > 0.3
    low = Regularised(nuclear=0.5, layer=("1",), applied="proximal").defend(network(), batches(), course).network
    assert int(torch.linalg.matrix_rank(low[1].weight, rtol=1e-5)) < 12
    both = Regularised(l1="1=0.1", nuclear="3=0.1", applied="proximal").defend(network(), batches(), course).network
    assert float((both[1].weight == 0).float().mean()) > 0.3
    assert torch.linalg.matrix_norm(both[3].weight, "nuc") < torch.linalg.matrix_norm(sparse[3].weight, "nuc")


def test_strengths_are_told_by_layer_or_for_all_that_are_named() -> None:
    told = Regularised(l1="1=0.5, 3=0.25", nuclear=0.125, layer=("1", "3"))
    assert [(type(one).__name__, one.layers, one.strength) for one in told.penalties] == [
        ("L1", "1", 0.5), ("L1", "3", 0.25), ("NuclearNorm", "1", 0.125), ("NuclearNorm", "3", 0.125),
    ]  # fmt: skip


def test_the_joint_penalty_bounds_what_a_linear_network_makes_of_a_perturbation() -> None:
    linear = nn.Sequential(nn.Linear(5, 4, bias=False), nn.Linear(4, 2, bias=False)).double()
    bound = float(JointL1(strength=1.0)(linear).detach())
    product = linear[1].weight @ linear[0].weight
    torch.testing.assert_close(torch.tensor(bound).double(), product.abs().sum().detach())
    directions = torch.randn(200, 5, dtype=torch.float64).sign()
    assert float(linear(directions).abs().sum(1).max()) <= bound


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "at least one of l1, nuclear and joint must be above 0, got none"),
        ({"l1": -0.5}, "l1 must be at least 0 and finite, got -0.5"),
        ({"nuclear": math.inf}, "nuclear must be at least 0 and finite, got inf"),
        ({"l1": "much"}, "l1 must be a number, or as in conv1=0.01,conv2=0.05, got 'much'"),
        ({"l1": "conv1=much"}, "l1 must be a number, .* got 'conv1=much'"),
        ({"l1": "conv1=-1"}, "l1 must be at least 0 and finite, got 'conv1=-1'"),
        ({"l1": 1.0, "applied": "later"}, "applied must be one of penalty, proximal, got 'later'"),
        ({"l1": 1.0, "layer": ()}, "layer must name at least one layer or glob, got none"),
    ],
)
def test_an_option_out_of_range_is_refused(options: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        Regularised(**options)


def test_the_joint_penalty_needs_a_chain() -> None:
    with pytest.raises(InputError, match=r"'0.weight' of shape \(6, 1, 3, 3\) does not go on"):
        Regularised(joint=0.1).defend(network(kernel=True), batches(), Course(epochs=1))
    with pytest.raises(InputError, match=r"'1.weight' of shape \(2, 3\) does not go on"):
        JointL1(strength=1.0)(nn.Sequential(nn.Linear(2, 2), nn.Linear(3, 2)))
    with pytest.raises(InputError, match="the network has none"):
        JointL1(strength=1.0)(nn.ReLU())
