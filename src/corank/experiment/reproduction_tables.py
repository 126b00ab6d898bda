"""Reproductions as tables: what there is, where it stands, and every number beside the printed one."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from statistics import fmean, stdev
from typing import Any

from corank.experiment.comparison import Compared, State
from corank.experiment.recipe import Axes, Recipe
from corank.report import Column, Table
from corank.report.format import number as number_text

FRACTION_DIGITS = 3  # of a number that is printed as a fraction


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
    notes = [
        f"{number.column}: {number.note}" for number in state.numbers if number.note and number.verdict == "differs"
    ]
    claims = [
        f'"{claim.quote}": {"holds" if claim.holds else "does not hold"}'
        for claim in state.claims
        if claim.holds is not None
    ]
    return list(dict.fromkeys([*state.circumstances, *notes, *claims]))


def cell_words(axes: Axes) -> str:
    """A cell by its axes, in words.

    Example:
        >>> cell_words({"network": "ASNet", "layer": 5}), cell_words({"from_layer": 5}), cell_words({})
        ('ASNet, layer 5', 'from layer 5', 'the only one')
    """
    told = (value if isinstance(value, str) else f"{name.replace('_', ' ')} {value}" for name, value in axes.items())
    return ", ".join(told) or "the only one"


def cells_words(cells: Sequence[Axes]) -> str:
    """Several cells by their axes, in few words where they are all combinations of some values.

    Example:
        >>> cells_words([{"layer": 5, "rank": 25}, {"layer": 6, "rank": 25}])
        'layer 5, 6; rank 25'
        >>> cells_words([{"network": "teacher"}, {"network": "ASNet", "layer": 5}, {"network": "ASNet", "layer": 6}])
        'teacher, ASNet (layer 5, 6)'
    """
    groups: dict[tuple[Any, ...], list[Axes]] = {}
    for axes in cells:
        named = tuple(value for value in axes.values() if isinstance(value, str))
        counted = {name: value for name, value in axes.items() if not isinstance(value, str)}
        groups.setdefault((named, tuple(counted)), []).append(counted)
    told = []
    for (named, names), group in groups.items():
        values = {name: dict.fromkeys(axes[name] for axes in group) for name in names}
        told_each = [cell_words(axes) for axes in group]
        if math.prod(map(len, values.values())) == len(group):
            told_each = [f"{name.replace('_', ' ')} {', '.join(map(str, found))}" for name, found in values.items()]
        counts = "; ".join(told_each)
        told.append(f"{', '.join(named)} ({counts})" if named and counts else ", ".join(named) or counts)
    return ", ".join(told) or cell_words({})


def number_words(column: str, unit: str) -> str:
    """A column in words, with its unit.

    Example:
        >>> number_words("pre_storage_mb", "MB"), number_words("epsilon", "share"), number_words("features", "")
        ('pre storage MB', 'epsilon (share)', 'features')
    """
    words = [unit if word == unit.lower() else word for word in column.split("_")]
    return " ".join(words) if unit in ["", *words] else f"{' '.join(words)} ({unit})"


def as_printed(value: float, printed: str | None, *, more: int = 0) -> str:
    """With the digits that were printed, and some more; where nothing was, as numbers are written anywhere.

    Example:
        >>> as_printed(2.1233, "2.12"), as_printed(2.1233, "2.12", more=1), as_printed(-0.001, "0.10")
        ('2.12', '2.123', '0.00')
        >>> as_printed(1 / 3, "1/3"), as_printed(16384.0, None)
        ('0.333', '16,384')
    """
    if printed is None:
        return number_text(value)
    digits = decimals(printed) + more
    return f"{round(value, digits) + 0.0:.{digits}f}"  # never a negative zero


def decimals(printed: str) -> int:
    """The digits of a printed number behind the point.

    Example:
        >>> decimals("2.12"), decimals("105"), decimals("1/3") == FRACTION_DIGITS
        (2, 0, True)
    """
    return FRACTION_DIGITS if "/" in printed else len(printed.partition(".")[2])


def _rows(recipe: Recipe, state: State) -> Iterator[tuple[Any, ...]]:
    printed = {(_name(number.axes), number.column): number for number in state.numbers}
    cells: dict[tuple[str, bool], list[Mapping[str, Any]]] = {}
    for row in state.rows:
        cells.setdefault((_name(row["axes"]), row["stands_in"]), []).append(row)
    for (name, stands_in), rows in cells.items():
        for column in recipe.table.columns:
            values = [row["values"][column.name] for row in rows if row["values"][column.name] is not None]
            if values:
                beside = None if stands_in else printed.get((name, column.name))
                spread = stdev(values) if len(values) > 1 else None
                cell = cell_words(rows[0]["axes"]) + (" (stand-in)" if stands_in else "")
                here = as_printed(fmean(values), None if beside is None else beside.printed, more=1)
                yield cell, number_words(column.name, column.unit), here, spread, *_beside(beside)


def _beside(number: Compared | None) -> tuple[str | None, str | None]:
    if number is None:
        return None, None
    return number.printed, f"{number.verdict} ({number.direction})" if number.direction else number.verdict


def _name(axes: Axes) -> str:
    return json.dumps(dict(axes), sort_keys=True)
