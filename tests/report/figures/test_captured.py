from __future__ import annotations

import numpy as np

from corank.report.figures.captured import captured
from corank.report.palette import depth_colours
from tests.report.figures.svg_reading import outlines, texts


def test_heights_are_the_captured_shares(measured) -> None:
    result = measured(layers=3, directions=7)
    svg = captured(result).svg
    drawn = [
        next(np.array(line) for line in outlines(svg, colour.light) if len(line) == 7) for colour in depth_colours(3)
    ]
    shares = np.concatenate([layer.captured_heldout_by_rank for layer in result.layers])
    heights = np.concatenate(drawn)[:, 1]
    scale, start = np.polyfit(shares, heights, 1)
    assert scale < 0
    np.testing.assert_allclose(heights, scale * shares + start, atol=0.011)


def test_that_nothing_was_held_out_is_said(measured) -> None:
    figure = captured(measured(held_out=False))
    assert "no samples were held out" in texts(figure.svg)
    assert figure.caption.startswith("No samples were held out")
    assert "1,000 samples" in captured(measured()).caption


def test_the_level_follows_epsilon(measured) -> None:
    assert "95\u00a0%" in captured(measured()).caption
