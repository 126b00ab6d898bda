"""A measurement of every kind without a network behind it, found by walking the room, so that none is forgotten."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, get_type_hints

import corank.measure
from corank.discover import methods_of
from corank.measure import ActiveSubspaces, Measure, Survey, Surveyed
from corank.report import Table
from tests.report.conftest import MAKERS

MEASURES = methods_of(corank.measure, Measure)
NO_PARTS = dict.fromkeys(("active", "activations", "weights", "cushions", "information", "probes"))


def with_share(found: Any) -> Any:
    """The measurement, with held-out shares that fit the captured ones."""
    if not isinstance(found, ActiveSubspaces):
        return found
    return replace(found, layers=tuple(replace(layer, captured=layer.captured_heldout) for layer in found.layers))


def made(name: str = "features.{}", layers: int = 3) -> dict[type, Any]:
    """The measurements of all measures of layers by their type."""
    results = (make(layers, name=name) for make in MAKERS.values())
    return {type(result): with_share(result) for result in results}


def measurement_of(measure: str, name: str = "features.{}") -> Any:
    """The measurement that a measure of the room gives."""
    results = made(name)
    if MEASURES[measure] is Survey:
        return survey(results)
    return results[get_type_hints(MEASURES[measure].measure)["return"]]


def survey(results: dict[type, Any]) -> Surveyed:
    """A survey with all these parts."""
    hints = get_type_hints(Surveyed)
    parts = {part: next(found for kind, found in results.items() if kind | None == hints[part]) for part in NO_PARTS}
    return Surveyed(**parts, skipped=())


def column(table: Table, title: str) -> list[Any]:
    """The values of the one column with this title."""
    (place,) = [number for number, column in enumerate(table.columns) if column.title == title]
    return [row[place] for row in table.rows]
