"""What every defence keeps to, whatever it does to a training."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrize

import corank.defend
from corank.defend import Course, Defence, Defended, Watch
from corank.discover import methods_of
from corank.errors import InputError
from corank.network.guard import HOOKS
from corank.train.checkpoint import Checkpoint

from .methods import Snapshot, data, lively, numeric_options, timeless

DEFENCES = methods_of(corank.defend, Defence)
OPTIONS: dict[str, Any] = {"rank": 2, "radius": 0.1, "steps": 2, "l1": 0.01, "nuclear": 0.01, "warm_up": 1, "every": 3}
every_defence = pytest.mark.parametrize("name", list(DEFENCES))


def smallest(name: str, **changed: Any) -> Defence:
    method = DEFENCES[name]
    if name == "bottle-low-rank":  # which stands behind a module
        changed = {"layer": "network.0", **changed}
    known = {field.name: OPTIONS[field.name] for field in dataclasses.fields(method) if field.name in OPTIONS}
    return method(**{**known, **changed})


def defended(name: str, network: nn.Module, epochs: int = 2, **told: Any) -> Defended:
    return smallest(name).defend(network, data(), Course(epochs=epochs), **told)


def test_the_room_has_what_the_papers_compare() -> None:
    compared = {"low-rank", "bottle-low-rank", "regularised", "adversarial", "natural", "spectral-normalisation",
                "stable-rank-normalisation", "snip"}  # fmt: skip
    assert compared == {*DEFENCES}


@every_defence
def test_the_network_comes_back_bit_for_bit_and_a_plain_one_is_returned(name: str) -> None:
    network = lively()
    before = Snapshot.of(network)
    found = defended(name, network).network
    assert Snapshot.of(network) == before
    assert not any(module.training for module in found.modules())
    assert not any(parametrize.is_parametrized(module) for module in found.modules())
    own = [len(getattr(module, kind)) for module in network.modules() for kind in HOOKS]
    assert sum(len(getattr(module, kind)) for module in found.modules() for kind in HOOKS) == sum(own)
    assert not any(name.startswith(("layers", "mask")) for name in found.state_dict())
    x = data()[0][0]
    assert found(x).shape == network(x).shape
    assert not torch.equal(found.network.last.weight, network.network.last.weight)


@every_defence
def test_one_seed_gives_one_network(name: str) -> None:
    one, other = (defended(name, lively()) for _ in range(2))
    for key, value in one.network.state_dict().items():
        assert torch.equal(value, other.network.state_dict()[key]), key
    assert timeless(one.to_dict()) == timeless(other.to_dict())


@every_defence
def test_what_was_interrupted_ends_as_if_it_had_not_been(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: dict[str, Any] = {"watch": Watch(images=8, steps=1), "validation": data(1), "epochs": 3}
    expected = defended(name, lively(), **told)
    keep, left = Checkpoint.save, [2]

    def save(self: Checkpoint, *rest: Any) -> None:
        keep(self, *rest)
        left[0] -= 1
        if left[0] == 0:
            raise KeyboardInterrupt

    monkeypatch.setattr(Checkpoint, "save", save)
    with pytest.raises(KeyboardInterrupt):
        defended(name, lively(), checkpoint=tmp_path, **told)
    found = defended(name, lively(), checkpoint=tmp_path, **told)
    assert timeless(found.to_dict()) == timeless(expected.to_dict())
    assert found.watched is not None
    assert [row.epoch for row in found.watched.rows] == [0, 1, 2, 3]
    for key, value in expected.network.state_dict().items():
        assert torch.equal(value, found.network.state_dict()[key]), key


@every_defence
def test_another_defence_does_not_go_on_from_its_checkpoint(name: str, tmp_path: Path) -> None:
    smallest(name).defend(lively(), data(), Course(epochs=2), checkpoint=tmp_path)
    other = "snip" if name != "snip" else "regularised"
    with pytest.raises(InputError, match=r"belongs to another training: defence\.\w+ was"):
        smallest(other).defend(lively(), data(), Course(epochs=2), checkpoint=tmp_path)


@every_defence
def test_numbers_out_of_range_are_refused(name: str) -> None:
    for option, kind in numeric_options(DEFENCES[name]).items():
        for value in (-1, 0) if kind is int else (-1.0, math.nan):
            if (option, value) == ("warm_up", 0):
                continue
            with pytest.raises(InputError, match=rf"{option.replace('joint', 'joint penalty')}.*{value}"):
                smallest(name, **{option: value})


@every_defence
def test_a_layer_that_is_not_there_is_refused(name: str) -> None:
    if "layer" not in {field.name for field in dataclasses.fields(DEFENCES[name])}:
        pytest.skip("it is for the whole network")
    with pytest.raises(InputError, match="'nothing'"):
        smallest(name, layer=("nothing",)).defend(lively(), data(), Course(epochs=2))


def test_watching_needs_something_to_watch_on() -> None:
    with pytest.raises(InputError, match="needs validation batches, got none"):
        defended("snip", lively(), watch=Watch())
    with pytest.raises(InputError, match="no validation samples"):
        defended("snip", lively(), watch=Watch(), validation=[])
