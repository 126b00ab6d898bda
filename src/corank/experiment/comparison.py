"""What was computed beside what was printed, number by number: reproduced, differs, or not run.

The mean over seeds is compared. What a run did otherwise than the paper is listed wherever it may matter, that is for
every number which does not follow from shapes alone. Small cases that stand in for the paper's are compared with
nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import Field, dataclass, fields, is_dataclass
from statistics import fmean, stdev
from typing import Any, Literal

from corank.experiment.printed import Number, number_of, read_printed
from corank.experiment.recipe import Axes, Cell, Column, Recipe
from corank.experiment.store import Store
from corank.result import Result, Scalar

Verdict = Literal["reproduced", "differs", "not run"]


@dataclass(frozen=True, kw_only=True)
class Compared(Result):
    """One printed number and ours.

    Attributes:
        axes: of its cell.
        column: which number.
        unit: of it.
        is_counted: whether it follows from shapes alone, so that no circumstance excuses a difference.
        printed: as it stands in the paper.
        value: the mean over the seeds; None where it was not computed.
        spread: standard deviation over the seeds; None for fewer than two.
        seeds: how many.
        allowed: the distance that counts as reproduced.
        reason: why that distance.
        verdict: reproduced, differs or not run.
        direction: whether what differs is "better" or "worse" than printed, where one direction is.
        note: what is known to be wrong with the printed number.
        differences: what the run did otherwise than the paper.
    """

    axes: Mapping[str, Scalar]
    column: str
    unit: str
    is_counted: bool
    printed: str
    value: float | None
    spread: float | None
    seeds: int
    allowed: float
    reason: str
    verdict: Verdict
    direction: str
    note: str
    differences: tuple[str, ...]

    def row(self) -> dict[str, Scalar]:
        """Which number, what was printed, what was found."""
        return {
            **self.axes,
            "column": self.column,
            "printed": self.printed,
            "value": self.value,
            "verdict": self.verdict,
        }


@dataclass(frozen=True, kw_only=True)
class Said(Result):
    """A claim in words and whether it holds; None where too few cells are there.

    Where nothing but stand-ins was computed, it is asked of these. `is_main` says whether it is of what the paper is
    about.
    """

    quote: str
    holds: bool | None
    is_main: bool

    def row(self) -> dict[str, Scalar]:
        """Quote and verdict."""
        return {"quote": self.quote, "holds": self.holds}


@dataclass(frozen=True, kw_only=True)
class State(Result):
    """Where a preset of a recipe stands.

    Attributes:
        recipe, preset: which.
        paper, place: where it was printed.
        title: of the table, in a few words.
        cells: how many it has.
        done: of them with at least one seed.
        running: that a process computes just now.
        seeds: kept over all cells.
        numbers: every printed number beside ours.
        claims: what the paper says in words.
        differs: what cannot be as in the paper, whatever the preset.
        circumstances: what was done otherwise than in the paper, wherever more was computed than counts.
        rows: every cell that was computed: axes, options, seed, values and provenance.
    """

    recipe: str
    preset: str
    paper: str
    place: str
    title: str
    cells: int
    done: int
    running: int
    seeds: int
    numbers: tuple[Compared, ...]
    claims: tuple[Said, ...]
    differs: tuple[str, ...]
    circumstances: tuple[str, ...]
    rows: tuple[Mapping[str, Any], ...]

    def row(self) -> dict[str, Scalar]:
        """The counts."""
        counts: dict[str, Scalar] = {verdict.replace(" ", "_"): self.count(verdict)
                                     for verdict in ("reproduced", "differs", "not run")}  # fmt: skip
        return {
            "recipe": self.recipe, "preset": self.preset, "cells": self.cells, "done": self.done,
            "running": self.running, "seeds": self.seeds, "printed": len(self.numbers), **counts,
        }  # fmt: skip

    def to_dict(self) -> dict[str, Any]:
        """The counts with everything that they count."""
        return {**super().to_dict(), **self.row()}

    def count(self, verdict: str) -> int:
        """How many printed numbers have a verdict."""
        return sum(number.verdict == verdict for number in self.numbers)

    @property
    def own(self) -> tuple[Mapping[str, Any], ...]:
        """The rows of cells that are no small stand-ins, so that printed numbers may be about them."""
        return tuple(row for row in self.rows if not row["stands_in"])

    @property
    def in_place(self) -> tuple[Mapping[str, Any], ...]:
        """The rows of cells that stand in for the paper's."""
        return tuple(row for row in self.rows if row["stands_in"])


def state_of(recipe: Recipe, preset: str, store: Store) -> State:
    """Compare what a store holds of a preset with what was printed."""
    printed = read_printed(recipe.printed)
    cells = recipe.cells(preset)
    kept = {cell.place: store.find_all(cell.place) for cell in cells}
    rows = [found for cell in cells for found in kept[cell.place]]
    own = [row for row in rows if not row["stands_in"]] or (rows if preset != "smoke" else [])
    flat = [{**row["axes"], **row["values"]} for row in own]
    numbers = tuple(_compared(number, recipe, cells, kept) for number in printed.numbers)
    done = [cell for cell in cells if kept[cell.place]]
    return State(
        recipe=recipe.name,
        preset=preset,
        paper=printed.paper,
        place=printed.place,
        title=recipe.table.title,
        cells=len(cells),
        done=len(done),
        running=sum(not kept[cell.place] and store.is_claimed(cell.key) for cell in cells),
        seeds=len({row["seed"] for row in rows}),
        numbers=numbers,
        claims=tuple(
            Said(quote=claim.quote, holds=claim.holds(flat), is_main=claim.is_main) for claim in recipe.table.claims
        ),
        differs=printed.differs,
        circumstances=_circumstances(recipe, done, numbers, printed.differs),
        rows=tuple(rows),
    )


def _compared(
    number: Number, recipe: Recipe, cells: Sequence[Cell[Any]], kept: Mapping[str, list[dict[str, Any]]]
) -> Compared:
    column = next(column for column in recipe.table.columns if column.name == number.column)
    published = _published(recipe, number.axes)
    values: list[float] = []
    differences: list[str] = []
    for cell in cells:
        if not cell.stands_in and dict(cell.axes) == dict(number.axes):
            rows = [row["values"][column.name] for row in kept[cell.place]]
            found = [value for value in rows if value is not None]
            values += found
            if found and not number.tolerance.is_exact:
                differences += differing(cell.options, published)
    allowed = number.tolerance.allowed(number.printed)
    value = fmean(values) if values else None
    verdict: Verdict = "not run"
    if value is not None:
        verdict = "reproduced" if abs(value - number_of(number.printed)) <= allowed else "differs"
    return Compared(
        axes=number.axes,
        column=column.name,
        unit=column.unit,
        is_counted=number.tolerance.is_exact,
        printed=number.printed,
        value=value,
        spread=stdev(values) if len(values) > 1 else None,
        seeds=len(values),
        allowed=allowed,
        reason=number.tolerance.reason,
        verdict=verdict,
        direction=_direction(column, value, number_of(number.printed)) if verdict == "differs" else "",
        note=number.note,
        differences=tuple(differences),
    )


def _circumstances(
    recipe: Recipe, done: Sequence[Cell[Any]], numbers: Sequence[Compared], always: tuple[str, ...]
) -> tuple[str, ...]:
    """What cells that were computed did otherwise than the paper; shapes alone decide on counts, whoever counts."""
    told: list[str] = []
    matters = False
    for cell in done:
        met = [number for number in numbers if number.axes == cell.axes and number.verdict != "not run"]
        if not cell.stands_in and not (met and all(number.is_counted for number in met)):
            matters = True
            told += differing(cell.options, _published(recipe, cell.axes))
    return tuple(dict.fromkeys([*told, *always])) if matters else ()


def _published(recipe: Recipe, axes: Axes) -> Any:
    """The options that the paper had for a cell; every cell that does not stand in for others is one of the paper's."""
    return next(cell.options for cell in recipe.cells("paper") if dict(cell.axes) == dict(axes))


def differing(options: Any, published: Any) -> list[str]:
    """What options, and options within them, do otherwise than those of the paper, in words.

    A field's metadata may say what None means.

    Example:
        >>> from dataclasses import field
        >>> @dataclass(frozen=True)
        ... class Some:
        ...     images: int | None = field(metadata={"none": "all"})
        >>> differing(Some(images=9), Some(images=None)), differing(Some(images=9), Some(images=9))
        (['images 9, in the paper all'], [])
        >>> @dataclass(frozen=True)
        ... class Whole:
        ...     some: Some
        >>> differing(Whole(Some(images=9)), Whole(Some(images=None)))
        ['images 9, in the paper all']
    """
    told = []
    for option in fields(options):
        here, there = getattr(options, option.name), getattr(published, option.name)
        if is_dataclass(here) and type(here) is type(there):
            told += differing(here, there)
        elif here != there:
            words = option.name.replace("_", " ")
            told.append(f"{words} {_told(option, options)}, in the paper {_told(option, published)}")
    return told


def _told(option: Field[Any], options: Any) -> str:
    value = getattr(options, option.name)
    return str(option.metadata.get("none", "none") if value is None else value)


def _direction(column: Column, value: float | None, printed: float) -> str:
    if column.better is None or value is None:
        return ""
    return "better" if (value > printed) is (column.better == "higher") else "worse"
