"""What every method returns: a frozen value that becomes a dictionary, a table line and a short text.

Results hold numbers and never draw; the report picks the figure by the result's type.
"""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

Scalar = str | int | float | bool | None


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


def _short(value: Scalar) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
