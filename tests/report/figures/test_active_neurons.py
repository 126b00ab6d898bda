from __future__ import annotations

import math
from itertools import pairwise

import pytest

from corank.report.figures.active_neurons import active_neurons
from corank.report.palette import ACCENT, SECOND, TRACK
from corank.result import Interval
from tests.report.figures.svg_reading import marks, outlines, texts


def scale(svg: str, width: int) -> tuple[float, float]:
    """Pixels a decade and the pixel of 1, from the grey bar, which ends at the width and begins at 0.8."""
    bar = next(line for line in outlines(svg, TRACK.light) if len(line) == 2)
    decade = (bar[1][0] - bar[0][0]) / (math.log10(width) - math.log10(0.8))
    return decade, bar[1][0] - decade * math.log10(width)


def test_ranges_begin_and_end_at_their_counts(measured) -> None:
    figure = active_neurons(measured(layers=1, width=2048, energy=Interval(12, 150), norm=Interval(7, 7)))
    decade, start = scale(figure.svg, 2048)
    energy = [x for x, _ in marks(figure.svg, ACCENT.light)][:2]
    assert energy == pytest.approx([start + decade * math.log10(count) for count in (12, 150)], abs=0.05)
    assert marks(figure.svg, SECOND.light)[0][0] == pytest.approx(start + decade * math.log10(7), abs=0.05)


def test_an_open_range_reaches_to_the_width(measured) -> None:
    figure = active_neurons(measured(layers=1, width=512, energy=Interval(12, None)))
    decade, start = scale(figure.svg, 512)
    energy = [x for x, _ in marks(figure.svg, ACCENT.light)][:2]
    assert energy == pytest.approx([start + decade * math.log10(count) for count in (12, 512)], abs=0.05)


def test_all_sixty_layers_have_a_row_of_their_own(measured) -> None:
    figure = active_neurons(measured(layers=60, directions=3, name="encoder.layers.{}.attention.out_proj"))
    for svg in (figure.svg, figure.svg_narrow):
        assert {str(place) for place in range(60)} <= {text.strip("…").partition(".")[0] for text in texts(svg)}
        rows = sorted({line[0][1] for line in outlines(svg, TRACK.light) if len(line) == 2})[-60:]
        assert min(after - before for before, after in pairwise(rows)) > 12  # a line of small type
