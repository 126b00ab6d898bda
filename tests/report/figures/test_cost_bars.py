from __future__ import annotations

import pytest

from corank.errors import InputError
from corank.report import Tradeoff, cost_bars
from corank.report.palette import ACCENT, MUTED
from tests.report.figures.svg_reading import outlines, texts

BASE = Tradeoff(name="original", accuracy=0.99, multiply_adds=4_000, storage_bytes=8_000, latency_ms=2.0)
CUT = Tradeoff(name="cut", accuracy=0.98, multiply_adds=1_000, storage_bytes=6_000, latency_ms=3.0)


def lengths(svg: str, colour: str) -> list[float]:
    """Of the bars from panel to panel."""
    return [max(x for x, _ in bar) - min(x for x, _ in bar) for bar in outlines(svg, colour, "fill") if len(bar) == 4]


def test_bars_are_as_long_as_the_costs() -> None:
    figure = cost_bars([CUT], BASE)
    for svg in (figure.svg, figure.svg_narrow):
        shares = [cut / base for cut, base in zip(lengths(svg, ACCENT.light), lengths(svg, MUTED.light), strict=True)]
        assert shares == pytest.approx([0.75, 0.25, 1.5], abs=0.001)  # storage, multiply-adds, latency
        assert {"original", "cut", "3.00\u00a0ms (150\u00a0%)"} <= set(texts(svg))


def test_what_was_not_measured_is_said() -> None:
    unmeasured = Tradeoff(name="cut", accuracy=0.98, multiply_adds=1_000, storage_bytes=6_000)
    shown = texts(cost_bars([unmeasured], BASE).svg)
    assert shown.count("not measured") == 1


def test_an_original_without_cost_has_no_shares() -> None:
    free = Tradeoff(name="original", accuracy=0.5, multiply_adds=0, storage_bytes=0)
    assert not any("%" in text for text in texts(cost_bars([CUT], free).svg))


def test_a_figure_without_cuts_is_refused() -> None:
    with pytest.raises(InputError, match="at least one smaller network, got 0"):
        cost_bars([], BASE)
