"""Every measurement has its chapter; sentences follow from its numbers; what was left out is listed."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from corank.experiment.chapters import chapters, in_words, neurons_in_words
from corank.experiment.measuring import write_measurement
from corank.measure import (
    ActivationSpectra,
    ActiveLayer,
    ActiveNeurons,
    ActiveSubspaces,
    FeatureProbes,
    LayerCushions,
    LayerInformation,
    Skip,
    Survey,
    Surveyed,
    WeightSpectra,
)
from corank.report import figures_of
from corank.result import Interval

from .measurements import MEASURES, NO_PARTS, made, measurement_of, survey

SKIPS = (
    Skip(layer="features.7", measure="layer-cushion", reason="its weights are all zero"),
    Skip(layer="features.8", measure="", reason="it never runs"),
)
TITLES = [
    "Which directions each layer uses", "Spectra of the loss gradient", "First active variables",
    "Spectra of the activations", "Where the parameters are", "Layer cushions", "Information plane",
    "Linear classifiers on the features",
]  # fmt: skip
SINGLE = [name for name, method in MEASURES.items() if method is not Survey]


@pytest.mark.parametrize("measure", SINGLE)
def test_every_measurement_has_chapters_with_a_table_and_all_its_figures(measure: str) -> None:
    found = measurement_of(measure)
    sections = chapters(found)
    assert all(section.title and section.text for section in sections)
    shown = [figure.name for section in sections for figure in section.figures]
    assert sorted(shown) == sorted(figures_of(found)), "each figure once"
    for section in sections:
        assert section.tables or section.figures
        assert all(len(table.rows) == len(found.layers) for table in section.tables)
    assert any(section.tables for section in sections)
    assert not any(section.left_out for section in sections)


@pytest.mark.parametrize("measure", SINGLE)
def test_what_was_left_out_is_listed_with_layer_measure_and_reason(measure: str) -> None:
    *_, last = chapters(replace(measurement_of(measure), skipped=SKIPS))
    assert last.title == "Left out"
    assert last.left_out == (
        ("features.7: layer cushion", "its weights are all zero"),
        ("features.8: everything", "it never runs"),
    )


def test_a_survey_has_the_chapters_of_its_parts_and_what_was_left_out(tmp_path: Path) -> None:
    results = made(layers=1)
    assert [section.title for section in chapters(survey(results))] == TITLES
    part = Surveyed(**{**NO_PARTS, "weights": results[WeightSpectra]}, skipped=SKIPS)
    assert [section.title for section in chapters(part)] == ["Where the parameters are", "Left out"]
    write_measurement(part, tmp_path, "mine", "digits", {})
    page = (tmp_path / "index.html").read_text()
    for told in ("features.7: layer cushion", "its weights are all zero", "features.8: everything", "it never runs"):
        assert told in page


def test_names_and_reasons_are_escaped_in_the_page(tmp_path: Path) -> None:
    found = replace(
        survey(made("<b>{}</b>", layers=1)),
        skipped=(Skip(layer="<i>7</i>", measure="layer-cushion", reason="<script>1"),),
    )
    write_measurement(found, tmp_path, "<em>mine</em>", "<u>digits</u>", {})
    files = [tmp_path / "index.html", *(tmp_path / "figures").glob("*.svg")]
    for file in files:
        text = file.read_text()
        assert not any(tag in text for tag in ("<b>", "<i>7", "<script>1", "<em>mine", "<u>digits")), file.name
    page = files[0].read_text()
    for name in ("&lt;b&gt;0&lt;/b&gt;", "&lt;i&gt;7", "&lt;script&gt;1", "&lt;em&gt;mine", "&lt;u&gt;digits"):
        assert name in page


# Sentences


def plain(text: str) -> str:
    """The text with spaces that may break."""
    return text.replace("\xa0", " ")


def told(found: Any) -> str:
    """All that the chapter of a measurement says."""
    return plain(" ".join(chapters(found)[0].text))


def layer(row: ActiveLayer, low: int, high: int | None, heldout: float) -> ActiveLayer:
    neurons = ActiveNeurons(energy=Interval(low, high), norm=Interval(1, 1))
    return replace(row, active_neurons=neurons, captured=0.9, captured_heldout=heldout)


def test_active_neurons_are_told_of_the_layer_that_needs_the_least_of_its_width() -> None:
    found = made(layers=2)[ActiveSubspaces]
    first, second = found.layers
    clear = replace(found, layers=(layer(first, 3, 3, 0.9), layer(replace(second, width=8), 1, 1, 0.9)))
    (sentence,) = map(plain, neurons_in_words(clear))
    assert "At features.0, 3 of 512 directions carry 95 % of the gradient energy of 4,096 samples" in sentence
    assert "the leading 12 carry 90.0" in sentence


def test_nothing_is_claimed_of_counts_that_are_not_trusted() -> None:
    found = made(layers=2)[ActiveSubspaces]
    first, second = found.layers
    unclear = neurons_in_words(replace(found, layers=(layer(first, 3, None, 0.9), layer(second, 1, 2, 0.2))))
    assert len(unclear) == 2
    assert "features.0" in unclear[0]
    assert "not reached" in unclear[0]
    assert "features.1" in unclear[1]
    assert "more samples" in unclear[1]


def test_without_held_out_samples_nothing_is_said_of_them() -> None:
    found = made(layers=1)[ActiveSubspaces]
    alone = replace(found.layers[0], captured_heldout=math.nan, captured_heldout_by_rank=())
    (sentence,) = neurons_in_words(replace(found, layers=(alone,)))
    assert sentence.endswith("of the gradient energy of 4,096 samples.")


def test_many_layers_are_counted_instead_of_listed() -> None:
    found = made(layers=9)[ActiveSubspaces]
    (sentence,) = neurons_in_words(replace(found, layers=tuple(layer(row, 3, None, 0.9) for row in found.layers)))
    assert "At features.0, features.1, features.2 and 6 more layers the count is not reached" in sentence


@pytest.mark.parametrize(("centred", "of_what"), [(False, "energy"), (True, "variance")])
def test_activations_are_told_of_the_flattest_layer(centred: bool, of_what: str) -> None:
    found = made()[ActivationSpectra]
    flat = replace(found.layers[1], directions_needed=Interval(2, 4))
    narrow = replace(found.layers[2], directions_needed=Interval(2, 3), width=4)
    (sentence,) = map(plain, in_words(replace(found, centred=centred, layers=(found.layers[0], flat, narrow))))
    assert "At features.1" in sentence
    assert f"need 2\N{EN DASH}4 of 512 directions for 95 % of their {of_what}" in sentence
    open_ended = replace(flat, directions_needed=Interval(7, None))
    (sentence,) = map(plain, in_words(replace(found, layers=(open_ended,))))
    assert "\N{GREATER-THAN OR EQUAL TO} 7 of 512" in sentence


@pytest.mark.parametrize(
    ("counts", "sentence"),
    [
        ((100, 300, 600), "The last weight matrix holds 60 % of the 1,000 parameters."),
        ((100, 500, 400), "The last 2 of 3 weight matrices hold 90 % of the 1,000 parameters."),
        ((800, 100, 100), "The last 3 of 3 weight matrices hold 100 % of the 1,000 parameters."),
    ],
)
def test_where_half_of_the_parameters_are_is_told(counts: tuple[int, ...], sentence: str) -> None:
    found = made()[WeightSpectra]
    rows = [replace(row, parameters=count) for row, count in zip(found.layers, counts, strict=True)]
    assert sentence in told(replace(found, layers=tuple(rows), parameters=1000))


def test_the_lowest_rank_for_its_shape_is_told() -> None:
    found = made()[WeightSpectra]
    low = replace(found.layers[1], effective_rank=1.5)
    vector = replace(low, layer="vector", rows=1, columns=4, effective_rank=1.0)  # all that one row can have
    text = told(replace(found, layers=(found.layers[0], low, vector)))
    assert f"that of features.1: 1.5 of at most {low.rows**0.5:.3g}" in text


def test_the_smallest_cushion_is_told() -> None:
    found = made()[LayerCushions]
    rows = [replace(row, cushion=cushion) for row, cushion in zip(found.layers, (0.3, 0.02, 0.1), strict=True)]
    assert "The smallest cushion, 0.02, is that of features.1" in told(replace(found, layers=tuple(rows)))


@pytest.mark.parametrize(
    ("saturated", "sentence"),
    [
        ((False, False, False), "No layer reaches the limit of 6.91 nats that 1,000 samples set."),
        ((True, False, True), "At features.0 and features.2 the information about the input is capped"),
        ((True, True, True), "At all layers the information about the input is capped"),
    ],
)
def test_saturated_information_is_told(saturated: tuple[bool, ...], sentence: str) -> None:
    found = made()[LayerInformation]
    rows = [
        replace(row, input=replace(row.input, is_saturated=is_so))
        for row, is_so in zip(found.layers, saturated, strict=True)
    ]
    assert sentence in told(replace(found, layers=tuple(rows)))


def test_the_best_linear_classifier_is_told_beside_network_and_chance() -> None:
    found = made()[FeatureProbes]
    rows = [replace(row, all_features=share) for row, share in zip(found.layers, (0.5, 0.875, 0.25), strict=True)]
    text = told(replace(found, layers=tuple(rows)))
    for part in ("features.1", "87.5 %", "93.0 %", "11.0 %", "1,000, 5-fold"):
        assert part in text
