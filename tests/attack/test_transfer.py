from __future__ import annotations

import json
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from corank.attack.interval import wilson
from corank.attack.random_direction import RandomDirection
from corank.attack.stochastic_gradient import StochasticGradient
from corank.attack.transfer import TransferMatrix, transfer_matrix
from corank.attack.victim import Victim
from corank.errors import InputError
from corank.network.guard import unchanged

ATTACK = StochasticGradient(radius=1.0)


def network_of(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Flatten(), nn.Linear(9, 16), nn.ReLU(), nn.Linear(16, 3)).eval()


def networks() -> dict[str, nn.Module]:
    return {"a": network_of(0), "b": network_of(1), "c": network_of(2)}


def samples(count: int = 40, seed: int = 0) -> tuple[Tensor, Tensor]:
    chance = torch.Generator().manual_seed(seed)
    return torch.rand(count, 1, 3, 3, generator=chance), torch.randint(3, (count,), generator=chance)


def cell(found: TransferMatrix, attacked: str, source: str) -> Any:
    (one,) = (each for each in found.transfers if (each.attacked, each.source) == (attacked, source))
    return one


def test_the_diagonal_is_what_each_attack_reports_of_its_heldout_samples() -> None:
    given = networks()
    found = transfer_matrix(given, ATTACK, *samples(), heldout=samples(70, 1))
    for name, network in given.items():
        own = ATTACK.attack(network, *samples(), heldout=samples(70, 1)).heldout
        assert own is not None
        told = cell(found, name, name)
        for share in ("samples", "fooled", "fooled_of_right", "errors", "errors_before"):
            assert getattr(told, share) == getattr(own, share)
    assert len({each.fooled for each in found.transfers}) > 3


def test_every_pair_agrees_with_a_direct_count() -> None:
    given, (x, labels) = networks(), samples(70, 1)
    with unchanged(given["a"]), unchanged(given["b"]):
        found = transfer_matrix(given, ATTACK, *samples(), heldout=(x, labels), bounds=(0, 1))
    for column, (source, made) in enumerate(zip(found.networks, found.found, strict=True)):
        for row, (attacked, network) in enumerate(given.items()):
            before, after = (Victim(network).classes(inputs) for inputs in (x, (x + made.vector).clamp(0, 1)))
            told = cell(found, attacked, source)
            assert told.fooled == float(found.fooled[row, column]) == float((before != after).double().mean())
            assert told.errors == float((after != labels).double().mean())
            assert (told.low, told.high) == wilson(int((before != after).sum()), 70)


def test_without_heldout_samples_it_is_judged_on_those_it_was_made_on() -> None:
    given = networks()
    found = transfer_matrix(given, RandomDirection(radius=2.0), *samples())
    assert cell(found, "b", "b").fooled == found.found[1].train.fooled


def test_two_names_of_one_network_cannot_be_told_apart() -> None:
    network = network_of()
    found = transfer_matrix({"one": network, "other": network}, ATTACK, *samples())
    assert len({each.fooled for each in found.transfers}) == 1


def test_it_becomes_rows_of_json() -> None:
    told = json.loads(json.dumps(transfer_matrix(networks(), ATTACK, *samples()).to_dict(), allow_nan=False))
    assert told["networks"] == ["a", "b", "c"]
    assert {"attacked", "source", "fooled", "low", "high", "fooled_of_right", "errors"} <= {*told["transfers"][0]}
    assert len(told["transfers"]) == 9


def test_what_has_no_matrix_is_refused() -> None:
    given, (images, labels) = networks(), samples()
    with pytest.raises(InputError, match="at least two networks, got 1"):
        transfer_matrix({"a": given["a"]}, ATTACK, images, labels)
    with pytest.raises(InputError, match="label 3 is outside"):
        transfer_matrix(given, ATTACK, images, labels, heldout=(images, labels + 1))
    given["b"].train()
    with pytest.raises(InputError, match="training mode"):
        transfer_matrix(given, ATTACK, images, labels)
