"""Reproductions as tables: what there is, where it stands, and every number beside the printed one."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from statistics import fmean, stdev
from typing import Any

from corank.experiment.comparison import Compared, State
from corank.experiment.recipe import Axes, Recipe
from corank.report import Column, Table


def recipes_table(recipes: Mapping[str, Recipe], places: Mapping[str, str]) -> Table:
    """A row a recipe: its name, what it is, where it was printed, and how many cells each preset has."""
    presets = list(next(iter(recipes.values())).table.presets)
    columns = (Column("recipe"), Column("of"), Column("printed in"), *(Column(f"cells, {name}") for name in presets))
    rows = [
        (name, recipe.table.title, places[name], *(len(recipe.cells(preset)) for preset in presets))
        for name, recipe in recipes.items()
    ]
    return Table(columns, tuple(rows))


def states_table(states: Sequence[State]) -> Table:
    """A row a recipe and preset: how many cells are done, and how many printed numbers were met."""
    titles = ("recipe", "preset", "cells", "done", "running", "seeds", "printed", "reproduced", "differs", "not run")
    return Table(tuple(map(Column, titles)), tuple(tuple(state.row().values()) for state in states))


def numbers_table(recipe: Recipe, state: State) -> Table:
    """A row a number that was computed, with the printed one where there is one."""
    columns = (
        Column("cell"),
        Column("number"),
        Column("here", note="mean over the seeds"),
        Column("spread", note="standard deviation over the seeds"),
        Column("printed"),
        Column("verdict"),
    )
    lacking = state.count("not run")
    rest = f"; {lacking} printed numbers were not run" if lacking else ""
    return Table(columns, tuple(_rows(recipe, state)), f"{state.recipe}, {state.preset}, beside {state.place}{rest}")


def remarks(state: State) -> list[str]:
    """What a reader of the numbers must know: circumstances that differ, misprints, and claims in words."""
    numbers = [number for number in state.numbers if number.verdict != "not run"]
    said = [difference for number in numbers for difference in number.differences]
    if not all(number.is_counted for number in numbers):
        said += state.differs
    notes = [f"{number.column}: {number.note}" for number in numbers if number.note and number.verdict == "differs"]
    claims = [
        f'"{claim.quote}": {"holds" if claim.holds else "does not hold"}'
        for claim in state.claims
        if claim.holds is not None
    ]
    return list(dict.fromkeys([*said, *notes, *claims]))


def _rows(recipe: Recipe, state: State) -> Iterator[tuple[Any, ...]]:
    printed = {(_name(number.axes), number.column): number for number in state.numbers}
    cells: dict[tuple[str, bool], list[Mapping[str, Any]]] = {}
    for row in state.rows:
        cells.setdefault((_name(row["axes"]), row["stands_in"]), []).append(row)
    for (name, stands_in), rows in cells.items():
        for column in recipe.table.columns:
            values = [row["values"][column.name] for row in rows if row["values"][column.name] is not None]
            if values:
                number = None if stands_in else printed.get((name, column.name))
                spread = stdev(values) if len(values) > 1 else None
                cell = _words(rows[0]["axes"], stands_in)
                here = _as_printed(fmean(values), number)
                yield cell, _titled(column.name, column.unit), here, spread, *_beside(number)


def _beside(number: Compared | None) -> tuple[str | None, str | None]:
    if number is None:
        return None, None
    return number.printed, f"{number.verdict} ({number.direction})" if number.direction else number.verdict


def _as_printed(value: float, number: Compared | None) -> str:
    """With one digit more than was printed; with four where nothing was."""
    if number is None or "/" in number.printed:
        return f"{value:.4g}"
    exponent = Decimal(number.printed).as_tuple().exponent
    assert isinstance(exponent, int)
    return f"{value:.{1 - exponent}f}"


def _name(axes: Axes) -> str:
    return json.dumps(dict(axes), sort_keys=True)


def _words(axes: Axes, stands_in: bool) -> str:
    told = ", ".join(f"{name} {value}" for name, value in axes.items()) or "the only one"
    return f"{told} (stand-in)" if stands_in else told


def _titled(name: str, unit: str) -> str:
    words = name.replace("_", " ")
    return f"{words} ({unit})" if unit and unit.lower() not in words.split() else words
