from __future__ import annotations

from dataclasses import replace

import pytest

from corank.report.figures.probes import probes
from corank.report.palette import ACCENT, INK, MUTED, SECOND
from tests.report.conftest import make_probes
from tests.report.figures.svg_reading import are_on_one_scale, marks, outlines


def test_marks_and_levels_stand_at_the_accuracies() -> None:
    result = make_probes(layers=4)
    figure = probes(result)
    for svg in (figure.svg, figure.svg_narrow):
        drawn = [x for colour in (INK, ACCENT, SECOND) for x, _ in marks(svg, colour.light)[:4]]
        values = [getattr(layer, kind) for kind in ("all_features", "active", "principal") for layer in result.layers]
        network, chance = (line for line in outlines(svg, MUTED.light)[:2])
        assert are_on_one_scale([*values, 0.93, 0.11], [*drawn, network[0][0], chance[0][0]])


def test_a_level_follows_its_layer() -> None:
    result = make_probes(layers=2)
    changed = replace(result, layers=(result.layers[0], replace(result.layers[1], network=0.5)))
    line = outlines(probes(changed).svg, MUTED.light)[0]
    assert line[0][0] - line[-1][0] == pytest.approx(0.43 / 0.93 * (line[0][0] - marks_at_zero(changed)), abs=0.02)


def marks_at_zero(result) -> float:
    """The pixel of an accuracy of nothing."""
    nothing = replace(result, layers=tuple(replace(layer, principal=0.0) for layer in result.layers))
    return marks(probes(nothing).svg, SECOND.light)[0][0]


def test_unknown_accuracies_leave_gaps() -> None:
    svg = probes(make_probes(layers=4, known=False)).svg
    counts = [len(marks(svg, colour.light)) - 1 for colour in (INK, ACCENT, SECOND)]  # without the legend's
    assert counts == [0, 2, 4]


def test_the_caption_says_how_many_directions() -> None:
    result = make_probes(layers=2)
    assert "at most 10 directions" in probes(result).caption
    fewer = replace(result, layers=(result.layers[0], replace(result.layers[1], rank=3)))
    assert "at most 10 directions" in probes(fewer).caption
