"""What is said of a number: met, missed in which direction, or not run; and under which other circumstances."""

from __future__ import annotations

from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import pytest

from corank.experiment.bench import Bench
from corank.experiment.comparison import Compared, State, state_of
from corank.experiment.recipe import Claim
from corank.experiment.reproducing import reproduce, work
from corank.experiment.reproduction_tables import numbers_table, remarks
from corank.experiment.store import Store

from .toy_recipe import toy_recipe


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def numbers(state: State) -> dict[tuple[Any, str], Compared]:
    return {(number.axes["layer"], number.column): number for number in state.numbers}


def test_nothing_is_run_before_it_is_run(tmp_path: Path, store: Store) -> None:
    state = state_of(toy_recipe(tmp_path), "smoke", store)
    assert (state.cells, state.done, state.running, state.seeds) == (13, 0, 0, 0)
    assert {number.verdict for number in state.numbers} == {"not run"}
    assert len(state.numbers) == 5


def test_verdicts_are_those_of_the_tolerance(tmp_path: Path, store: Store) -> None:
    recipe = toy_recipe(tmp_path)
    reproduce([recipe], "quick", store, seeds=3)
    state = state_of(recipe, "quick", store)
    found = numbers(state)
    assert (state.cells, state.done, state.seeds, len(state.rows)) == (12, 12, 3, 36)
    values = [row["values"]["mean"] for row in state.rows if row["axes"] == {"layer": 1, "rank": 1}]
    one = found[1, "mean"]
    assert (one.verdict, one.direction, one.seeds) == ("reproduced", "", 3)
    assert (one.value, one.spread) == (pytest.approx(fmean(values)), pytest.approx(stdev(values)))
    missed = found[2, "mean"]  # 0.95 is printed where a mean of uniform numbers stands
    assert (missed.verdict, missed.direction) == ("differs", "worse")
    assert (found[1, "size"].verdict, found[2, "size"].verdict) == ("reproduced", "differs")
    assert found[2, "size"].note == "a misprint"
    assert found[9, "mean"].verdict == "not run"
    assert [state.count(verdict) for verdict in ("reproduced", "differs", "not run")] == [2, 2, 1]


def test_other_circumstances_are_told_where_they_matter(tmp_path: Path, store: Store) -> None:
    recipe = toy_recipe(tmp_path)
    reproduce([recipe], "quick", store)
    state = state_of(recipe, "quick", store)
    assert numbers(state)[1, "mean"].differences == ("draws 100, in the paper 10000",)
    assert numbers(state)[1, "size"].differences == ()
    assert remarks(state) == ["draws 100, in the paper 10000", "toys are not what they were", "size: a misprint"]


def test_circumstances_are_told_of_what_was_not_printed_but_not_of_counts(tmp_path: Path, store: Store) -> None:
    recipe = toy_recipe(tmp_path)
    without, *_ = (cell for cell in recipe.cells("quick") if cell.axes == {"layer": 3, "rank": 3})
    work([recipe], [without], Bench(store))
    state = state_of(recipe, "quick", store)
    assert state.circumstances == ("draws 100, in the paper 10000", "toys are not what they were")
    recipe.printed.write_text(recipe.printed.read_text().replace("within = 0.2", 'within = "digits"'))
    counted = Store(tmp_path / "counted")
    work([recipe], recipe.cells("quick")[:1], Bench(counted))
    assert state_of(recipe, "quick", counted).circumstances == ()


def test_a_stand_in_is_compared_with_nothing(tmp_path: Path, store: Store) -> None:
    recipe = toy_recipe(tmp_path)
    reproduce([recipe], "smoke", store)
    state = state_of(recipe, "smoke", store)
    assert numbers(state)[1, "size"].value == 100  # and not the mean of 100 and 7
    table = numbers_table(recipe, state)
    shown = [row for row in table.rows if row[0] == "layer 1, rank 1 (stand-in)"]
    assert [row[-2:] for row in shown] == [(None, None)] * 2
    assert ("layer 2, rank 1", "size", "100.0", None, "99", "differs") in table.rows


def test_claims_see_the_cells_that_do_not_stand_in(tmp_path: Path, store: Store) -> None:
    recipe = toy_recipe(tmp_path)
    seen: list[int] = []

    def holds(rows: Any) -> bool:
        seen.append(len(rows))
        return all(row["mean"] < row["layer"] for row in rows)

    object.__setattr__(recipe.table, "claims", (Claim(quote="toys are mean", holds=holds),))
    reproduce([recipe], "smoke", store)
    state = state_of(recipe, "smoke", store)
    assert seen == [12]
    assert '"toys are mean": holds' in remarks(state)
