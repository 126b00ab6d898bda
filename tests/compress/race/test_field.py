"""What the methods offer for a budget is what is then built: its cost, and how well it works."""

from __future__ import annotations

import copy
import sys
from functools import cache
from typing import Any

import pytest
import torch
from torch import nn

from corank.compress import ASNet
from corank.compress.pruning import pruning_path
from corank.compress.race.entry import Entry
from corank.compress.race.field import Field, field
from corank.compress.race.ladder import GRANULARITY, Choice
from corank.compress.race.prunings import Prunings, Way
from corank.network import cost
from corank.train import accuracy

from .networks import CLASSES, KINDS, allowance, batches, course, data, trained

TARGETS = ["macs=3x", "params=2x", "storage-mb=0.02"]
METHODS = {"ASNet", "RON", "pruning", "pruning + ASNet", "pruning + RON"}


@cache
def offered(kind: str, text: str = "macs=3x") -> Field:
    return field(course(kind), allowance(kind, text), 8, batches())


@cache
def entries(kind: str, text: str = "macs=3x") -> tuple[Entry, ...]:
    return tuple(choice.entered(allowance(kind, text)) for choice in offered(kind, text).choices)


@pytest.fixture(params=[(kind, text) for kind in KINDS for text in TARGETS], ids="-".join)
def case(request: pytest.FixtureRequest) -> tuple[str, str]:
    kind, text = request.param
    if "x" not in text and allowance(kind, text).whole <= allowance(kind, text).limit:
        pytest.skip("the network is within the budget as it is")
    return kind, text


def test_every_method_is_in_the_race() -> None:
    assert {choice.ladder.method for choice in offered("cnn", "macs=2x").choices} == METHODS
    assert offered("cnn", "macs=2x").left == ()


def test_methods_that_have_no_place_are_named() -> None:
    found = offered("mlp", "macs=1.02x")
    methods = {choice.ladder.method for choice in found.choices}
    assert METHODS - methods == {"pruning + ASNet", "pruning + RON"}
    assert [reason.partition(" is not in the race: ")[0] for reason in found.left] == sorted(METHODS - methods)


def test_costs_are_those_of_the_networks_that_are_built(case: tuple[str, str]) -> None:
    allowed = allowance(*case)
    for entry in entries(*case):
        built = entry.built.network
        assert entry.candidate.cost == cost(built, (1, 8, 8)), entry.candidate.name
        assert entry.candidate.reached == allowed.target.amount(entry.candidate.cost)
        assert entry.candidate.fits == (entry.candidate.reached <= allowed.limit)
        with torch.no_grad():
            assert built(data()[0][0]).shape == (64, CLASSES)


def test_accuracies_are_those_of_the_networks_that_are_built(case: tuple[str, str]) -> None:
    judging = course(case[0]).judging
    for entry in entries(*case):
        found = accuracy(entry.built.network, [(judging.x, judging.labels)])
        if entry.candidate.method in ("RON", "pruning", "pruning + RON"):
            assert found == pytest.approx(entry.candidate.accuracy, abs=1e-12), entry.candidate.name
        else:  # a forecast of five points at most on 320 samples, of which one standard deviation is up to 2.8
            assert found == pytest.approx(entry.candidate.accuracy, abs=0.1), entry.candidate.name


def test_what_is_timed_is_as_large_as_what_is_built(case: tuple[str, str]) -> None:
    for entry in entries(*case):
        choice: Choice[Any] = entry.choice
        assert cost(choice.ladder.timed(choice.size), (1, 8, 8)) == entry.candidate.cost, entry.candidate.name


def test_only_what_exceeds_the_budget_least_stands_for_a_method_that_has_nothing_within() -> None:
    found = entries("cnn", "macs=300x")
    assert not any(entry.candidate.fits for entry in found)
    assert len({entry.candidate.method for entry in found}) == len(found)
    assert {entry.candidate.method for entry in found} >= {"ASNet", "RON", "pruning"}
    for entry in found:
        ladder = entry.choice.ladder
        assert entry.candidate.cost == ladder.cost(ladder.rungs[0])


def test_no_network_is_there_twice() -> None:
    for kind in KINDS:
        keys = [choice.key for choice in offered(kind).choices]
        assert len(set(keys)) == len(keys)


def test_with_widths_of_any_number_every_method_that_can_meets_the_budget_closely() -> None:
    for text in ("macs=2x", "params=3x"):
        allowed = allowance("mlp", text)
        for choice in field(course("mlp"), allowed, 1, batches()).choices:
            if choice.ladder.method in ("RON", "pruning"):
                assert (1 - GRANULARITY) * allowed.limit <= choice.reached <= allowed.limit


def test_an_asnet_is_the_one_that_its_compressor_makes() -> None:
    (entry, *_) = (entry for entry in entries("cnn") if entry.candidate.method == "ASNet")
    found = entry.candidate
    other = ASNet(layer=found.layer, rank=found.sizes[0], samples=4096, epochs=0).compress(trained("cnn"), data())
    x = data()[0][0]
    with torch.no_grad():
        mine, theirs = entry.built.network(x), other.network(x)
    assert (mine - theirs).abs().max() <= 1e-2 * theirs.abs().max()  # their directions come of a larger sketch


def test_building_leaves_gradients_switched_on_and_the_networks_trainable(case: tuple[str, str]) -> None:
    for entry in entries(*case):
        assert torch.is_grad_enabled()
        nn.functional.cross_entropy(entry.built.network(data()[0][0]), data()[0][1]).backward()
        assert torch.is_grad_enabled()


def test_the_costs_of_narrow_networks_fall_on_the_way(case: tuple[str, str]) -> None:
    for choice in offered(*case).choices:
        if isinstance(choice.ladder, Prunings):
            amounts = [choice.ladder.cost(size).multiply_adds for size in choice.ladder.rungs]
            assert amounts == sorted(amounts)


def test_a_step_wider_is_the_least_there_is() -> None:
    way = Way(course("mlp"), pruning_path(course("mlp").graph, course("mlp").example, multiple=8))
    ladder = Prunings(course("mlp"), way)
    assert list(ladder.wider((40, 24))) == [(48, 24), (40, 32)]
    assert list(ladder.wider((96, 64))) == []


def test_the_race_goes_on_without_torch_pruning_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch_pruning", None)
    found = field(course("cnn"), allowance("cnn", "macs=3x"), 8, batches())
    assert {choice.ladder.method for choice in found.choices} == {"ASNet", "RON"}
    assert len(found.left) == 1
    assert "pruning is not in the race" in found.left[0]
    assert "corank[prune]" in found.left[0]


def test_a_network_of_two_ways_is_reduced_and_pruned_but_not_cut() -> None:
    found = offered("branched", "macs=2x")
    assert {choice.ladder.method for choice in found.choices} == {"RON", "pruning"}
    assert "ASNet is not in the race" in found.left[0]


class Normalising(nn.Module):
    """A normalisation of each sample, which no reduced-order network has, before the end."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Sequential(nn.Flatten(), nn.Linear(64, 32), nn.ReLU(), nn.LayerNorm(32))
        self.last = nn.Linear(32, CLASSES)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.last(torch.nn.functional.layer_norm(self.inner(x), (32,)))  # type: ignore[no-any-return]


def test_what_cannot_be_reduced_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(KINDS, "normalising", Normalising)
    found = offered("normalising", "params=2x")
    assert "RON" not in {choice.ladder.method for choice in found.choices}
    assert any("RON is not in the race" in reason and "layer_norm" in reason for reason in found.left)


def test_the_measured_network_is_left_as_it_was() -> None:
    before = copy.deepcopy(course("cnn").graph.state_dict())
    entries("cnn")
    after = course("cnn").graph.state_dict()
    assert all(torch.equal(after[name], value) for name, value in before.items())
