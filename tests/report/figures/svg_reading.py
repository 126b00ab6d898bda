"""Reading figures back: what is in an SVG, in pixels."""

from __future__ import annotations

import re
from collections.abc import Sequence
from xml.etree import ElementTree

import numpy as np

NAMESPACE = "{http://www.w3.org/2000/svg}"
Point = tuple[float, float]


def texts(svg: str) -> list[str]:
    """All texts of a figure, in the order of drawing."""
    return [found.text or "" for found in ElementTree.fromstring(svg).iter(f"{NAMESPACE}text")]


def outlines(svg: str, colour: str, paint: str = "stroke") -> list[list[Point]]:
    """The corners of everything drawn in a colour."""
    paths = ElementTree.fromstring(svg).iter(f"{NAMESPACE}path")
    found = [path.attrib["d"] for path in paths if f"{paint}: {colour}" in path.attrib.get("style", "")]
    return [[(float(x), float(y)) for x, y in re.findall(r"[ML] (\S+) (\S+)", path)] for path in found]


def marks(svg: str, colour: str) -> list[Point]:
    """Where marks of a colour stand."""
    uses = ElementTree.fromstring(svg).iter(f"{NAMESPACE}use")
    return [
        (float(use.attrib["x"]), float(use.attrib["y"]))
        for use in uses
        if f"fill: {colour}" in use.attrib.get("style", "")
    ]


def areas(svg: str, colour: str) -> list[list[Point]]:
    """The corners of everything that is shaded in a colour."""
    elements = list(ElementTree.fromstring(svg).iter())
    shapes = {element.attrib.get("id"): element.attrib.get("d", "") for element in elements}
    found = []
    for use in elements:
        style = use.attrib.get("style", "")
        if use.tag == f"{NAMESPACE}use" and f"fill: {colour}" in style and "fill-opacity" in style:
            corners = re.findall(r"[ML] (\S+) (\S+)", shapes[use.attrib["href"][1:]])
            left, down = float(use.attrib["x"]), float(use.attrib["y"])
            found.append([(left + float(x), down + float(y)) for x, y in corners])
    return found


def are_on_one_scale(values: Sequence[float], pixels: Sequence[float], *, falling: bool = False) -> bool:
    """Whether pixels are a straight line of the values; coordinates are written to a hundredth of a pixel."""
    assert len(values) == len(pixels) > 2, (len(values), len(pixels))
    slope, start = np.polyfit(values, pixels, 1)
    return bool((slope < 0) == falling and np.abs(slope * np.asarray(values) + start - pixels).max() < 0.011)
