"""A recipe whose cells take as long as one likes and tell who computed them."""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from multiprocessing.context import ForkProcess
from pathlib import Path
from typing import Any

import torch

from corank.experiment.bench import Bench
from corank.experiment.recipe import Cell, Column, Grid, Recipe, Table, every
from corank.experiment.reproducing import work
from corank.experiment.store import Store

TOML = """
paper = "Nobody 1900, On Toys"
text = "toys"
place = "Table 1, p. 1"
begins = "Table 1"
ends = "Table 2"
differs = ["toys are not what they were"]

[[tolerance]]
columns = ["mean"]
within = 0.2
reason = "a mean of a hundred uniform numbers has a standard error of 0.03"

[[tolerance]]
columns = ["size"]
within = "digits"
reason = "counted"

[[cell]]
axes = { layer = 1, rank = 1 }
mean = "0.5"
size = "100"

[[cell]]
axes = { layer = 2, rank = 1 }
mean = "0.95"
size = "99"

[[cell]]
axes = { layer = 9, rank = 9 }
mean = "0.5"

[[note]]
columns = ["size"]
axes = { layer = 2 }
says = "a misprint"
"""


@dataclass(frozen=True, kw_only=True)
class Toy:
    """How many numbers are drawn, and how long that takes."""

    draws: int = 100
    seconds: float = 0.0


def toy_recipe(folder: Path, options: Toy = Toy()) -> Recipe:
    """Four layers times three ranks; `folder` gets its TOML and a log of what was computed by which process."""
    folder.mkdir(parents=True, exist_ok=True)
    cells = every(layer=[1, 2, 3, 4], rank=[1, 2, 3])
    grid = Grid(cells=cells, options=options)
    table = Table(
        title="Toys",
        axes=("layer", "rank"),
        columns=(Column(name="mean", better="higher"), Column(name="size")),
        presets={
            "smoke": (grid, Grid(cells=every(layer=[1], rank=[1]), options=replace(options, draws=7), stands_in=True)),
            "quick": (grid,),
            "paper": (Grid(cells=(*cells, {"layer": 9, "rank": 9}), options=Toy(draws=10_000)),),
        },
    )

    def run_cell(cell: Cell[Toy], bench: Bench) -> Mapping[str, Any]:
        with (folder / "log").open("a") as log:
            log.write(f"{os.getpid()} {cell.key}\n")
        time.sleep(cell.options.seconds)
        generator = torch.Generator().manual_seed(100 * cell.axes["layer"] + 10 * cell.axes["rank"] + cell.seed)
        drawn = torch.rand(cell.options.draws, generator=generator)
        return {"mean": float(drawn.mean()), "size": cell.options.draws, "first": drawn[:3].tolist()}

    (folder / "toys.toml").write_text(TOML)
    return Recipe("toys/table1", table, run_cell, folder / "toys.toml")


def logged(recipe: Recipe) -> list[tuple[int, str]]:
    """Process and cell of everything that was begun, in order."""
    lines = (recipe.printed.parent / "log").read_text().splitlines()
    return [(int(line.split()[0]), line.split()[1]) for line in lines]


def in_another_process(recipe: Recipe, store: Store, preset: str = "smoke", seeds: int = 1) -> ForkProcess:
    """Start to compute all cells in a process of its own."""
    arguments = ([recipe], recipe.cells(preset, seeds), Bench(store))
    process = multiprocessing.get_context("fork").Process(target=work, args=arguments)
    process.start()
    return process


def held(store: Store) -> dict[str, Any]:
    """Everything in a store but where and when it was computed."""
    files = sorted(store.folder.rglob("*.json"))
    found = {
        str(file.relative_to(store.folder)): store.find(str(file.relative_to(store.folder))[:-5]) for file in files
    }
    return {name: {key: value for key, value in row.items() if key != "provenance"} for name, row in found.items()}
