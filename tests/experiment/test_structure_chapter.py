from __future__ import annotations

from dataclasses import replace

import pytest

from corank.experiment.structure_chapter import NOT_HIDDEN, structure_chapter, structure_table
from corank.measure import ActivationSpectra, LayerCushions, Surveyed, WeightSpectra
from tests.report.conftest import make_weights

from .measurements import NO_PARTS, column, made, survey


def test_weights_cushions_and_activations_of_a_layer_stand_in_one_row() -> None:
    results = made(layers=4)
    three = replace(results[ActivationSpectra], layers=results[ActivationSpectra].layers[:3])  # hidden ones
    found = survey({**results, ActivationSpectra: three})
    table = structure_table(found)
    weights, cushions = results[WeightSpectra].layers, {row.layer: row for row in results[LayerCushions].layers}
    assert column(table, "layer") == [row.layer for row in weights]
    assert column(table, "cushion") == [cushions[row.layer].cushion for row in weights]
    assert column(table, "of the most") == pytest.approx(
        [row.effective_rank / min(row.rows, row.columns) ** 0.5 for row in weights]
    )
    firsts = column(table, "first direction")
    assert firsts[:3] == [row.variance_ratios[0] for row in three.layers]
    assert firsts[3] is NOT_HIDDEN


def test_the_chapter_names_the_lowest_rank_for_its_shape() -> None:
    few = make_weights(3)
    low = replace(few.layers[1], effective_rank=1.0)
    found = Surveyed(**{**NO_PARTS, "weights": replace(few, layers=(few.layers[0], low, few.layers[2]))}, skipped=())
    (chapter,) = structure_chapter(found)
    assert f"The weights of {low.layer} have the lowest rank" in chapter.text[0]
    assert structure_chapter(Surveyed(**NO_PARTS, skipped=())) == ()
