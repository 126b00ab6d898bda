from __future__ import annotations

import numpy as np

from corank.report.figures.weight_ranks import weight_ranks
from corank.report.palette import ACCENT, SECOND, TRACK
from tests.report.conftest import make_weights
from tests.report.figures.svg_reading import are_on_one_scale, marks, outlines, texts


def test_ranks_and_the_full_rank_are_on_one_logarithmic_scale() -> None:
    result = make_weights(layers=4)
    figure = weight_ranks(result)
    for svg in (figure.svg, figure.svg_narrow):
        ends = [line[1][0] for line in outlines(svg, TRACK.light) if len(line) == 2][:4]
        drawn = [x for colour in (ACCENT, SECOND) for x, _ in marks(svg, colour.light)[:4]]
        values = [layer.effective_rank for layer in result.layers] + [layer.stable_rank for layer in result.layers]
        full = [min(layer.rows, layer.columns) for layer in result.layers]
        assert are_on_one_scale(np.log10([*full, *values]), [*ends, *drawn])


def test_unknown_ranks_leave_a_gap() -> None:
    svg = weight_ranks(make_weights(layers=2, known=False)).svg
    assert len(marks(svg, ACCENT.light)) == len(marks(svg, SECOND.light)) == 1  # the legend's
    assert {"features.0", "features.1"} <= set(texts(svg))
