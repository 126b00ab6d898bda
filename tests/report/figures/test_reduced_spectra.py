from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from corank.compress import RONetwork
from corank.report.figures.reduced_spectra import reduced_spectra
from corank.report.palette import depth_colours
from tests.report.conftest import make_reduction
from tests.report.figures.svg_reading import Point, marks, outlines, texts


def lines(svg: str, result: RONetwork) -> list[list[Point]]:
    """The line of every layer, each longer than any other outline of its colour."""
    return [max(outlines(svg, colour.light), key=len) for colour in depth_colours(len(result.layers))]


@pytest.mark.parametrize("narrow", [False, True])
def test_lines_are_singular_values_over_the_largest_and_dots_are_ranks(narrow: bool) -> None:
    result = make_reduction(3)
    figure = reduced_spectra(result)
    svg = figure.svg_narrow if narrow else figure.svg
    drawn = lines(svg, result)
    (left, top), (right, _) = drawn[0][0], drawn[0][-1]
    first = result.layers[0].singular_values
    per_decade = (right - left) / np.log10(len(first))
    down = (drawn[0][-1][1] - top) / -np.log10(first[-1] / first[0])
    for layer, line, colour in zip(result.layers, drawn, depth_colours(3), strict=True):
        assert line[0] == pytest.approx((left, top), abs=0.02), "all begin at the first direction with the whole"
        shares = np.array(layer.singular_values) / layer.singular_values[0]
        assert line[-1][0] == pytest.approx(left + per_decade * np.log10(len(shares)), abs=0.05)
        for x, y in line:
            direction = 10 ** ((x - left) / per_decade)
            # A hundredth of a pixel is a ten-thousandth of a direction's logarithm.
            assert direction == pytest.approx(round(direction), rel=1e-3)
            assert y == pytest.approx(top - down * np.log10(shares[round(direction) - 1]), abs=0.05)
        (dot,) = marks(svg, colour.light)
        at_rank = left + per_decade * np.log10(layer.rank), top - down * np.log10(shares[layer.rank - 1])
        assert dot == pytest.approx(at_rank, abs=0.05)


@pytest.mark.parametrize("narrow", [False, True])
def test_seventeen_layers_are_named_each_and_fifty_have_a_scale(narrow: bool) -> None:
    def named(layers: int) -> list[str]:
        figure = reduced_spectra(make_reduction(layers, name="block.{}"))
        svg = figure.svg_narrow if narrow else figure.svg
        return [text for text in texts(svg) if text.startswith("block")]

    assert {f"block.{place}" for place in range(17)} == set(named(17))
    assert len(named(50)) <= 6


def test_names_of_many_layers_stand_apart() -> None:
    figure = reduced_spectra(make_reduction(20, name="block.{}"))
    for svg in (figure.svg, figure.svg_narrow):
        heights = sorted(
            float(text.partition('y="')[2].partition('"')[0]) for text in svg.split("<text")[1:] if ">block" in text
        )
        assert len(heights) == 20
        assert np.diff(heights).min() > 16  # a line of type with its leading


def test_a_rank_whose_singular_value_is_too_small_to_be_drawn_has_no_dot() -> None:
    result = make_reduction(1)
    (layer,) = result.layers
    values = [*layer.singular_values[: layer.rank - 1], *(1e-9 for _ in layer.singular_values[layer.rank - 1 :])]
    figure = reduced_spectra(replace(result, layers=(replace(layer, singular_values=tuple(values)),)))
    assert not marks(figure.svg, depth_colours(1)[0].light)
