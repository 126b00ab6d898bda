"""Running recipes: every cell with every seed once, by as many processes as like to, and none twice.

A cell is skipped where the store has it, passed over while another process computes it, and written whole at its end;
so a run that was stopped at any moment goes on with the cells that are missing, and what a dead process had begun is
taken over by those that are left.
"""

from __future__ import annotations

import multiprocessing
import os
import platform
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from corank.errors import InputError
from corank.experiment.bench import Bench, Sources
from corank.experiment.recipe import Cell, Recipe, recipe_named
from corank.experiment.run_folder import versions
from corank.experiment.store import POLL_SECONDS, Store
from corank.train.devices import checked_device


@dataclass(frozen=True)
class Refused:
    """A cell that cannot be computed here, and why."""

    cell: str
    reason: str


def reproduce(
    recipes: Sequence[Recipe],
    preset: str,
    store: Store,
    sources: Sources = Sources(),  # noqa: B008 - frozen
    *,
    seeds: int = 1,
    processes: int = 1,
    report: Callable[[str], None] = lambda stage: None,
) -> tuple[Refused, ...]:
    """Compute all cells of a preset that the store lacks; other processes may work on the same store.

    Args:
        recipes: which.
        preset: smoke, quick or paper.
        store: where cells are kept.
        sources: where teachers and data come from.
        seeds: of each cell, from 0.
        processes: how many work on this machine; they share its threads.
        report: told of every cell as it begins, and why one cannot be computed.

    Returns:
        The cells that cannot be computed here, for want of data or weights; all others are in the store.

    Raises:
        InputError: an option out of its range, or a store that cannot be written to.
    """
    if processes < 1:
        raise InputError(f"processes must be at least 1, got {processes}")
    cells = [cell for recipe in recipes for cell in recipe.cells(preset, seeds)]
    lacking = sum(store.find(cell.key) is None for cell in cells)
    if not lacking:
        report(f"all {len(cells)} cells are in {str(store.folder)!r}: nothing to do")
        return ()
    threads = torch.get_num_threads()
    share = max(1, threads // processes)
    with _helpers(
        min(processes, lacking) - 1, ([recipe.name for recipe in recipes], preset, store, sources, seeds, share)
    ):
        torch.set_num_threads(share)
        try:
            return work(recipes, cells, Bench(store, sources, report))
        finally:
            torch.set_num_threads(threads)


def work(recipes: Sequence[Recipe], cells: Sequence[Cell[Any]], bench: Bench) -> tuple[Refused, ...]:
    """Compute what is missing and claimed by nobody until nothing is missing.

    Args:
        recipes: that the cells belong to.
        cells: that are wanted in the store.
        bench: what they share.

    Returns:
        The cells that cannot be computed here.
    """
    run = {recipe.name: recipe for recipe in recipes}
    refused: dict[str, Refused] = {}
    while missing := [cell for cell in cells if cell.key not in refused and bench.store.find(cell.key) is None]:
        is_idle = True
        for cell in missing:
            with bench.store.claim(cell.key) as mine:
                if not mine or bench.store.find(cell.key) is not None:
                    continue
                is_idle = False
                bench.report(str(cell))
                try:
                    bench.store.keep(cell.key, computed(run[cell.recipe], cell, bench))
                except InputError as error:
                    refused[cell.key] = Refused(str(cell), str(error))
                    bench.report(f"{cell}: {error}")
        if is_idle:
            time.sleep(POLL_SECONDS)
    return tuple(refused.values())


def computed(recipe: Recipe, cell: Cell[Any], bench: Bench) -> dict[str, Any]:
    """A cell with its values and where they come from."""
    started, clock = time.strftime("%FT%TZ", time.gmtime()), time.perf_counter()
    values = dict(recipe.run_cell(cell, bench))
    lacking = [column.name for column in recipe.table.columns if column.name not in values]
    assert not lacking, f"{recipe.name} computes no {lacking}"
    return {
        "recipe": cell.recipe,
        "preset": cell.preset,
        "axes": dict(cell.axes),
        "options": asdict(cell.options),
        "stands_in": cell.stands_in,
        "seed": cell.seed,
        "values": values,
        "provenance": {
            "started": started,
            "seconds": time.perf_counter() - clock,
            "versions": {**versions(), "numpy": np.__version__},
            "machine": _machine(bench.sources.device),
            "threads": torch.get_num_threads(),
            "command": command_line(cell.recipe, cell.preset, cell.seed + 1),
        },
    }


def command_line(recipe: str, preset: str, seeds: int = 1) -> str:
    """The command that computes cells, wherever the store and the data lie.

    Example:
        >>> command_line("asnet/table1", "quick"), command_line("asnet/table1", "quick", 3)
        ('corank reproduce asnet/table1 --preset quick', 'corank reproduce asnet/table1 --preset quick --seeds 3')
    """
    return f"corank reproduce {recipe} --preset {preset}" + (f" --seeds {seeds}" if seeds > 1 else "")


def _machine(device: str) -> dict[str, Any]:
    where = checked_device(device)
    named = torch.cuda.get_device_name(where) if where.type == "cuda" else _processor()
    return {"system": platform.system(), "architecture": platform.machine(), "cores": os.cpu_count(), "device": named}


def _processor() -> str:
    """The name of the processor where the system tells it."""
    file = Path("/proc/cpuinfo")
    lines = file.read_text().splitlines() if file.is_file() else []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.processor() or platform.machine()


@contextmanager
def _helpers(count: int, arguments: tuple[Any, ...]) -> Iterator[None]:
    """Other processes that do the same until nothing is missing; they end with this one."""
    context = multiprocessing.get_context("spawn")
    helpers = [context.Process(target=_help, args=arguments, daemon=True) for _ in range(count)]
    for helper in helpers:
        helper.start()
    try:
        yield
        for helper in helpers:
            helper.join()
    finally:
        for helper in helpers:
            helper.terminate()


def _help(names: list[str], preset: str, store: Store, sources: Sources, seeds: int, threads: int) -> None:
    torch.set_num_threads(threads)
    recipes = [recipe_named(name) for name in names]
    cells = [cell for recipe in recipes for cell in recipe.cells(preset, seeds)]
    try:
        work(recipes, cells[::-1], Bench(store, sources))  # from the other end, so that few cells are asked for twice
    except KeyboardInterrupt:
        sys.exit(1)
