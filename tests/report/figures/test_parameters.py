from __future__ import annotations

from corank.report.figures.parameters import parameters
from corank.report.palette import ACCENT
from tests.report.conftest import make_weights
from tests.report.figures.svg_reading import are_on_one_scale, outlines, texts


def test_bars_are_as_long_as_the_layers_are_large() -> None:
    result = make_weights(layers=4)
    figure = parameters(result)
    for svg in (figure.svg, figure.svg_narrow):
        bars = [bar for bar in outlines(svg, ACCENT.light, "fill") if len(bar) == 4]
        lengths = [max(x for x, _ in bar) - min(x for x, _ in bar) for bar in bars]
        assert are_on_one_scale([layer.parameters for layer in result.layers], lengths)
        assert "36.9\u00a0k (10.0\u00a0%)" in texts(svg)


def test_the_caption_counts_the_layers_that_hold_half_and_what_is_in_none() -> None:
    # 577 times 64, 128, 192 and 256: the largest alone holds 40 %, with the next one 70 %.
    caption = parameters(make_weights(layers=4, rest=1234)).caption
    assert "Of the 4 layers with a weight matrix 2 hold at least half" in caption
    assert "1,234 more are in layers without a weight matrix" in caption
    assert "more are in" not in parameters(make_weights(rest=0)).caption
    assert "Only one layer" in parameters(make_weights(layers=1)).caption


def test_no_share_above_the_whole_is_on_the_axis() -> None:
    shown = [float(text[:-2]) for text in texts(parameters(make_weights(1, rest=0)).svg) if text.endswith("\u00a0%")]
    assert max(shown) == 100
