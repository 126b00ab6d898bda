from __future__ import annotations

import numpy as np
import pytest

from corank.report.figures.cushions import cushions
from corank.report.palette import ACCENT, SECOND
from tests.report.conftest import make_cushions
from tests.report.figures.svg_reading import are_on_one_scale, marks, outlines, texts


def test_quantiles_are_on_one_logarithmic_scale() -> None:
    result = make_cushions(layers=3)
    figure = cushions(result)
    for svg in (figure.svg, figure.svg_narrow):
        strips = [[x for x, _ in line] for line in outlines(svg, ACCENT.light) if len(line) == 2][:9]
        quantiles = [layer.quantiles for layer in result.layers]
        values = [of[end] for of in quantiles for end in (0, 6, 1, 5, 2, 4)]  # the thin line first
        least = [x for x, _ in marks(svg, SECOND.light)[:3]]
        drawn = [x for strip in strips for x in strip]
        assert are_on_one_scale(np.log10([*values, *(of[0] for of in quantiles)]), [*drawn, *least])


def test_what_is_too_small_for_the_scale_stands_at_its_edge_and_is_explained() -> None:
    figure = cushions(make_cushions(layers=1, least=0.0))
    assert "triangle" in figure.caption
    assert "triangle" not in cushions(make_cushions()).caption
    least, strip = marks(figure.svg, SECOND.light)[0], outlines(figure.svg, ACCENT.light)[0]
    assert least[0] == pytest.approx(strip[0][0], abs=0.011)


def test_a_layer_that_is_not_known_keeps_its_row() -> None:
    svg = cushions(make_cushions(layers=2, known=False)).svg
    assert len(marks(svg, SECOND.light)) == 1  # the legend's
    assert {"features.0", "features.1"} <= set(texts(svg))
