"""A run gives the same store whether it is stopped or not, and whoever takes part in it."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from corank.errors import InputError
from corank.experiment.bench import Bench
from corank.experiment.recipe import Recipe
from corank.experiment.reproducing import reproduce, work
from corank.experiment.store import Store

from .toy_recipe import Toy, held, in_another_process, logged, toy_recipe


def whole(tmp_path: Path, options: Toy, seeds: int = 1) -> dict[str, object]:
    """What an uninterrupted run keeps."""
    store = Store(tmp_path / "uninterrupted")
    recipe = toy_recipe(tmp_path / "recipe", options)
    assert reproduce([recipe], "smoke", store, seeds=seeds) == ()
    (tmp_path / "recipe" / "log").unlink()
    return held(store)


def write_slowly(file: Path, text: str) -> None:
    """As a slow disk does, so that a kill falls into it."""
    with file.open("w") as opened:
        for start in range(0, len(text), 50):
            opened.write(text[start : start + 50])
            opened.flush()
            time.sleep(0.001)


@pytest.mark.parametrize("is_writing", [False, True], ids=["computing", "writing"])
@pytest.mark.parametrize("seed", range(3))
def test_a_run_killed_at_any_moment_goes_on_to_the_same_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_writing: bool, seed: int
) -> None:
    options, store, chance = Toy(seconds=0.0 if is_writing else 0.02), Store(tmp_path / "store"), random.Random(seed)
    expected = whole(tmp_path, options, seeds=2)
    assert len(expected) == 26
    if is_writing:
        monkeypatch.setattr(Path, "write_text", write_slowly)
    recipe = toy_recipe(tmp_path / "recipe", options)
    kills, is_done = 0, False
    while kills < 12 and not is_done:
        process = in_another_process(recipe, store, seeds=2)
        time.sleep(chance.uniform(0.0, 0.1))
        process.kill()
        process.join()
        is_done = process.exitcode == 0
        kills += not is_done
        for name, row in held(store).items():
            assert row == expected[name]
    assert kills > 3
    assert reproduce([recipe], "smoke", store, seeds=2) == ()
    assert held(store) == expected
    assert len(logged(recipe)) <= len(expected) + kills, "a kill costs no more than the cell it falls into"


@pytest.mark.parametrize("seed", range(3))
def test_two_processes_killed_in_turn_do_nothing_twice(tmp_path: Path, seed: int) -> None:
    options, store, chance = Toy(seconds=0.05), Store(tmp_path / "store"), random.Random(seed)
    expected = whole(tmp_path, options, seeds=2)
    recipe = toy_recipe(tmp_path / "recipe", options)
    pair, kills = [in_another_process(recipe, store, seeds=2) for _ in range(2)], 0
    for _ in range(6):
        time.sleep(chance.uniform(0.0, 0.1))
        place = chance.randrange(2)
        pair[place].kill()
        pair[place].join()
        kills += pair[place].exitcode != 0
        pair[place] = in_another_process(recipe, store, seeds=2)
    for process in pair:
        process.join()
        assert process.exitcode == 0
    assert kills > 2
    assert held(store) == expected
    assert len(logged(recipe)) <= len(expected) + kills


def test_processes_share_a_run_without_double_work(tmp_path: Path) -> None:
    options, store = Toy(seconds=0.05), Store(tmp_path / "store")
    expected = whole(tmp_path, options)
    recipe = toy_recipe(tmp_path / "recipe", options)
    processes = [in_another_process(recipe, store) for _ in range(3)]
    for process in processes:
        process.join()
        assert process.exitcode == 0
    assert held(store) == expected
    begun = logged(recipe)
    assert Counter(key for _, key in begun) == Counter(cell.key for cell in recipe.cells("smoke"))
    assert {process for process, _ in begun} == {process.pid for process in processes}


def test_what_a_dead_process_had_begun_is_taken_over(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    recipe = toy_recipe(tmp_path / "recipe", Toy(seconds=0.2))
    first = in_another_process(recipe, store)
    while not (tmp_path / "recipe" / "log").exists():
        time.sleep(0.01)
    second = in_another_process(recipe, store)
    time.sleep(0.05)
    first.kill()
    first.join()
    second.join()
    assert second.exitcode == 0
    assert set(held(store)) == {f"{cell.key}.json" for cell in recipe.cells("smoke")}


def test_what_another_finished_just_before_the_claim_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe, store, claim = toy_recipe(tmp_path / "recipe"), Store(tmp_path / "store"), Store.claim

    @contextmanager
    def late(self: Store, key: str) -> Iterator[bool]:
        self.keep(key, {"by": "another"})
        with claim(self, key) as mine:
            yield mine

    monkeypatch.setattr(Store, "claim", late)
    assert work([recipe], recipe.cells("quick"), Bench(store)) == ()
    assert not (tmp_path / "recipe" / "log").exists()


def test_what_is_done_is_not_done_again(tmp_path: Path) -> None:
    recipe, store, said = toy_recipe(tmp_path / "recipe"), Store(tmp_path / "store"), []
    reproduce([recipe], "quick", store)
    before = {file: file.stat().st_mtime_ns for file in store.folder.rglob("*.json")}
    reproduce([recipe], "quick", store, report=said.append)
    assert {file: file.stat().st_mtime_ns for file in store.folder.rglob("*.json")} == before
    assert said == [f"all 12 cells are in {str(store.folder)!r}: nothing to do"]
    reproduce([recipe], "quick", store, seeds=2)
    assert len(logged(recipe)) == 24


def test_other_options_are_other_cells(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    reproduce([toy_recipe(tmp_path / "recipe")], "quick", store)
    reproduce([toy_recipe(tmp_path / "recipe", Toy(draws=9))], "quick", store)
    assert len(held(store)) == 24


def test_a_cell_that_cannot_be_computed_stops_no_other(tmp_path: Path) -> None:
    recipe, store = toy_recipe(tmp_path / "recipe"), Store(tmp_path / "store")

    def refusing(cell, bench):  # type: ignore[no-untyped-def]
        if cell.axes["layer"] == 2:
            raise InputError("layer 2 is not here")
        return recipe.run_cell(cell, bench)

    picky, told = replace(recipe, run_cell=refusing), []
    refused = reproduce([picky], "quick", store, report=told.append)
    assert told[told.index(refused[0].cell) + 1] == f"{refused[0].cell}: layer 2 is not here", "said when it happens"
    assert [one.reason for one in refused] == ["layer 2 is not here"] * 3
    assert refused[0].cell == "toys/table1 (quick): layer 2, rank 1, seed 0"
    assert len(held(store)) == 9
    assert reproduce([recipe], "quick", store) == ()
    assert len(held(store)) == 12


def test_a_cell_says_where_it_comes_from(tmp_path: Path) -> None:
    recipe, store = toy_recipe(tmp_path / "recipe", Toy(seconds=0.05)), Store(tmp_path / "store")
    work([recipe], recipe.cells("quick")[:1], Bench(store))
    kept = store.find(recipe.cells("quick")[0].key)
    assert kept is not None
    assert kept["axes"] == {"layer": 1, "rank": 1}
    assert kept["options"] == {"draws": 100, "seconds": 0.05}
    assert (kept["seed"], kept["preset"], kept["stands_in"]) == (0, "quick", False)
    provenance = kept["provenance"]
    assert provenance["seconds"] >= 0.05
    assert provenance["versions"]["torch"] == torch.__version__
    assert provenance["threads"] == torch.get_num_threads()
    assert provenance["machine"]["device"]
    assert provenance["command"] == "corank reproduce toys/table1 --preset quick"
    assert str(tmp_path) not in str(kept), "a store may be published, and says nothing of its owner's folders"


def test_seeds_come_after_cells(tmp_path: Path) -> None:
    cells = toy_recipe(tmp_path).cells("quick", seeds=2)
    assert [cell.seed for cell in cells] == [0] * 12 + [1] * 12
    assert cells[0].place == cells[12].place
    assert cells[0].key != cells[12].key


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"preset": "small"}, "unknown preset 'small'"),
        ({"preset": "quick", "seeds": 0}, "seeds must be at least 1, got 0"),
        ({"preset": "quick", "processes": -1}, "processes must be at least 1, got -1"),
    ],
)
def test_wrong_options_are_refused_before_any_work(tmp_path: Path, options: dict[str, object], said: str) -> None:
    recipe: Recipe = toy_recipe(tmp_path / "recipe")
    with pytest.raises(InputError, match=said):
        reproduce([recipe], store=Store(tmp_path / "store"), **options)  # type: ignore[arg-type]
    assert not (tmp_path / "store").exists()
