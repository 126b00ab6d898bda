from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from corank.report import Figure
from corank.report.figures.class_scatter import MARKERS, PANELS, POINTS, scatter_figure
from corank.report.palette import ACCENT, CLASSES
from tests.report.conftest import scattered
from tests.report.figures.svg_reading import are_on_one_scale, marks, texts


def drawn(layers, **options) -> Figure:
    figure = scatter_figure("cloud", layers, axis="variable", alt="samples in two variables", caption="Told.")
    assert figure is not None
    return figure


def test_points_stand_at_their_variables_in_the_colour_of_their_class() -> None:
    points, labels = scattered(0, classes=3, samples=60)
    figure = drawn([("conv1", points, labels)])
    for svg in (figure.svg, figure.svg_narrow):
        found = [np.array(marks(svg, colour.light)[:20]) for colour in CLASSES[:3]]
        ordered = torch.cat([points[labels == label] for label in range(3)]).numpy()
        pixels = np.concatenate(found)
        assert are_on_one_scale(ordered[:, 0], pixels[:, 0])
        assert are_on_one_scale(ordered[:, 1], pixels[:, 1], falling=True)
        assert {"conv1", "0", "1", "2", "first variable", "second variable"} <= set(texts(svg))


def test_every_class_has_a_marker_of_its_own() -> None:
    assert len(set(MARKERS)) == len(MARKERS) == len(CLASSES) == 10


def test_more_classes_than_can_be_told_apart_look_alike() -> None:
    figure = drawn([("conv1", *scattered(0, classes=11, samples=110))])
    assert len(marks(figure.svg, ACCENT.light)) == 110
    assert not any(marks(figure.svg, colour.light) for colour in CLASSES)
    assert figure.caption == "Told."
    assert "colour and a marker" in drawn([("conv1", *scattered(0, classes=10))]).caption


def test_the_first_the_middle_and_the_last_layer_with_points_are_shown() -> None:
    nothing = torch.zeros(0, 2), torch.zeros(0)
    layers = [(f"conv{place}", *(scattered(place, samples=20) if place else nothing)) for place in range(8)]
    shown = [text for text in texts(drawn(layers).svg) if text.startswith("conv")]
    assert shown == ["conv1", "conv4", "conv7"]
    assert len(shown) == PANELS


def test_points_that_are_not_finite_are_left_out_and_many_thinned() -> None:
    points, labels = scattered(0, classes=1, samples=3 * POINTS)
    assert len(marks(drawn([("a", points, labels)]).svg, ACCENT.light)) == POINTS
    points[:-5, 1] = math.nan
    assert len(marks(drawn([("a", points, labels)]).svg, ACCENT.light)) == 5


@pytest.mark.parametrize("columns", [0, 1])
def test_without_two_variables_there_is_no_figure(columns: int) -> None:
    layers = [("a", torch.zeros(9, columns), torch.zeros(9))]
    assert scatter_figure("cloud", layers, axis="variable", alt="samples in two variables", caption="") is None
