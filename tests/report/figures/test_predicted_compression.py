from __future__ import annotations

import pytest

from corank.errors import InputError
from corank.report.figures.predicted_compression import PredictedCompression, predicted_compression
from corank.report.palette import SECOND
from tests.report.figures.svg_reading import are_on_one_scale, marks, texts

ROWS = [
    PredictedCompression(dimension=7, predicted=0.5, found=0.52, standard_error=0.04),
    PredictedCompression(dimension=12, predicted=0.33, found=0.36, standard_error=0.02),
    PredictedCompression(dimension=17, predicted=0.2, found=0.25),
]


@pytest.mark.parametrize("narrow", [False, True])
def test_means_are_on_one_scale_over_their_dimensions(narrow: bool) -> None:
    figure = predicted_compression(ROWS)
    svg = figure.svg_narrow if narrow else figure.svg
    found = marks(svg, SECOND.light)[-4:-1]  # the last mark is the legend's
    assert are_on_one_scale([row.dimension for row in ROWS], [x for x, _ in found])
    assert are_on_one_scale([row.found for row in ROWS], [y for _, y in found], falling=True)
    assert {"dimension d", "predicted: φ", "trained networks: |cos θ₁|"} <= set(texts(svg))


def test_without_a_dimension_there_is_no_figure() -> None:
    with pytest.raises(InputError, match="at least one dimension"):
        predicted_compression([])
