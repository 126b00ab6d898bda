"""Every measurement has a table with a row a layer, and says why where a number is missing."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from corank.errors import InputError
from corank.experiment.measured_tables import (
    NO_HELD_OUT,
    NO_RESPONSE,
    active_table,
    certainty_table,
    measured_table,
)
from corank.measure import (
    ActivationSpectra,
    ActiveSubspaces,
    FeatureProbes,
    LayerCushions,
    LayerInformation,
    Response,
    Survey,
    Surveyed,
    WeightSpectra,
)
from corank.network import Cost
from corank.report import Column, Missing, table_text

from .measurements import MEASURES, NO_PARTS, column, made, measurement_of, survey


@pytest.mark.parametrize("measure", MEASURES)
def test_every_measure_has_a_table_with_a_row_a_layer(measure: str) -> None:
    found = measurement_of(measure, name="block.{}.conv")
    table = measured_table(found)
    layers = found.active.layers if MEASURES[measure] is Survey else found.layers
    assert column(table, "layer") == [layer.layer for layer in layers]
    assert all(len(row) == len(table.columns) for row in table.rows)
    assert table.caption
    titles = [column.title for column in table.columns]
    assert len(titles) == len(set(titles))
    assert table_text(table.columns, table.rows, table.caption)


def test_what_is_no_measurement_has_no_table() -> None:
    with pytest.raises(InputError, match="no table for Cost"):
        measured_table(Cost(parameters=1, storage_bytes=4, multiply_adds=1))


SHOWN: list[tuple[type, str, Callable[[Any], Any]]] = [
    (ActiveSubspaces, "active neurons", lambda row: row.active_neurons.energy),
    (ActiveSubspaces, "by norm", lambda row: row.active_neurons.norm),
    (ActiveSubspaces, "captured", lambda row: row.captured),
    (ActiveSubspaces, "held out", lambda row: row.captured_heldout),
    (ActivationSpectra, "directions needed", lambda row: row.directions_needed),
    (ActivationSpectra, "first direction", lambda row: row.variance_ratios[0]),
    (ActivationSpectra, "by class, least", lambda row: min(row.class_variance_ratios)),
    (ActivationSpectra, "by class, most", lambda row: max(row.class_variance_ratios)),
    (WeightSpectra, "parameters", lambda row: row.parameters),
    (WeightSpectra, "effective rank", lambda row: row.effective_rank),
    (WeightSpectra, "stable rank", lambda row: row.stable_rank),
    (WeightSpectra, "effective sparsity", lambda row: row.effective_sparsity),
    (WeightSpectra, "spectral norm", lambda row: row.spectral_norm),
    (LayerCushions, "cushion", lambda row: row.cushion),
    (LayerCushions, "with kernel norm", lambda row: row.cushion_kernel),
    (LayerCushions, "median", lambda row: row.median),
    (LayerInformation, "about the input, from", lambda row: row.input.low),
    (LayerInformation, "about the label, from", lambda row: row.label.low),
    (LayerInformation, "saturated", lambda row: "yes" if row.input.is_saturated else "no"),
    (FeatureProbes, "all features", lambda row: row.all_features),
    (FeatureProbes, "active", lambda row: row.active),
    (FeatureProbes, "principal", lambda row: row.principal),
]


@pytest.mark.parametrize(("kind", "title", "value"), SHOWN, ids=lambda part: getattr(part, "__name__", part))
def test_columns_hold_what_their_titles_say(kind: type, title: str, value: Callable[[Any], Any]) -> None:
    found = made()[kind]
    assert column(measured_table(found), title) == [value(row) for row in found.layers]


def test_shares_of_the_parameters_are_of_the_whole_network() -> None:
    found = made()[WeightSpectra]
    shares = column(measured_table(found), "share")
    listed = sum(row.parameters for row in found.layers)
    assert math.isclose(sum(shares), listed / found.parameters)
    assert sum(shares) < 1, "500 parameters are in no matrix"


def test_classes_without_samples_are_left_out_of_the_range() -> None:
    found = made()[ActivationSpectra]
    some = replace(found.layers[0], class_variance_ratios=(None, 0.5, 0.25, None))
    none = replace(found.layers[1], class_variance_ratios=(None, None))
    table = measured_table(replace(found, layers=(some, none)))
    assert column(table, "by class, least") == [0.25, None]
    assert column(table, "by class, most") == [0.5, None]


def test_a_share_of_nothing_says_why_it_is_missing() -> None:
    found = made()[ActiveSubspaces]
    rows = (replace(found.layers[0], captured_heldout=math.nan, captured_heldout_by_rank=()), *found.layers[1:])
    shown = column(active_table(replace(found, layers=rows)), "held out")
    assert shown[0] == Missing(NO_HELD_OUT)
    assert not any(isinstance(value, Missing) for value in shown[1:])


def test_further_columns_come_last() -> None:
    found = made()[ActiveSubspaces]
    table = active_table(found, [(Column("mine"), ["a", "b", "c"])])
    assert [row[-1] for row in table.rows] == ["a", "b", "c"]
    assert table.columns[-1].title == "mine"
    assert table.columns[:-1] == active_table(found).columns


def test_certainty_is_that_of_the_measurement() -> None:
    found = made(layers=2)[ActiveSubspaces]
    response = Response(variables=2, order=2, samples=100, error=0.25, explained=0.75, neglected=1e-3)
    first = replace(found.layers[0], response=response, subspace_error=(0.1, 0.2, 0.3))
    second = replace(found.layers[1], eigenvalues_low=(), eigenvalues_high=(), subspace_error=())
    table = certainty_table(replace(found, layers=(first, second)))
    assert column(table, "first eigenvalue") == [first.eigenvalues[0], second.eigenvalues[0]]
    assert column(table, "95 % from") == [first.eigenvalues_low[0], None]
    assert column(table, "to") == [first.eigenvalues_high[0], None]
    assert column(table, "error of 1") == [0.1, None]
    assert column(table, "of 50") == [0.3, None]
    assert column(table, "sum of eigenvalues") == [sum(first.eigenvalues), sum(second.eigenvalues)]
    assert column(table, "held-out along") == [first.mean_squared_along, second.mean_squared_along]
    assert column(table, "explained") == [0.75, Missing(NO_RESPONSE)]
    assert column(table, "error") == [0.25, Missing(NO_RESPONSE)]


def test_a_survey_shows_a_number_of_every_measure_where_there_is_one() -> None:
    results = made()
    found = survey(results)
    some = replace(results[FeatureProbes], layers=results[FeatureProbes].layers[1:])
    table = measured_table(replace(found, probes=some))
    assert column(table, "principal") == [row.directions_needed for row in results[ActivationSpectra].layers]
    assert column(table, "linear") == [None, *(row.all_features for row in some.layers)]
    without = measured_table(replace(found, activations=None, probes=None))
    assert column(without, "principal") == column(without, "linear") == [None] * 3


def test_a_survey_without_gradients_shows_the_activations() -> None:
    activations = made()[ActivationSpectra]
    found = Surveyed(**{**NO_PARTS, "activations": activations}, skipped=())
    assert measured_table(found) == measured_table(activations)
