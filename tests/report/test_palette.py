from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from corank.report.palette import ACCENT, CLASSES, DARK, INK, MUTED, PAPER, SECOND, depth_colours

# Machado, Oliveira and Fernandes 2009, A Physiologically-based Model for Simulation of Color Vision Deficiency,
# table 1, severity 1: of linear red, green and blue.
SIGHTS = {
    "full": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}
TO_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])


def lab(colour: str, sight: str) -> np.ndarray:
    """A colour as it is seen, in CIE 1976 L*a*b*, where a distance of about 2.3 is just noticed."""
    channels = np.array([int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)])
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    xyz = TO_XYZ @ np.clip(np.array(SIGHTS[sight]) @ linear, 0, 1) / TO_XYZ.sum(1)
    x, y, z = np.where(xyz > 216 / 24389, np.cbrt(xyz), (24389 / 27 * xyz + 16) / 116)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


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


@pytest.mark.parametrize("side", ["light", "dark"])
def test_classes_stand_out_from_the_background(side: str) -> None:
    # 3 is asked of what is no text.
    assert min(contrast(getattr(colour, side), getattr(PAPER, side)) for colour in CLASSES) >= 3


@pytest.mark.parametrize("side", ["light", "dark"])
@pytest.mark.parametrize("sight", SIGHTS)
def test_classes_stay_apart_in_every_kind_of_sight(side: str, sight: str) -> None:
    seen = [lab(getattr(colour, side), sight) for colour in CLASSES]
    # Eight times what is just noticed, because marks are small and seldom touch those of other classes.
    assert min(np.linalg.norm(one - other) for one, other in combinations(seen, 2)) > 18


@pytest.mark.parametrize("side", ["light", "dark"])
@pytest.mark.parametrize("sight", SIGHTS)
def test_the_two_series_and_the_ink_stay_apart_in_every_kind_of_sight(side: str, sight: str) -> None:
    seen = [lab(getattr(colour, side), sight) for colour in (ACCENT, SECOND, INK)]
    assert min(np.linalg.norm(one - other) for one, other in combinations(seen, 2)) > 18


def test_every_colour_has_one_counterpart() -> None:
    assert all(DARK[colour.light] == colour.dark for colour in (*CLASSES, INK, MUTED, PAPER, ACCENT, SECOND))
