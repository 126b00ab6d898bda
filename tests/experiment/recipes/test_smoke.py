"""Every recipe that is found runs in smoke size, offline, and its counts are those that were printed."""

from __future__ import annotations

import math
import socket
from pathlib import Path

import pytest

from corank.experiment.bench import Bench
from corank.experiment.comparison import State, state_of
from corank.experiment.recipe import find_recipes
from corank.experiment.reproducing import work
from corank.experiment.store import Store

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


@pytest.mark.parametrize(("name", "least"), [("asnet/table2", 31), ("asnet/table3", 11), ("asnet/table4", 17)])
def test_counts_are_compared(smoke: Smoke, name: str, least: int) -> None:
    assert smoke.run(name).count("reproduced") >= least
