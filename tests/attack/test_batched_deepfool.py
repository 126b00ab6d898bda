"""DeepFool for many inputs at once: exact where networks are linear, and as a well-kept library has it elsewhere."""

from __future__ import annotations

import copy

import foolbox
import pytest
import torch

from corank.attack.batched_deepfool import batched_deepfool
from corank.attack.budget import Norm, lengths_of
from corank.attack.victim import Victim

from .nets import digits, linear, nearest_boundary, right


@pytest.mark.parametrize("norm", ["l2", "linf"])
@pytest.mark.parametrize("classes", [2, 3, 7])
def test_the_distance_to_a_linear_boundary_is_exact(norm: Norm, classes: int) -> None:
    network = linear(classes)
    x, y = right(network)
    found = batched_deepfool(Victim(network), x, y, norm=norm, overshoot=1e-7)
    torch.testing.assert_close(lengths_of(norm, found), nearest_boundary(network, x, y, norm), atol=0, rtol=1e-5)
    assert bool((network(x + found).argmax(1) != y).all())


def test_a_target_is_reached_and_by_the_shortest_way_where_no_third_class_is_met() -> None:
    network = linear(3)
    x, y = right(network)
    target = (y + 1) % 3
    for one in range(3):
        rows = target == one
        found = batched_deepfool(Victim(network), x[rows], y[rows], target=one, overshoot=1e-7)
        with torch.no_grad():
            assert bool((network(x[rows] + found).argmax(1) == one).all())
            logits, slopes = network(x[rows]), network[1].weight[one] - network[1].weight[y[rows]]
            gaps = logits.gather(1, y[rows][:, None])[:, 0] - logits[:, one]
            shortest = (gaps / slopes.norm(dim=1).square())[:, None] * slopes
            is_straight = network(x[rows] + shortest.reshape(found.shape) * (1 + 1e-6)).argmax(1) == one
        lengths = lengths_of("l2", found)
        assert bool((lengths >= shortest.norm(dim=1) * (1 - 1e-6)).all())
        torch.testing.assert_close(lengths[is_straight], shortest.norm(dim=1)[is_straight], atol=0, rtol=1e-5)


@pytest.mark.parametrize(
    ("norm", "kind"), [("l2", foolbox.attacks.L2DeepFoolAttack), ("linf", foolbox.attacks.LinfDeepFoolAttack)]
)
def test_it_agrees_with_foolbox(norm: Norm, kind: type) -> None:
    network, x, _ = digits()
    y = network(x).argmax(1)
    ours = batched_deepfool(Victim(network), x, y, norm=norm, overshoot=0.02)
    model = foolbox.PyTorchModel(copy.deepcopy(network), bounds=(-100.0, 100.0), device="cpu")
    theirs, _, is_fooled = kind(overshoot=0.02, candidates=10)(model, x, y, epsilons=None)
    assert bool(is_fooled.all())
    assert bool((network(x + ours).argmax(1) != y).all())
    ratio = lengths_of(norm, ours) / lengths_of(norm, theirs - x)
    assert 0.97 < float(ratio.median()) < 1.03


def test_what_is_elsewhere_already_stays() -> None:
    network = linear(3)
    x, y = right(network)
    assert not batched_deepfool(Victim(network), x, (y + 1) % 3).any()


def test_a_flat_network_leaves_inputs_where_they_are() -> None:
    network = linear(3)
    torch.nn.init.zeros_(network[1].weight)
    x, y = right(network)
    assert not batched_deepfool(Victim(network), x, y, steps=3).any()


def test_pieces_do_not_change_what_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    network, x, _ = digits()
    y = network(x).argmax(1)
    whole = batched_deepfool(Victim(network), x, y)
    monkeypatch.setattr("corank.attack.batched_deepfool.CHUNK", 18)
    torch.testing.assert_close(batched_deepfool(Victim(network), x, y), whole, atol=1e-5, rtol=1e-4)
