from __future__ import annotations

import math

import numpy as np

from corank.report.figures.information_plane import information_plane
from corank.report.palette import TRACK, depth_colours
from tests.report.conftest import make_information
from tests.report.figures.svg_reading import are_on_one_scale, marks, outlines, texts


def middles(result) -> np.ndarray:
    return np.array([((x.input.low + x.input.high) / 2, (x.label.low + x.label.high) / 2) for x in result.layers])


def test_dots_are_between_the_bounds_and_the_shade_begins_at_the_log_of_half_the_samples() -> None:
    result = make_information(layers=4)
    figure = information_plane(result)
    for svg in (figure.svg, figure.svg_narrow):
        drawn = np.array([marks(svg, colour.light)[0] for colour in depth_colours(4)])
        start = min(x for x, _ in outlines(svg, TRACK.light, "fill")[0])
        known = middles(result)
        assert are_on_one_scale([*known[:, 0], math.log(500)], [*drawn[:, 0], start])
        assert are_on_one_scale(known[:, 1], drawn[:, 1], falling=True)
        assert "saturated" in texts(svg)


def test_crosses_span_the_bounds() -> None:
    result = make_information(layers=3)
    svg = information_plane(result).svg
    ends, values = [], []
    for layer, colour in zip(result.layers, depth_colours(3), strict=True):
        (left, _), (right, _) = next(line for line in outlines(svg, colour.light) if len(line) == 2)
        ends += [left, right]
        values += [layer.input.low, layer.input.high]
    assert are_on_one_scale(values, ends)


def test_the_saturated_layers_are_counted() -> None:
    result = make_information(layers=6)
    saturated = sum(layer.input.high > math.log(500) for layer in result.layers)
    assert 0 < saturated < 6
    assert f"({saturated} of 6 layers)" in information_plane(result).caption


def test_unknown_bounds_leave_no_mark() -> None:
    svg = information_plane(make_information(layers=2, known=False)).svg
    assert [marks(svg, colour.light) for colour in depth_colours(2)] == [[], []]
