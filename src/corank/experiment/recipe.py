"""A published table as data and one function: its axes, its columns, what a preset runs, and how a cell is computed.

A recipe is a file `recipes/<paper>/<table>.py` with `TABLE` and `run_cell(cell, bench)`; the printed numbers stand in a
TOML beside it. Recipes are found by walking the package, so that there is no registry to keep.
"""

from __future__ import annotations

import hashlib
import json
import pkgutil
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib import import_module
from itertools import product
from pathlib import Path
from types import ModuleType
from typing import Any, Generic, Literal, TypeVar

from corank.errors import InputError, near
from corank.result import Scalar, jsonable

PRESETS = ("smoke", "quick", "paper")
Options = TypeVar("Options")
Axes = Mapping[str, Scalar]


@dataclass(frozen=True, kw_only=True)
class Column:
    """A number of each cell, None in cells that have no such number.

    Attributes:
        name: as cells and printed numbers are keyed.
        unit: of the number, "" where it has none.
        better: which direction is better, if either.
    """

    name: str
    unit: str = ""
    better: Literal["higher", "lower"] | None = None


@dataclass(frozen=True, kw_only=True)
class Grid(Generic[Options]):
    """Cells that are run under the same options.

    Attributes:
        cells: their axes; see `every`.
        options: a frozen dataclass of the recipe's own; for the cells of the preset `paper`, what the paper did.
        stands_in: it is a small case that shows the method at work, and no printed number is about it.
    """

    cells: Sequence[Axes]
    options: Options
    stands_in: bool = False


@dataclass(frozen=True, kw_only=True)
class Claim:
    """What a paper says of a table or a figure in words.

    Attributes:
        quote: its words.
        holds: from the values of the cells, axes included, to whether it is so; None where too few of them are there.
        is_main: whether it is of what the paper is about, so that it comes first where claims of many tables are told.
    """

    quote: str
    holds: Callable[[Sequence[Mapping[str, Any]]], bool | None]
    is_main: bool = False


@dataclass(frozen=True, kw_only=True)
class Table(Generic[Options]):
    """What a recipe computes.

    Attributes:
        title: of the table, in a few words.
        axes: what tells its cells apart.
        columns: the numbers of a cell.
        presets: for each of `PRESETS` its grids; "paper" has every cell that was printed, as the paper had it.
        claims: what the paper says of it in words.
    """

    title: str
    axes: tuple[str, ...]
    columns: tuple[Column, ...]
    presets: Mapping[str, tuple[Grid[Options], ...]]
    claims: tuple[Claim, ...] = ()

    def __post_init__(self) -> None:
        assert tuple(self.presets) == PRESETS, f"presets must be {PRESETS}, got {tuple(self.presets)}"
        for grid in (grid for grids in self.presets.values() for grid in grids):
            for axes in grid.cells:
                assert set(axes) <= set(self.axes), f"a cell has the axes {set(axes)}, the table {self.axes}"


@dataclass(frozen=True, kw_only=True)
class Cell(Generic[Options]):
    """One cell with one seed: what `run_cell` is given.

    Attributes:
        recipe: its name.
        preset: which it belongs to.
        axes: which cell of the table it is.
        options: of its grid.
        stands_in: whether it is a small case that no printed number is about.
        seed: of every random draw but those of the teacher.
    """

    recipe: str
    preset: str
    axes: Axes
    options: Options
    stands_in: bool
    seed: int

    @property
    def place(self) -> str:
        """Where the store keeps the seeds of this cell; other options are another place.

        Example:
            >>> @dataclass(frozen=True)
            ... class Epochs:
            ...     epochs: int
            >>> def place(epochs):
            ...     cell = Cell(
            ...         recipe="p/t", preset="quick", axes={"layer": 5}, options=Epochs(epochs), stands_in=False, seed=0
            ...     )
            ...     return cell.place
            >>> place(1).startswith("p/t/quick/layer-5-"), place(1) == place(2)
            (True, False)
        """
        named = "-".join(f"{name}-{value}" for name, value in self.axes.items() if value is not None) or "all"
        return f"{self.recipe}/{self.preset}/{named}-{digest([self.axes, asdict(self.options)])}"  # type: ignore[call-overload]

    @property
    def key(self) -> str:
        """Where the store keeps it."""
        return f"{self.place}/seed-{self.seed}"

    def __str__(self) -> str:
        axes = ", ".join(f"{name} {value}" for name, value in self.axes.items() if value is not None)
        return f"{self.recipe} ({self.preset}): {axes or 'its one cell'}, seed {self.seed}"


@dataclass(frozen=True)
class Recipe:
    """A table that was found, with what computes its cells.

    Attributes:
        name: `<paper>/<table>`.
        table: what it computes.
        run_cell: from a cell and the bench to the values of its columns, and whatever else is to be kept.
        printed: the TOML of the printed numbers.
    """

    name: str
    table: Table[Any]
    run_cell: Callable[[Cell[Any], Any], Mapping[str, Any]]
    printed: Path

    def cells(self, preset: str, seeds: int = 1) -> list[Cell[Any]]:
        """All cells of a preset, every cell with its first seed before any with its second.

        Raises:
            InputError: there is no such preset, or fewer than one seed.
        """
        if preset not in self.table.presets:
            raise InputError(f"unknown preset {preset!r}: {near(preset, self.table.presets)}")
        if seeds < 1:
            raise InputError(f"seeds must be at least 1, got {seeds}")
        return [
            Cell(
                recipe=self.name, preset=preset, axes=axes, options=grid.options, stands_in=grid.stands_in, seed=seed
            )
            for seed in range(seeds)
            for grid in self.table.presets[preset]
            for axes in grid.cells
        ]  # fmt: skip


def every(**values: Sequence[Scalar]) -> tuple[Axes, ...]:
    """Every combination of the axes' values.

    Example:
        >>> every(layer=[5, 6], rank=[25])
        ({'layer': 5, 'rank': 25}, {'layer': 6, 'rank': 25})
    """
    return tuple(dict(zip(values, chosen, strict=True)) for chosen in product(*values.values()))


def digest(values: Any) -> str:
    """Eight letters that stand for JSON-able values.

    Example:
        >>> digest({"a": 1}) == digest({"a": 2})
        False
    """
    return hashlib.sha256(json.dumps(jsonable(values), sort_keys=True).encode()).hexdigest()[:8]


def find_recipes() -> dict[str, Recipe]:
    """All recipes by name, in alphabetical order, where Figure 10 comes after Figure 9.

    Example:
        >>> "asnet/table2" in find_recipes()
        True
    """
    return {recipe.name: recipe for recipe in sorted(_walk(), key=lambda recipe: _counting(recipe.name))}


def _counting(name: str) -> list[tuple[str, int]]:
    """A name to sort by: `figure10` comes after `figure9`."""
    return [(word, int(number or 0)) for word, number in re.findall(r"([^0-9]+)([0-9]*)", name)]


def recipe_named(name: str) -> Recipe:
    """A recipe by name.

    Raises:
        InputError: there is none of that name; near ones are named.
    """
    found = find_recipes()
    if name not in found:
        raise InputError(f"unknown recipe {name!r}: {near(name, [*found, 'all'])}")
    return found[name]


def _walk() -> Iterator[Recipe]:
    from corank.experiment import recipes  # they import this module

    for paper in pkgutil.iter_modules(recipes.__path__):
        if paper.ispkg:
            package = import_module(f"{recipes.__name__}.{paper.name}")
            for entry in pkgutil.iter_modules(package.__path__):
                module = import_module(f"{package.__name__}.{entry.name}")
                if hasattr(module, "TABLE"):
                    yield recipe_of(module, f"{paper.name}/{entry.name}")


def recipe_of(module: ModuleType, name: str) -> Recipe:
    """A module with `TABLE` and `run_cell` as a recipe."""
    assert module.__file__ is not None
    return Recipe(name, module.TABLE, module.run_cell, Path(module.__file__).with_suffix(".toml"))
