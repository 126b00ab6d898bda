"""From a matplotlib drawing to SVG that can stand in a page: the same drawing gives the same text, byte for byte.

Every id carries the figure's own, so that several figures share a page. Colours of the palette get their
counterpart for dark screens; text stays text, in the reader's own font.
"""

from __future__ import annotations

import io
import re
import warnings
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

import matplotlib
from matplotlib.figure import Figure as Drawing

from corank.report.palette import DARK

FONTS = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', 'DejaVu Sans', sans-serif"
_COLOUR = re.compile(r"\b(fill|stroke): (#[0-9a-f]{6})")
_FONT_FAMILY = re.compile(r"font-family: [^;]*;? ?")
_LONG_NUMBER = re.compile(r"-?\d+\.\d{3,}")
_REFERENCE = re.compile(r"url\(#")
_NUMBERS = ("d", "x", "y", "width", "height", "transform", "style")


def svg_text(drawing: Drawing, ident: str, alt: str) -> str:
    """The SVG document of a drawing.

    Args:
        drawing: what was drawn; colours outside the palette stay as they are in the dark.
        ident: the id of the root; every other id begins with it.
        alt: what the picture shows, for those who cannot see it.
    """
    root = ElementTree.fromstring(_matplotlib_svg(drawing))
    used = sorted({colour for element in root.iter() for colour in _clean(element, ident)})
    for definitions in root.findall("defs"):
        for leaking in definitions.findall("style"):  # matplotlib's rule for `*` would reach the whole page
            definitions.remove(leaking)
    box = root.attrib["viewBox"]
    _, _, width, height = box.split()
    root.attrib.clear()
    root.attrib |= {"xmlns": "http://www.w3.org/2000/svg", "id": ident, "role": "img", "aria-label": alt}
    root.attrib |= {"viewBox": box, "width": width, "height": height}
    style = Element("style")
    style.text = _style(ident, used)
    root.insert(0, style)
    return ElementTree.tostring(root, encoding="unicode")


def _matplotlib_svg(drawing: Drawing) -> bytes:
    """What matplotlib writes, with nothing in it of the day or of chance."""
    buffer = io.BytesIO()
    nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "corank"}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing")  # the reader's fonts draw it
        drawing.savefig(buffer, format="svg", transparent=True, metadata=nothing)
    return buffer.getvalue()


def _clean(element: Element, ident: str) -> set[str]:
    """Drop name spaces and needless digits, make ids unique; return the palette's colours that are used."""
    element.tag = element.tag.partition("}")[2]
    element.tail = None
    if element.tag != "text":
        element.text = None
    if element.tag == "image":  # nothing refers to it, and equal pictures have equal ids
        element.attrib.pop("id", None)
    for key, value in list(element.attrib.items()):
        del element.attrib[key]
        name = key.partition("}")[2] if key.startswith("{") else key
        if name in _NUMBERS:
            value = _LONG_NUMBER.sub(lambda match: f"{float(match[0]):.2f}", " ".join(value.split()))
        if name == "id":
            value = f"{ident}.{value}"
        elif name == "href" and value.startswith("#"):  # a picture brings its pixels with it
            value = f"#{ident}.{value[1:]}"
        element.attrib[name] = _REFERENCE.sub(f"url(#{ident}.", value)
    style = element.attrib.get("style", "")
    used = {colour for _, colour in _COLOUR.findall(style) if colour in DARK}
    if style:
        element.attrib["style"] = _COLOUR.sub(_with_variable, _FONT_FAMILY.sub("", style))
    return used


def _with_variable(match: re.Match[str]) -> str:
    """The colour twice: for viewers without variables, and as the variable."""
    name, colour = match.groups()
    return f"{name}: {colour}; {name}: var(--{colour[1:]}, {colour})" if colour in DARK else match[0]


def _style(ident: str, used: list[str]) -> str:
    dark = "".join(f"--{colour[1:]}:{DARK[colour]};" for colour in used)
    return (
        f"#{ident}{{font-family:{FONTS};stroke-linejoin:round}}"
        f"@media screen and (prefers-color-scheme:dark){{#{ident}{{{dark}}}}}"
    )
