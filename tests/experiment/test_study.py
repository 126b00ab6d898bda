"""A study measures, cuts and recommends: what it says follows from what it found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import pytest
import torch
from torch import nn

from corank.compress import ASNet
from corank.errors import InputError
from corank.experiment import Accuracies, Evaluated, Opened, Origin, Study, StudyResult, accuracies, recommend
from corank.experiment.forecast_section import forecast_section, forecast_table
from corank.network import cost, cut
from corank.train import fit
from corank.zoo import Batches, Dataset

Make = Callable[..., Opened]
QUICK = Study(samples=100, epochs=0, attack_images=0)


@pytest.fixture(scope="module")
def studied(request: pytest.FixtureRequest) -> tuple[Opened, Dataset, StudyResult, list[ASNet]]:
    """One study, which many tests look at."""
    pixels = request.getfixturevalue("pixels")
    compressors: list[ASNet] = []
    opened = _opened(pixels)
    study = replace(QUICK, rank=2, order=1, epochs=1)
    result = study.run("mine", opened.network, pixels, keep=lambda found, compressor: compressors.append(compressor))
    return opened, pixels, result, compressors


def _opened(pixels: Dataset) -> Opened:
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 4, 3, padding=1), nn.ReLU(),
        nn.Conv2d(4, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(64, 8), nn.ReLU(), nn.Linear(8, 3),
    )  # fmt: skip
    fit(network, Batches(pixels.train, 32), epochs=10, optimiser=partial(torch.optim.Adam, lr=1e-2))
    origin = Origin(name="mine", zoo_name=None, classes=3, shape=pixels.shape)
    return Opened(network=network.eval(), origin=origin, is_trained=True)


def test_numbers_are_those_of_the_networks(studied: tuple[Opened, Dataset, StudyResult, list[ASNet]]) -> None:
    opened, pixels, result, compressors = studied
    assert result.original == accuracies(opened.network, pixels)
    assert result.cost == cost(opened.network, pixels.shape)
    for found, compressor in zip(result.cuts, compressors, strict=True):
        assert found.tuned == accuracies(found.compressed.network, pixels)
        assert found.original == result.original
        assert found.compressed.layer == compressor.layer
        assert found.compressed.rank == compressor.rank == 2


def test_what_is_built_is_on_the_front_of_the_forecasts(
    studied: tuple[Opened, Dataset, StudyResult, list[ASNet]],
) -> None:
    _, _, result, _ = studied
    assert result.cuts
    front = {(row.layer, row.rank) for row in result.forecasts.front}
    for found in result.cuts:
        assert (found.compressed.layer, found.compressed.rank) in front
        said = result.forecast_of(found)
        assert said is not None
        assert said.overall == found.compressed.overall
        assert said.accuracy >= result.forecasts.accuracy - 4 * result.tolerance
    depths = [result.forecast_of(found).overall.multiply_adds for found in result.cuts]  # type: ignore[union-attr]
    assert depths == sorted(depths)


def test_forecasts_come_before_any_cut_and_hold_for_all_legal_places(
    studied: tuple[Opened, Dataset, StudyResult, list[ASNet]],
) -> None:
    opened, pixels, result, _ = studied
    told: list[str] = []
    replace(QUICK, rank=2, order=1).run(
        "mine", opened.network, pixels, report=told.append, foretold=lambda said: told.append(f"told {len(said.cuts)}")
    )
    assert told[2:4] == ["forecasting every cut", f"told {len(result.forecasts.cuts)}"]
    assert all(stage.startswith("cut at") for stage in told[4:-1])
    assert told[-1] == f"reducing at {len(result.forecasts.places)} places"
    assert {row.layer for row in result.forecasts.cuts} == {place.layer for place in result.places if place.is_legal}
    example = torch.zeros(2, *pixels.shape)
    for place in result.places:
        assert place.pre == cost(cut(opened.network, place.layer, example).pre, pixels.shape)


def test_the_table_of_forecasts_shows_what_came_out_before_fine_tuning(
    studied: tuple[Opened, Dataset, StudyResult, list[ASNet]],
) -> None:
    result = studied[2]
    before = Accuracies(validation=0.123, test=0.456)
    changed = replace(result, cuts=tuple(replace(found, untuned=before) for found in result.cuts))
    came_out = {row[0]: row[4] for row in forecast_table(changed).rows}
    built = {found.compressed.layer for found in result.cuts}
    assert {layer for layer, value in came_out.items() if value == 0.123} == built
    assert set(came_out) == {place.layer for place in result.forecasts.places}
    section = forecast_section(changed)
    assert section is not None
    worst = max(abs(0.123 - said.accuracy) for found in result.cuts if (said := result.forecast_of(found)))
    assert f"within {100 * worst:.1f} points" in section.text[-1]


def test_what_came_out_is_what_was_forecast(make_opened: Make, pixels: Dataset) -> None:
    network = make_opened("tiny").network
    for layer in ("2", "4"):
        result = replace(QUICK, layer=layer, rank=2, samples=None).run("tiny", network, pixels)
        said = result.forecast_of(result.cuts[0])
        assert said is not None
        # 36 images judge: one of them is 2.8 points
        assert result.cuts[0].tuned.validation == pytest.approx(said.accuracy, abs=0.06)


def test_a_network_with_random_weights_is_measured_and_left_alone(make_opened: Make, pixels: Dataset) -> None:
    result = QUICK.run("tiny", make_opened("tiny", trained=False).network, pixels)
    assert result.cuts == ()
    assert result.recommendation is None
    assert "not clearly better than always naming the commonest class" in result.reason
    assert result.forecasts.cuts


def test_nor_is_it_cut_where_that_is_asked_for(make_opened: Make, pixels: Dataset) -> None:
    network = make_opened("tiny", trained=False).network
    result = replace(QUICK, layer="2").run("tiny", network, pixels)
    assert (result.cuts, result.recommendation) == ((), None)
    trained = make_opened("tiny").network
    result = replace(QUICK, layer="2").run("tiny", trained, pixels, random_weights=True)
    assert (result.cuts, result.recommendation) == ((), None)
    assert "random weights" in result.reason


def test_a_network_without_places_is_measured_and_kept(make_opened: Make, pixels: Dataset) -> None:
    result = QUICK.run("bypassed", make_opened("bypassed").network, pixels)
    assert len(result.active.layers) == 1
    assert result.cuts == ()
    assert result.recommendation is None
    assert "no place where the network can be cut" in result.reason


def test_places_that_are_asked_for_are_taken_once_each(make_opened: Make, pixels: Dataset) -> None:
    network = make_opened("residual").network
    result = replace(QUICK, layer=(3, 1, "relu", 1), rank=1).run("residual", network, pixels)
    labels = [found.compressed.layer for found in result.cuts]
    assert len(labels) == len(set(labels)) == 2
    assert "relu" in labels
    single = replace(QUICK, layer=1, rank=1).run("residual", network, pixels)
    assert [found.compressed.layer for found in single.cuts] == ["relu"]


def test_a_rank_above_the_features_is_lowered_where_the_study_chose_the_place(
    make_opened: Make, pixels: Dataset
) -> None:
    network = make_opened("tiny").network
    result = replace(QUICK, rank=40, order=1, tolerance=0.2).run("tiny", network, pixels)
    directions = {row.layer: len(row.directions) for row in result.active.layers}
    assert result.cuts
    assert {row.layer: row.rank for row in result.forecasts.cuts} == directions
    for found in result.cuts:
        assert found.compressed.rank == directions[found.compressed.layer]
    with pytest.raises(InputError, match="12 features at '2', got 40"):
        replace(QUICK, rank=40, layer="2").check(network, pixels)


@pytest.mark.parametrize(
    ("study", "message"),
    [
        (replace(QUICK, layer="nothing"), "'nothing'"),
        (replace(QUICK, layer="*"), r"'\*' names 2"),
        (replace(QUICK, layer=("2", "4"), rank=9), "8 features at '4', got 9"),
    ],
)
def test_what_would_fail_late_is_refused_at_once(
    make_opened: Make, pixels: Dataset, study: Study, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        study.check(make_opened("tiny").network, pixels)


def test_a_network_without_hidden_layers_is_refused_at_once(pixels: Dataset) -> None:
    straight = nn.Sequential(nn.Flatten(), nn.Linear(36, 3))
    with pytest.raises(InputError, match="no hidden layer"):
        QUICK.check(straight, pixels)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("rank", 0), ("order", -1), ("samples", 0), ("fit_samples", 0), ("epochs", -1), ("pre_rate", 0.0),
        ("batch_size", 0), ("head_rate", float("nan")), ("tolerance", 1.0), ("tolerance", -0.1),
        ("tolerance", float("nan")), ("most_cuts", 0), ("measure_seconds", 0.0), ("measure_seconds", float("inf")),
        ("attack_images", -1), ("attack_radius", 0.0), ("attack_seconds", float("inf")),
    ],
)  # fmt: skip
def test_options_out_of_range_are_refused(option: str, value: float) -> None:
    with pytest.raises(InputError, match=f"{option}.*got {value}"):
        Study(**{option: value})


# The recommendation


def evaluated(studied: StudyResult, validation: float, speedup: float, layer: str) -> Evaluated:
    """A cut with a given validation accuracy, speed and name; the original has 0.9."""
    one = studied.cuts[0]
    fast = tuple(replace(row, low_ms=0.9, median_ms=1.0, high_ms=1.1) for row in one.latency)
    slow = tuple(
        replace(row, low_ms=0.9 * speedup, median_ms=speedup, high_ms=1.1 * speedup) for row in one.latency_original
    )
    return replace(
        one, compressed=replace(one.compressed, layer=layer, original=one.compressed.overall),
        original=Accuracies(validation=0.9, test=0.0),
        tuned=Accuracies(validation=validation, test=1.0), latency=fast, latency_original=slow,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("cuts", "layer"),
    [
        ([(0.90, 2.0, "a"), (0.89, 3.0, "b"), (0.80, 9.0, "c")], "b"),
        ([(0.90, 2.0, "a"), (0.80, 9.0, "c")], "a"),
        ([(0.95, 0.9, "a")], None),
        ([(0.95, 1.1, "a")], None),  # the quartiles overlap
        ([(0.85, 5.0, "a")], None),
    ],
)
def test_the_fastest_cut_within_the_tolerance_is_recommended(
    studied: tuple[Opened, Dataset, StudyResult, list[ASNet]], cuts: list[tuple[float, float, str]], layer: str | None
) -> None:
    found, reason = recommend([evaluated(studied[2], *given) for given in cuts], tolerance=0.02)
    assert found == layer
    assert (f"cutting after {layer} makes one sample" if layer else "keep the network as it is") in reason
    assert ("not clearly faster" in reason) == (layer is None and cuts[0][1] < 2)


def test_the_test_accuracy_has_no_say(studied: tuple[Opened, Dataset, StudyResult, list[ASNet]]) -> None:
    cuts = [evaluated(studied[2], 0.9, 2.0, "a"), evaluated(studied[2], 0.9, 3.0, "b")]
    worse = [replace(found, tuned=replace(found.tuned, test=0.0)) for found in cuts]
    assert recommend(cuts, 0.01) == recommend(worse, 0.01)
