"""Every recipe that is found runs in smoke size, offline, and its counts are those that were printed."""

from __future__ import annotations

import math
import socket
from pathlib import Path

import pytest
import torch
from torch import nn

from corank.experiment.bench import Bench
from corank.experiment.comparison import State, state_of
from corank.experiment.printed import number_of
from corank.experiment.recipe import find_recipes
from corank.experiment.reproducing import work
from corank.experiment.store import Store
from corank.network import cost
from corank.zoo import build

RECIPES = find_recipes()


class Smoke:
    """One store and one bench for all recipes, as `corank reproduce all --preset smoke` has them."""

    def __init__(self, folder: Path) -> None:
        self.bench = Bench(Store(folder))
        self.states: dict[str, State] = {}

    def run(self, name: str) -> State:
        if name not in self.states:
            recipe = RECIPES[name]
            assert work([recipe], recipe.cells("smoke"), self.bench) == ()
            self.states[name] = state_of(recipe, "smoke", self.bench.store)
        return self.states[name]


@pytest.fixture(scope="module")
def smoke(tmp_path_factory: pytest.TempPathFactory) -> Smoke:
    return Smoke(tmp_path_factory.mktemp("smoke"))


@pytest.mark.parametrize("name", RECIPES)
def test_it_runs_offline(smoke: Smoke, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError("no network here")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    for variable in ("CORANK_DATA", "CORANK_WEIGHTS"):
        monkeypatch.delenv(variable, raising=False)
    state = smoke.run(name)
    assert state.done == state.cells
    columns = RECIPES[name].table.columns
    found = [row["values"][column.name] for row in state.rows for column in columns]
    numbers = [value for value in found if value is not None]
    assert numbers
    assert all(math.isfinite(value) for value in numbers)
    for column in columns:
        assert any(row["values"][column.name] is not None for row in state.rows), column.name


@pytest.mark.parametrize("name", RECIPES)
def test_counts_agree_to_the_printed_digit(smoke: Smoke, name: str) -> None:
    for number in smoke.run(name).numbers:
        if number.is_counted and number.verdict != "not run":
            assert (number.verdict == "reproduced") != bool(number.note), number


@pytest.mark.parametrize("name", ["asnet/table2", "asnet/table3", "asnet/table4", "asnet/table5"])
def test_counts_that_differ_were_counted_as_their_notes_say(smoke: Smoke, name: str) -> None:
    """Counted so, every printed number of those columns comes out: in millions, and as ratios to 10 outputs."""
    state, options = smoke.run(name), RECIPES[name].cells("paper")[0].options
    whole = cost(smoke.bench.untrained(options.network, 10), (3, 32, 32))
    module = build(options.network, classes=10, generator=torch.Generator().manual_seed(0))
    channels = [layer.out_channels for layer in module.modules() if isinstance(layer, nn.Conv2d)]
    rows = {row["axes"]["layer"]: row["values"] for row in state.own if row["axes"]["network"] == "ASNet"}
    for number in state.numbers:
        if number.axes["network"] != "ASNet":
            continue
        values, layer = rows[number.axes["layer"]], number.axes["layer"]
        pre, head = values["pre_multiply_adds_millions"], values["head_multiply_adds_millions"]
        head -= (options.classes - 10) * math.comb(50 + 2, 2) / 1e6
        counted = {
            "head_multiply_adds_millions": head,
            "multiply_adds_millions": pre + head,
            "head_multiply_adds_ratio": (whole.multiply_adds_millions + sum(channels[layer:]) / 1e6 - pre) / head,
            "head_storage_ratio": (whole.storage_mb - values["pre_storage_mb"]) / values["head_storage_mb"],
            "storage_ratio": whole.storage_mb / values["storage_mb"],
        }
        if number.column in counted:
            assert abs(counted[number.column] - number_of(number.printed)) <= number.allowed, number
    assert len(rows) == 3


def test_every_count_of_tables_2_to_5_is_compared(smoke: Smoke) -> None:
    tables = [smoke.run(f"asnet/table{place}") for place in (2, 3, 4, 5)]
    assert not [n for state in tables for n in state.numbers if n.is_counted and n.verdict == "not run"]
