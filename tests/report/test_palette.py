from __future__ import annotations

import pytest

from corank.report.palette import ACCENT, DARK, INK, MUTED, PAPER, SECOND, depth_colours


def contrast(one: str, other: str) -> float:
    """The contrast of two colours by the Web Content Accessibility Guidelines 2.2."""

    def luminance(colour: str) -> float:
        channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("side", ["light", "dark"])
def test_everything_stands_out_from_the_background(side: str) -> None:
    paper = getattr(PAPER, side)
    # 4.5 is asked of text: the lines' colours name them too.
    for colour in (INK, MUTED, ACCENT, SECOND, *depth_colours(60)):
        assert contrast(getattr(colour, side), paper) >= 4.5


@pytest.mark.parametrize("count", [1, 2, 7, 60])
def test_every_layer_has_its_own_colour_and_a_counterpart(count: int) -> None:
    colours = depth_colours(count)
    assert len({colour.light for colour in colours}) == count
    assert all(DARK[colour.light] != colour.light for colour in colours)
