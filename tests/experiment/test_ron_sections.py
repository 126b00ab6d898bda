"""The page of a reduced-order network says what its layers keep, what they lose, and whether the bounds hold."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
import torch
from torch import nn

from corank.compress import RON, RONetwork
from corank.experiment.particulars_by_type import particulars_of
from corank.experiment.ron_sections import ron_sections
from corank.experiment.ron_tables import errors_table, ranks_table, rounds_table, sizes_table
from corank.report import Missing, Page, render
from corank.report.format import percent
from corank.zoo import Batches, Dataset
from tests.report.conftest import make_history, make_reduction

from .measurements import column


def said(small: RONetwork) -> str:
    return " ".join(paragraph for section in ron_sections(small) for paragraph in section.text)


def titles(small: RONetwork) -> list[str]:
    return [section.title for section in ron_sections(small)]


def test_tables_hold_what_is_known_of_every_layer() -> None:
    small = make_reduction(5)
    names = [layer.layer for layer in small.layers]
    for table in (sizes_table(small), ranks_table(small), errors_table(small)):
        assert column(table, "layer") == names
    assert column(sizes_table(small), "kept features") == [layer.rows for layer in small.layers]
    ranks = ranks_table(small)
    assert isinstance(column(ranks, "for 99 %")[0], Missing)
    assert column(ranks, "for 99 %")[1:] == [layer.rank_energy for layer in small.layers[1:]]
    assert column(ranks, "noise floor") == [layer.has_noise_floor for layer in small.layers]
    errors = errors_table(small)
    for least, constant, bound in zip(
        column(errors, "directions alone"), column(errors, "constant"), column(errors, "bound"), strict=True
    ):
        assert bound == pytest.approx(constant * least)
    assert column(errors, "a-priori bound") == [layer.bound_a_priori for layer in small.layers]
    assert column(errors, "reduced network") == [layer.propagated_error for layer in small.layers]


def test_rows_that_only_a_pooling_needs_have_a_column_where_there_are_some() -> None:
    small = make_reduction(2)
    pooled = replace(small, layers=(replace(small.layers[0], width=600), small.layers[1]))
    assert "computed" not in [column.title for column in sizes_table(small).columns]
    assert column(sizes_table(pooled), "computed") == [600, small.layers[1].width]


def test_words_name_the_layer_that_loses_most_with_its_numbers() -> None:
    small = make_reduction(4)
    worst = replace(small.layers[1], propagated_error=0.777, interpolation_error=0.0333, projection_error=0.0222)
    text = said(replace(small, layers=(small.layers[0], worst, *small.layers[2:])))
    assert f"Most is lost at features.1: what the reduced network has there is off by {percent(0.777)}" in text
    assert f"up to {percent(0.0333)}" in text
    assert f"closer than {percent(0.0222)}" in text
    assert f"put {percent(0.97)} of 200 held-out samples" in text


def test_a_bound_that_does_not_hold_is_named_and_one_that_rounding_misses_holds() -> None:
    small = make_reduction(3)
    assert "(1.50 to 2.17), holds at every layer" in said(small)
    first = small.layers[0]
    missed = replace(first, interpolation_error=first.bound * (1 + 1e-6))
    assert "holds at every layer" in said(replace(small, layers=(missed, *small.layers[1:])))
    broken = replace(first, interpolation_error=first.bound * 1.01)
    text = said(replace(small, layers=(broken, *small.layers[1:])))
    assert "holds at every layer" not in text
    assert f"does not hold at features.0 ({percent(broken.interpolation_error)}" in text


def test_doubtful_ranks_are_called_so_only_where_they_are() -> None:
    small = make_reduction(4)
    assert "that of features.0 and features.2 does not" in said(small)
    none = tuple(replace(layer, has_noise_floor=False) for layer in small.layers)
    assert "none of these does" in said(replace(small, layers=none))
    all_ = tuple(replace(layer, has_noise_floor=True) for layer in small.layers)
    assert "floor of noise" not in said(replace(small, layers=all_))


def test_few_layers_are_named_and_many_summed_up() -> None:
    assert "150 of 512 at features.0 and 75 of 256 at features.1" in said(make_reduction(2))
    small = make_reduction(6)
    kept, whole = sum(layer.rows for layer in small.layers), sum(layer.features for layer in small.layers)
    assert f"{kept:,} of {whole:,} in 6 layers" in said(small)


@pytest.mark.parametrize("rounds", [1, 3])
def test_rounds_are_told_of_where_there_were_several(rounds: int) -> None:
    small = make_reduction(rounds=rounds)
    assert ("Round by round" in titles(small)) == (rounds > 1)
    assert column(rounds_table(small), "round") == list(range(1, rounds + 1))
    assert column(rounds_table(small), "directions") == [tuple(layer.rank for layer in small.layers)] * rounds


def test_what_is_not_there_is_not_spoken_of() -> None:
    small = make_reduction(held_out=0)
    text = said(small)
    assert "No sample was held out" in text
    assert "Before any training" not in text
    assert "nan" not in re.sub(r"<style.*?</style>|<svg.*?</svg>", "", render(page(small)), flags=re.S)
    assert "The training" not in titles(small)
    assert "The training" in titles(replace(small, training=make_history()))


def page(small: RONetwork) -> Page:
    return Page("Reduced", sections=particulars_of(small).sections)


def test_parts_are_what_was_kept_and_what_is_new_or_nothing_where_all_is_new() -> None:
    small = make_reduction()
    told = particulars_of(small)
    assert [part.cost for part in told.parts] == [small.pre, small.head]
    assert told.parts[1].stands_for == told.replaced[0].cost == small.replaced
    whole = particulars_of(replace(small, layer=None))
    assert (whole.parts, whole.replaced) == ((), ())
    assert whole.sections


def test_the_page_of_a_network_that_was_reduced_says_its_numbers(pixels: Dataset) -> None:
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(1, 6, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(24, 16), nn.ReLU(), nn.Linear(16, 3)
    )
    small = RON(factor=2, epochs=0, iterations=2).compress(network, Batches(pixels.train, 50))
    text = said(small)
    assert f"Before any training the reduced network put {percent(small.agreement)}" in text
    assert "holds at every layer" in text
    assert [figure.name for figure in page(small).figures] == ["reduced-spectra", "reduced-errors"]
    assert column(rounds_table(small), "agreement") == [row.agreement for row in small.rounds]
