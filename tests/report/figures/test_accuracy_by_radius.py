from __future__ import annotations

import pytest

from corank.report.figures import accuracy_by_radius
from corank.report.palette import ACCENT, depth_colours
from tests.report.conftest import make_evaluation
from tests.report.figures.svg_reading import are_on_one_scale, areas, marks, outlines, texts


@pytest.mark.parametrize("narrow", [False, True])
def test_lines_go_from_clean_accuracy_through_each_radius(narrow: bool) -> None:
    result = make_evaluation(attacks=2, radii=4, audited=False)
    figure = accuracy_by_radius(result)
    svg = figure.svg_narrow if narrow else figure.svg
    clean, radii = result.of("clean"), [0.0, *result.radii]
    worst = next(line for line in outlines(svg, ACCENT.light) if len(line) == 5)
    lines = [worst] + [next(line for line in outlines(svg, colour.light) if len(line) == 5)
                       for colour in depth_colours(3)[1:]]  # fmt: skip
    drawn = [(x, y) for line in lines for x, y in line]
    rows = [row for attack in ("worst", "attack 0", "attack 1") for row in (*clean, *result.of(attack))]
    assert are_on_one_scale([row.accuracy for row in rows], [y for _, y in drawn], falling=True)
    assert are_on_one_scale(radii * 3, [x for x, _ in drawn])


def test_the_band_is_the_interval_of_the_worst_case() -> None:
    result = make_evaluation(radii=3)
    svg = accuracy_by_radius(result).svg
    (band,) = areas(svg, ACCENT.light)
    worst = next(line for line in outlines(svg, ACCENT.light) if len(line) == 4)
    scale = (worst[-1][1] - worst[0][1]) / (result.of("worst")[-1].accuracy - 0.9)
    expected = worst[0][1] + scale * (result.of("worst")[0].low - 0.9)
    assert min(abs(y - expected) for _, y in band) < 0.02


def test_an_attack_of_one_radius_is_a_point_there() -> None:
    result = make_evaluation(attacks=2, radii=3)
    svg = accuracy_by_radius(result).svg
    colour = depth_colours(4)[3].light
    point, _ = sorted(marks(svg, colour), key=lambda mark: -mark[1])  # that of the legend stands above
    worst = next(line for line in outlines(svg, ACCENT.light) if len(line) == 4)
    assert point[0] == pytest.approx(worst[1][0], abs=0.02)


def test_every_attack_is_named() -> None:
    named = texts(accuracy_by_radius(make_evaluation(attacks=5)).svg)
    assert {"worst case", "audit", *(f"attack {place}" for place in range(5))} <= set(named)
    assert "obust" not in accuracy_by_radius(make_evaluation()).caption
