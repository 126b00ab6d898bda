from __future__ import annotations

import re

import numpy as np
import pytest

from corank.report.figures.reduced_errors import reduced_errors
from corank.report.palette import ACCENT, MUTED, SECOND
from tests.report.conftest import make_reduction
from tests.report.figures.svg_reading import are_on_one_scale, marks, texts


def diamonds(svg: str) -> list[float]:
    """The horizontal places of the open marks."""
    uses = [use for use in re.findall(r"<use [^>]*>", svg) if f"stroke: {SECOND.light}" in use]
    return [float(re.findall(r' x="(\S+)"', use)[0]) for use in uses]


@pytest.mark.parametrize("narrow", [False, True])
def test_errors_and_bounds_are_on_one_logarithmic_scale(narrow: bool) -> None:
    result = make_reduction(3)
    figure = reduced_errors(result)
    assert figure is not None
    svg = figure.svg_narrow if narrow else figure.svg
    ends = [x for x, _ in marks(svg, MUTED.light)][:6]
    dots = [x for x, _ in marks(svg, ACCENT.light)][:3]
    errors = [
        *(error for layer in result.layers for error in (layer.projection_error, layer.bound)),
        *(layer.interpolation_error for layer in result.layers),
        *(layer.propagated_error for layer in result.layers),
    ]
    assert are_on_one_scale(np.log10(errors), [*ends, *dots, *diamonds(svg)[:3]])


def test_without_held_out_samples_there_is_no_figure() -> None:
    assert reduced_errors(make_reduction(held_out=0)) is None


def test_an_error_below_the_scale_stands_at_its_edge_and_is_explained() -> None:
    figure = reduced_errors(make_reduction(known=False))
    assert figure is not None
    assert "left edge" not in reduced_errors(make_reduction()).caption  # type: ignore[union-attr]
    assert "left edge" in figure.caption
    places = [x for x, _ in marks(figure.svg, ACCENT.light)][:4]
    assert np.ptp(places) < 0.011
    assert {"features.0", "features.3"} <= set(texts(figure.svg))
