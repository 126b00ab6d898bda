"""The command that computes the tables of the papers: list, status, pages, and a recipe or all of them."""

from __future__ import annotations

from pathlib import Path

from cyclopts import App

from corank.cli.output import print_json, print_table, say
from corank.cli.source import Flag
from corank.errors import InputError
from corank.experiment.bench import Sources
from corank.experiment.comparison import State, state_of
from corank.experiment.printed import read_printed
from corank.experiment.recipe import PRESETS, Recipe, find_recipes, recipe_named
from corank.experiment.reproducing import reproduce
from corank.experiment.reproduction_tables import numbers_table, recipes_table, remarks, states_table
from corank.experiment.results_pages import write_pages
from corank.experiment.store import open_store

ALL = "all"

reproduce_app = App(name="reproduce", help="Compute a table of a paper and put it beside what was printed.")


@reproduce_app.default
def reproduce_named(
    name: str,
    *,
    preset: str,
    seeds: int = 1,
    processes: int = 1,
    store: Path | None = None,
    weights: Path | None = None,
    data_root: Path | None = None,
    device: str = "cpu",
    json: Flag = False,
) -> None:
    """Compute the cells that the store lacks, and compare. Several may work on one store; a stopped run goes on.

    Args:
        name: a recipe as in asnet/table2, or all.
        preset: smoke (seconds, offline), quick (what this machine can give) or paper.
        seeds: of each cell, from 0.
        processes: how many work together on this machine.
        store: where cells are kept; else the environment variable CORANK_RESULTS, or results.
        weights: a teacher's weights file, or a folder of NETWORK-DATA.safetensors; else CORANK_WEIGHTS.
        data_root: the folder with named data; else the environment variable CORANK_DATA.
        device: cpu, cuda or cuda:N.
        json: print what status prints of these recipes and this preset, as JSON.
    """
    chosen = list(find_recipes().values()) if name == ALL else [recipe_named(name)]
    if weights is not None and weights.is_file() and len(chosen) > 1:
        raise InputError(f"--weights {str(weights)!r} is one file for many teachers: name the folder that holds them")
    kept, sources = open_store(store), Sources(weights=weights, data_root=data_root, device=device)
    refused = reproduce(chosen, preset, kept, sources, seeds=seeds, processes=processes, report=say)
    states = [state_of(recipe, preset, kept) for recipe in chosen]
    if json:
        print_json({"recipes": states})
    elif name == ALL:
        print_table(states_table(states))
    else:
        _show(chosen[0], states[0])
    if refused:
        others = f"; and {len(refused) - 1} more cells" if len(refused) > 1 else ""
        raise InputError(f"{refused[0].cell} cannot be computed: {refused[0].reason}{others}")


@reproduce_app.command(name="list")
def list_recipes(*, json: Flag = False) -> None:
    """Name the recipes there are.

    Args:
        json: print JSON.
    """
    recipes = find_recipes()
    places = {name: read_printed(recipe.printed).place for name, recipe in recipes.items()}
    if json:
        cells = {name: {preset: len(recipe.cells(preset)) for preset in PRESETS} for name, recipe in recipes.items()}
        print_json(
            [
                {"recipe": name, "title": recipe.table.title, "place": places[name], "cells": cells[name]}
                for name, recipe in recipes.items()
            ]
        )
    else:
        print_table(recipes_table(recipes, places))


@reproduce_app.command
def status(*, store: Path | None = None, json: Flag = False) -> None:
    """Say of every recipe and preset what is done, and which printed numbers were met.

    Args:
        store: where cells are kept; else the environment variable CORANK_RESULTS, or results.
        json: print every cell and every number too, as JSON.
    """
    kept = open_store(store)
    states = [state_of(recipe, preset, kept) for recipe in find_recipes().values() for preset in PRESETS]
    if json:
        print_json({"recipes": states})
    else:
        print_table(states_table(states))


@reproduce_app.command(name="pages")
def write_results(*, out: Path, store: Path | None = None) -> None:
    """Write what was computed beside what was printed as Markdown: a page a paper, and README.md in front of them.

    Args:
        out: the folder of the pages; those of an earlier run are replaced, pages written by hand stay.
        store: where cells are kept; else the environment variable CORANK_RESULTS, or results.
    """
    for page in write_pages(find_recipes(), open_store(store), out):
        print(page)


def _show(recipe: Recipe, state: State) -> None:
    print_table(numbers_table(recipe, state))
    for remark in remarks(state):
        print(remark)
