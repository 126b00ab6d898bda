from __future__ import annotations

from corank.report.figures.variance_ratios import variance_ratios
from corank.report.palette import ACCENT, SECOND
from tests.report.conftest import make_activations
from tests.report.figures.svg_reading import are_on_one_scale, marks


def test_marks_stand_at_the_ratios() -> None:
    result = make_activations(layers=3, classes=5)
    figure = variance_ratios(result)
    for svg in (figure.svg, figure.svg_narrow):
        overall = [x for x, _ in marks(svg, ACCENT.light)[:3]]
        by_class = [x for x, _ in marks(svg, SECOND.light)[:15]]
        values = [layer.variance_ratios[0] for layer in result.layers]
        values += [ratio for layer in result.layers for ratio in layer.class_variance_ratios]
        assert are_on_one_scale(values, [*overall, *by_class])


def test_of_many_classes_the_range_and_the_middle_are_marked() -> None:
    figure = variance_ratios(make_activations(layers=2, classes=100))
    assert len(marks(figure.svg, SECOND.light)) == 2 * 3 + 1  # and the legend's
    assert "the least, the middle and the largest" in figure.caption


def test_ratios_that_do_not_exist_leave_a_gap() -> None:
    svg = variance_ratios(make_activations(layers=2, known=False)).svg
    assert len(marks(svg, ACCENT.light)) == len(marks(svg, SECOND.light)) == 1  # the legend's
