from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import final

import pytest
import torch
from torch import nn

from corank.compress import Compressed, Compressor
from corank.errors import InputError
from corank.measure import Batches
from corank.network import Adapted, Change, Cost, capture, changes_between, cost
from corank.train import Checkpoint

NOTHING = Cost(parameters=1, storage_bytes=1, multiply_adds=1)
LIE = Change(layer="0", kind="linear", was=(30, 4), now=(1, 1), what="narrowed")
DATA = [(torch.randn(6, 4), torch.tensor([0, 1, 2, 0, 1, 2]))]


def net() -> nn.Sequential:
    return nn.Sequential(nn.Linear(4, 30), nn.ReLU(), nn.Linear(30, 3))


@final
@dataclass(frozen=True, kw_only=True)
class Boastful(Compressor[Compressed]):
    """Returns a linear map with outputs of a given width, and claims that it costs nothing."""

    outputs: int = 3
    spoil: bool = False
    returned: nn.Module | None = None

    def _compress(
        self, network: nn.Module, batches: Batches, validation: Batches | None, checkpoint: Checkpoint | None
    ) -> Compressed:
        if self.spoil:
            network[0].weight.data.mul_(0.5)
        made = nn.Linear(4, self.outputs) if self.returned is None else self.returned
        return Compressed(network=made, original=NOTHING, overall=NOTHING, changes=(LIE,))


def test_the_base_counts_the_cost_itself() -> None:
    network = net()
    made = Boastful().compress(network, DATA)
    assert made.original == cost(network, (4,)) != NOTHING
    assert made.overall == cost(made.network, (4,)) != NOTHING
    assert made.overall.parameters == 4 * 3 + 3
    assert made.storage_ratio == (4 * 30 + 30 + 30 * 3 + 3) / 15
    assert made.multiply_adds_ratio == (4 * 30 + 30 * 3) / 12
    assert made.row()["storage ratio"] == made.storage_ratio


def test_the_base_says_itself_what_was_changed() -> None:
    network = net()
    made = Boastful().compress(network, DATA)
    assert made.changes == changes_between(network, made.network)
    assert {row.layer: row.what for row in made.changes} == {"0": "removed", "2": "removed", "weight": "new"}


def test_an_unchanged_network_is_refused_with_what_to_do() -> None:
    network = net().eval()
    for copied in (copy.deepcopy(network), capture(copy.deepcopy(network), DATA[0][0])):
        with pytest.raises(InputError, match=r"the network is unchanged: .* ask Boastful for a smaller one") as caught:
            Boastful(returned=copied).compress(network, DATA)
        assert "\n" not in str(caught.value)
    with torch.no_grad():
        next(copied.parameters()).add_(1e-6)
    assert Boastful(returned=copied).compress(network, DATA).changes[0].what == "retrained"


def test_outputs_of_another_shape_are_a_defect() -> None:
    with pytest.raises(AssertionError, match=r"returns \(1, 2\) instead of \(1, 3\)"):
        Boastful(outputs=2).compress(net(), DATA)


def test_no_compressor_changes_the_network_unnoticed() -> None:
    with pytest.raises(AssertionError, match=r"changed the caller's network: values of 0.weight"):
        Boastful(spoil=True).compress(net(), DATA)


def test_data_that_the_network_does_not_take_are_refused() -> None:
    with pytest.raises(InputError, match=r"samples of shape \(5,\)"):
        Boastful().compress(net(), [(torch.zeros(2, 5), torch.zeros(2))])
    with pytest.raises(InputError, match="no batch"):
        Boastful().compress(net(), [])
    with pytest.raises(InputError, match="re-iterable"):
        Boastful().compress(net(), iter(DATA))


class Named(nn.Module):
    """Logits with a name."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = net()

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"logits": self.inner(x)}


def test_networks_of_other_forms_are_refused_with_what_to_give() -> None:
    with pytest.raises(InputError, match=r"this one returns a dict: give Adapted\(network, output=...\)") as caught:
        Boastful().compress(Named(), DATA)
    assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match="takes one tensor, the batches hold a dict") as caught:
        Boastful().compress(Adapted(net(), inputs=("input",)), [({"input": x}, y) for x, y in DATA])
    assert "\n" not in str(caught.value)


def test_numbers_that_training_spoilt_are_refused() -> None:
    spoilt = net()
    with torch.no_grad():
        spoilt[0].weight[0, 0] = torch.nan
    with pytest.raises(InputError, match=r"training made '0.weight' infinite or not a number: give smaller") as caught:
        Boastful(returned=spoilt).compress(net(), DATA)
    assert "\n" not in str(caught.value)
