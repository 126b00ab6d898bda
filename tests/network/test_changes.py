"""What became of every layer, on pairs of networks of which it is known."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from corank.network import Normalised, capture, changes_between
from corank.network.changes import is_unchanged


def net() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 6, 3), nn.ReLU(), nn.Flatten(), nn.Linear(24, 3)
    ).eval()


def changed(change: Callable[[nn.Sequential], None]) -> nn.Sequential:
    made = net()
    with torch.no_grad():
        change(made)
    return made


def narrowed(made: nn.Sequential) -> None:
    made[0], made[1], made[3] = nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.Conv2d(3, 6, 3)


def widened(made: nn.Sequential) -> None:
    made[3], made[6] = nn.Conv2d(4, 7, 3), nn.Linear(28, 3)


def narrower_and_larger(made: nn.Sequential) -> None:
    made[3] = nn.Sequential(nn.Conv2d(4, 2, 3), nn.Conv2d(2, 6, 1))
    made[6] = nn.Linear(23, 4)


def without_the_second(made: nn.Sequential) -> None:
    made[3], made[4], made[6] = nn.Identity(), nn.Identity(), nn.Linear(64, 3)


PAIRS: dict[str, tuple[Callable[[nn.Sequential], None], dict[str, str]]] = {
    "nothing": (lambda made: None, {"0": "kept", "3": "kept", "6": "kept"}),
    "one number": (lambda made: made[3].weight[5, 3, 2, 2].add_(1e-6), {"0": "kept", "3": "retrained", "6": "kept"}),
    "a bias": (lambda made: made[6].bias[2].add_(1e-6), {"0": "kept", "3": "kept", "6": "retrained"}),
    "a bias gone": (lambda made: setattr(made[6], "bias", None), {"0": "kept", "3": "kept", "6": "retrained"}),
    "channels": (narrowed, {"0": "narrowed", "3": "narrowed", "6": "kept"}),
    "wider": (widened, {"0": "kept", "3": "replaced", "6": "replaced"}),
    "a pair": (
        narrower_and_larger,
        {"0": "kept", "3": "removed", "6": "replaced", "3.0": "new", "3.1": "new"},
    ),
    "a layer less": (without_the_second, {"0": "kept", "3": "removed", "6": "replaced"}),
}


@pytest.mark.parametrize("pair", PAIRS)
def test_every_layer_is_told_by_what_became_of_it(pair: str) -> None:
    change, expected = PAIRS[pair]
    original, small = net(), changed(change)
    changes = changes_between(original, small)
    assert {row.layer: row.what for row in changes} == expected
    assert is_unchanged(original, small, changes) == (pair == "nothing")
    shapes = [{name: tuple(value.shape) for name, value in each.named_parameters()} for each in (original, small)]
    for row in changes:
        assert row.was == shapes[0].get(f"{row.layer}.weight")
        assert row.now == shapes[1].get(f"{row.layer}.weight")


def test_seen_from_the_other_side_removed_is_new_and_kept_is_kept() -> None:
    one, other = net(), changed(narrower_and_larger)
    there, back = changes_between(one, other), changes_between(other, one)
    turned = {"kept": "kept", "removed": "new", "new": "removed", "replaced": "replaced"}
    assert {row.layer: turned[row.what] for row in there} == {row.layer: row.what for row in back}
    assert {row.layer: (row.was, row.now) for row in there} == {row.layer: (row.now, row.was) for row in back}


def test_a_graph_and_a_wrapper_have_the_names_of_the_network_in_them() -> None:
    original = Normalised(net(), [0.5], [0.25]).eval()
    small = copy.deepcopy(original)
    with torch.no_grad():
        small.network[3].weight.mul_(2)
    x = torch.zeros(2, 1, 6, 6)
    for one in (original, capture(original, x)):
        for other in (small, capture(small, x)):
            assert [(row.layer, row.what) for row in changes_between(one, other)] == [
                ("0", "kept"), ("3", "retrained"), ("6", "kept")
            ]  # fmt: skip


class WithoutModules(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Parameter(torch.ones(width, 5))
        self.last = nn.Parameter(torch.ones(3, width))

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.linear(torch.relu(nn.functional.linear(x, self.first)), self.last)


def test_weights_that_only_their_use_tells_are_found_by_an_example() -> None:
    x = torch.zeros(2, 5)
    small = capture(WithoutModules(4), x)
    assert [row.what for row in changes_between(WithoutModules(8), small, x)] == ["narrowed", "narrowed"]
    assert [row.what for row in changes_between(WithoutModules(8), small)] == ["new", "new"]


def test_what_has_no_weight_matrix_counts_for_being_unchanged() -> None:
    def normalisation(made: nn.Sequential) -> None:
        made[1].weight.mul_(2)

    def statistics(made: nn.Sequential) -> None:
        made[1].running_mean.add_(1)

    def without_normalisation(made: nn.Sequential) -> None:
        made[1] = nn.Identity()

    for change in (normalisation, statistics, without_normalisation):
        small = changed(change)
        changes = changes_between(net(), small)
        assert {row.what for row in changes} == {"kept"}
        assert not is_unchanged(net(), small, changes)


def test_a_copy_as_a_graph_is_unchanged_though_it_holds_no_counters() -> None:
    small = capture(net(), torch.zeros(2, 1, 6, 6))
    assert len(list(small.buffers())) < len(list(net().buffers()))
    assert is_unchanged(net(), small, changes_between(net(), small))


def test_a_row_writes_shapes_as_people_do() -> None:
    first, *_, last = changes_between(net(), changed(narrower_and_larger))
    assert first.row() == {
        "layer": "0", "kind": "convolution", "was": "4 x 1 x 3 x 3", "now": "4 x 1 x 3 x 3", "what": "kept",
    }  # fmt: skip
    assert last.row()["was"] == "none"
    assert last.to_dict() == {
        "layer": "3.1", "kind": "convolution", "was": None, "now": [6, 2, 1, 1], "what": "new"
    }  # fmt: skip
