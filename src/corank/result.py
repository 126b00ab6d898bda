"""What every method returns: a frozen value that becomes a dictionary, a table line, a short text, a display.

Results hold numbers and never draw; the report picks the figure by the result's type.
"""

from __future__ import annotations

import dataclasses
import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
import torch

Scalar = str | int | float | bool | None
ROWS_SHOWN = 40  # of a table in a notebook
_LEFT, _RIGHT = (f' style="text-align: {side}"' for side in ("left", "right"))


@dataclasses.dataclass(frozen=True)
class Interval:
    """A certified range of a whole number; `None` where the end is not known.

    Example:
        >>> str(Interval(3, 5)), str(Interval(3, None)), str(Interval(4, 4))
        ('3-5', '>= 3', '4')
    """

    low: int | None
    high: int | None

    def __str__(self) -> str:
        if self.low is None and self.high is None:
            return "unknown"
        if self.high is None:
            return f">= {self.low}"
        if self.low is None:
            return f"<= {self.high}"
        return str(self.low) if self.low == self.high else f"{self.low}-{self.high}"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Result(ABC):
    """The base of everything that a method returns.

    A field that is no number (a network, say) is left out of `to_dict` by `field(metadata={"json": False})`.
    """

    def to_dict(self) -> dict[str, Any]:
        """The fields as JSON-able values: lists of rows, intervals as `{"low":, "high":}`."""
        return {
            field.name: jsonable(getattr(self, field.name))
            for field in dataclasses.fields(self)
            if field.metadata.get("json", True)
        }

    @abstractmethod
    def row(self) -> dict[str, Scalar]:
        """The scalars of one table line."""

    def __str__(self) -> str:
        return ", ".join(f"{name} {_short(value)}" for name, value in self.row().items())

    def _repr_html_(self) -> str:
        """What a notebook shows: a line for each value of the row; or the row and a table of what it is made of.

        No colours are set, so that a dark notebook stays dark.
        """
        name = escape(type(self).__name__)
        tables = "".join(_html_table(title, rows) for title, rows in _tables(self))
        if tables:
            return f"<div><p><strong>{name}</strong>: {escape(str(self))}</p>{tables}</div>"
        return f"<div><p><strong>{name}</strong></p>{_html_row(self.row())}</div>"


def jsonable(value: Any) -> Any:
    """A value as JSON holds it: tensors and arrays as lists, results and dataclasses as dictionaries.

    Not-a-number and infinities become null, because JSON has none.

    Example:
        >>> jsonable({"sigma": torch.tensor([1.0, 2.0]), "n": Interval(1, None)})
        {'sigma': [1.0, 2.0], 'n': {'low': 1, 'high': None}}
    """
    if isinstance(value, Result):
        return value.to_dict()
    if isinstance(value, torch.Tensor | np.ndarray | np.generic):
        return jsonable(value.tolist())
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: jsonable(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): jsonable(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [jsonable(item) for item in value]
    if isinstance(value, float):
        return value if np.isfinite(value) else None
    if isinstance(value, Path):
        return str(value)
    if value is None or isinstance(value, str | int | bool):
        return value
    raise TypeError(f"{type(value).__name__} has no JSON form")


def first_difference(one: Any, other: Any, place: str = "") -> tuple[str, Any, Any] | None:
    """The first place where two nested JSON values differ, with both values there; None where they are equal.

    Example:
        >>> first_difference({"fit": {"epochs": 5}}, {"fit": {"epochs": 6}})
        ('fit.epochs', 5, 6)
    """
    if not (isinstance(one, dict) and isinstance(other, dict)):
        return None if one == other else (place, one, other)
    for name in {**one, **other}:
        found = first_difference(one.get(name), other.get(name), f"{place}.{name}" if place else str(name))
        if found is not None:
            return found
    return None


def _tables(result: Result, kind: type = object) -> Iterator[tuple[str, list[dict[str, Scalar]]]]:
    """The fields that hold several dataclasses, with a row each; of a result within, those that hold results."""
    for field in dataclasses.fields(result):
        value, name = getattr(result, field.name), field.name.replace("_", " ")
        if isinstance(value, Result):
            yield from ((f"{name}: {inner}", rows) for inner, rows in _tables(value, Result))
        elif isinstance(value, tuple) and value and all(_is_record(item) and isinstance(item, kind) for item in value):
            yield name, [item.row() if isinstance(item, Result) else _scalars(item) for item in value]


def _is_record(item: Any) -> bool:
    return dataclasses.is_dataclass(item) and not isinstance(item, type)


def _scalars(item: Any) -> dict[str, Scalar]:
    values = {field.name: getattr(item, field.name) for field in dataclasses.fields(item)}
    return {name: value for name, value in values.items() if value is None or isinstance(value, str | int | float)}


def _html_row(row: Mapping[str, Scalar]) -> str:
    """A line for each value."""
    cells = (f'<th scope="row"{_LEFT}>{escape(name)}</th><td{_LEFT}>{_text(value)}</td>' for name, value in row.items())
    return f"<table><tbody>{''.join(f'<tr>{cell}</tr>' for cell in cells)}</tbody></table>"


def _html_table(title: str, rows: Sequence[Mapping[str, Scalar]]) -> str:
    """A table with the columns of all rows, numbers to the right; of many rows the first, and how many there are."""
    columns = {name: _LEFT for row in rows for name in row}
    columns.update({name: _RIGHT for name in columns if not any(isinstance(row.get(name), str) for row in rows)})
    head = "".join(f'<th scope="col"{side}>{escape(name)}</th>' for name, side in columns.items())
    body = [
        "".join(f"<td{side}>{_text(row.get(name))}</td>" for name, side in columns.items()) for row in rows[:ROWS_SHOWN]
    ]
    if len(rows) > ROWS_SHOWN:
        body.append(f'<td colspan="{len(columns)}"{_LEFT}>the first {ROWS_SHOWN} of {len(rows)} rows</td>')
    lines = "".join(f"<tr>{cells}</tr>" for cells in body)
    table = f"<caption{_LEFT}>{escape(title)}</caption><thead><tr>{head}</tr></thead><tbody>{lines}</tbody>"
    return f'<div style="overflow-x: auto"><table>{table}</table></div>'


def _text(value: Scalar) -> str:
    """A value as text shows it, an en dash for what is missing."""
    is_missing = value is None or (isinstance(value, float) and math.isnan(value))
    return "–" if is_missing else escape(_short(value))


def _short(value: Scalar) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
