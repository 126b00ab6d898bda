"""Reduced-order networks in a study: what is made and left out, which is the best, and what the page says of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch
from torch import nn

from corank.compress import RON
from corank.experiment import Accuracies, Opened, Study, StudyResult, accuracies
from corank.experiment.reduced_cuts import ENERGY, NO_TIME, SAMPLES, SKETCH_SIZE, ReducedCuts, reduce_cuts
from corank.experiment.reduced_section import reduced_section
from corank.experiment.study_page import study_page
from corank.network import cost
from corank.report import Section, render
from corank.report.format import percent
from corank.train import fit
from corank.zoo import Batches, Dataset

from .measurements import column

Made = tuple[nn.Module, Accuracies, ReducedCuts]
QUICK = Study(samples=100, epochs=0, measure_seconds=20.0, attack_images=0)
PLACES = ("1", "4", "6")


@pytest.fixture(scope="module")
def dense(pixels: Dataset) -> nn.Module:
    """A trained network whose last hidden layer has nothing to reduce behind it."""
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(1, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(128, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(),
        nn.Linear(64, 3),
    )  # fmt: skip
    fit(network, Batches(pixels.train, 32), epochs=10, optimiser=partial(torch.optim.Adam, lr=1e-2))
    return network.eval()


@pytest.fixture(scope="module")
def made(dense: nn.Module, pixels: Dataset) -> Made:
    original = accuracies(dense, pixels)
    return dense, original, reduced(dense, pixels, original)


@pytest.fixture(scope="module")
def studied(dense: nn.Module, pixels: Dataset) -> StudyResult:
    return replace(QUICK, order=1, rank=2).run("dense", dense, pixels)


def reduced(
    network: nn.Module,
    pixels: Dataset,
    original: Accuracies,
    *,
    layers: tuple[str, ...] = PLACES,
    tolerance: float = 0.05,
    seconds: float | None = None,
) -> ReducedCuts:
    batches = Batches(pixels.train, 50)
    return reduce_cuts(network, layers, batches, pixels, original=original, tolerance=tolerance, seconds=seconds)


def test_rows_are_the_networks_that_ron_makes_cheapest_first(made: Made, pixels: Dataset) -> None:
    network, _, found = made
    for row in found.cuts:
        ron = RON(layer=row.layer, energy=ENERGY, samples=SAMPLES, sketch_size=SKETCH_SIZE, epochs=0)
        small = ron.compress(network, Batches(pixels.train, 50))
        assert row.overall == cost(small.network, pixels.shape)
        assert row.accuracy == accuracies(small.network, pixels)
        assert row.ranks == tuple(layer.rank for layer in small.layers)
    costs = [row.overall.multiply_adds for row in found.cuts]
    assert costs == sorted(costs)
    assert {row.layer for row in found.cuts} == {"1", "4"}


def test_a_place_without_anything_to_reduce_is_left_out_with_the_reason(made: Made) -> None:
    (row,) = made[2].left_out
    assert row.layer == "6"
    assert "no activation" in row.reason


def test_what_would_be_larger_is_left_out_with_both_numbers(pixels: Dataset) -> None:
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(1, 8, 3), nn.ReLU(), nn.Conv2d(8, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8, 3)
    ).eval()
    found = reduced(network, pixels, accuracies(network, pixels), layers=("1",))
    assert found.cuts == ()
    assert found.best is None
    small = RON(layer="1", energy=ENERGY, samples=SAMPLES, sketch_size=SKETCH_SIZE, epochs=0)
    made = small.compress(network, Batches(pixels.train, 50))
    assert f"{made.head.parameters:,} parameters instead of {made.replaced.parameters:,}" in found.left_out[0].reason


def test_the_best_is_the_cheapest_within_the_tolerance_or_else_the_most_accurate(made: Made, pixels: Dataset) -> None:
    network, original, found = made
    assert found.best is not None
    assert found.best.layer == found.cuts[0].layer
    beyond = Accuracies(validation=2.0, test=2.0)
    worse = reduced(network, pixels, beyond)
    assert worse.best is not None
    most = max(row.accuracy.validation for row in worse.cuts)
    (best,) = [row for row in worse.cuts if row.layer == worse.best.layer]
    assert best.accuracy.validation == most
    assert original.validation < 2


def test_when_the_time_is_over_the_rest_is_left_out(made: Made, pixels: Dataset) -> None:
    network, original, _ = made
    found = reduced(network, pixels, original, seconds=1e-9)
    assert found.cuts == ()
    assert [(row.layer, row.reason) for row in found.left_out] == [(layer, NO_TIME) for layer in PLACES]


def test_the_network_comes_back_as_it_was(made: Made, pixels: Dataset) -> None:
    network, original, _ = made
    before = {name: value.clone() for name, value in network.state_dict().items()}
    reduced(network, pixels, original)
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())


def test_a_study_reduces_every_legal_place_and_keeps_the_rows(studied: StudyResult) -> None:
    places = {place.layer for place in studied.forecasts.places}
    assert {row.layer for row in (*studied.reduced.cuts, *studied.reduced.left_out)} == places
    written = studied.to_dict()["reduced"]
    assert [row["layer"] for row in written["cuts"]] == [row.layer for row in studied.reduced.cuts]
    assert written["cuts"][0]["overall"]["multiply_adds_millions"] > 0
    assert written["best"]["layers"][0]["singular_values"]


def test_a_network_that_knows_nothing_is_not_reduced(make_opened: Callable[..., Opened], pixels: Dataset) -> None:
    result = QUICK.run("tiny", make_opened("tiny", trained=False).network, pixels)
    assert result.reduced == ReducedCuts()
    assert reduced_section(result) is None


def section_of(result: StudyResult) -> Section:
    section = reduced_section(result)
    assert section is not None
    return section


def test_the_section_tells_of_every_network_and_shows_the_best(studied: StudyResult) -> None:
    section = section_of(studied)
    (table,) = section.tables
    rows = studied.reduced.cuts
    assert column(table, "reduced after") == [row.layer for row in rows]
    assert column(table, "accuracy") == [row.accuracy.test for row in rows]
    assert column(table, "multiply-adds") == [
        studied.cost.multiply_adds / row.overall.multiply_adds for row in rows
    ]  # fmt: skip
    best = studied.reduced.best
    assert best is not None
    (row,) = [row for row in rows if row.layer == best.layer]
    assert f"that after {best.layer}, with" in section.text[1]
    assert percent(row.accuracy.validation) in section.text[1]
    assert {"reduced-spectra", "reduced-errors"} <= {figure.name for figure in section.figures}
    longest = studied.reduced.longest
    assert longest is not None
    (spectra,) = (figure for figure in section.figures if figure.name == "reduced-spectra")
    assert f"{len(longest.layers)} reduced layers" in spectra.svg
    every = [len(row.ranks) for row in studied.reduced.cuts]
    assert len(longest.layers) >= max(every)
    assert [what for what, _ in section.left_out] == [f"after {row.layer}" for row in studied.reduced.left_out]


def test_without_a_network_within_the_tolerance_that_is_said(studied: StudyResult) -> None:
    assert "The cheapest within 1 point" in section_of(studied).text[1]
    above = replace(studied, original=Accuracies(validation=1.0, test=1.0))
    assert "None stays within 1 point of validation accuracy. The most accurate is" in section_of(above).text[1]


def test_where_all_would_be_larger_that_is_said(studied: StudyResult) -> None:
    none = replace(studied, reduced=ReducedCuts(left_out=studied.reduced.left_out))
    section = section_of(none)
    assert (section.tables, section.figures) == ((), ())
    assert "After no place" in section.text[1]


def test_it_stands_beside_the_cuts_in_the_figure_or_alone(studied: StudyResult, pixels: Dataset) -> None:
    assert studied.cuts
    options = {"study": {"epochs": 0, "seed": 0}}
    page = partial(study_page, dataset=pixels, folder=Path("out"), options=options, seconds=1)
    alone = replace(studied, cuts=(), recommendation=None)
    for result in (studied, alone):
        (figure,) = [one for one in page(result).figures if one.name == "cost-against-accuracy"]
        assert "Squares are reduced-order networks" in figure.caption
        assert all(f"RON after {row.layer}" in figure.svg for row in result.reduced.cuts)
    bare = replace(studied, reduced=ReducedCuts())
    (figure,) = [one for one in page(bare).figures if one.name == "cost-against-accuracy"]
    assert "Squares" not in figure.caption
    assert "nan" not in render(page(studied)).partition("<body>")[2].partition("<svg")[0]


def test_one_that_beats_the_recommended_cut_is_named_with_its_command(studied: StudyResult) -> None:
    cut, best = studied.cuts[0], studied.reduced.best
    assert best is not None
    recommended = replace(studied, recommendation=cut.compressed.layer)  # type: ignore[attr-defined]
    row = next(row for row in studied.reduced.cuts if row.layer == best.layer)

    def with_cost(multiply_adds: int, validation: float) -> str:
        overall = replace(row.overall, multiply_adds=multiply_adds)
        changed = replace(row, overall=overall, accuracy=Accuracies(validation=validation, test=0.5))
        return " ".join(section_of(replace(recommended, reduced=replace(studied.reduced, cuts=(changed,)))).text)

    fewer, same = cut.compressed.overall.multiply_adds - 1, cut.tuned.validation
    assert f"corank compress ron --layer {best.layer} --energy 0.95" in with_cost(fewer, same)
    assert "corank compress" not in with_cost(fewer + 1, same)
    assert "corank compress" not in with_cost(fewer, same - 0.01)
