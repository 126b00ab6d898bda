"""The colours of page and figures: each has a counterpart for a dark background.

Series run by depth through one ramp from blue to orange; both ends and everything between stand out from the
background by a contrast of at least 3 to 1, in light and in dark. Ten classes have colours that stay apart in every
kind of colour blindness too; markers tell them apart without any colour.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise


@dataclass(frozen=True)
class Colour:
    """A colour on a light background and its counterpart on a dark one, as `#rrggbb`."""

    light: str
    dark: str


INK = Colour("#1d2126", "#e7e9ec")
MUTED = Colour("#5b6470", "#a0a9b4")
LINE = Colour("#dfe3e8", "#343b44")
TRACK = Colour("#e9ecf0", "#2a3038")
PAPER = Colour("#fdfdfb", "#15181c")
ACCENT = Colour("#2469b3", "#74b1f3")
SECOND = Colour("#bf5614", "#f0a05f")

_RAMP = (
    ACCENT,
    Colour("#6657b8", "#a99bf5"),
    Colour("#a8408c", "#e388c8"),
    Colour("#c23f4b", "#f58a86"),
    SECOND,
)

CLASSES = (
    Colour("#183c60", "#48a8f0"),
    Colour("#c08418", "#fcd818"),
    Colour("#f024a8", "#fc78a8"),
    Colour("#3c7860", "#307860"),
    Colour("#b46cfc", "#90549c"),
    Colour("#6c0c24", "#d8300c"),
    Colour("#009cc0", "#00fcfc"),
    Colour("#605400", "#90a860"),
    Colour("#6030a8", "#7854e4"),
    Colour("#789054", "#b4fc84"),
)
"""Of classes, which have no order."""


def depth_colours(count: int) -> list[Colour]:
    """The colours of so many layers, from the first to the last.

    Example:
        >>> [colour.light for colour in depth_colours(2)]
        ['#2469b3', '#bf5614']
        >>> len({colour.light for colour in depth_colours(60)})
        60
    """
    return [_STEPS[round(place * (len(_STEPS) - 1) / max(count - 1, 1))] for place in range(count)]


def _on_ramp(position: float) -> Colour:
    """The colour at a position between 0 and 1."""
    stretch = min(int(position * (len(_RAMP) - 1)), len(_RAMP) - 2)
    start, end = list(pairwise(_RAMP))[stretch]
    weight = position * (len(_RAMP) - 1) - stretch
    return Colour(_mixed(start.light, end.light, weight), _mixed(start.dark, end.dark, weight))


def _mixed(start: str, end: str, weight: float) -> str:
    channels = (
        round((1 - weight) * int(start[at : at + 2], 16) + weight * int(end[at : at + 2], 16)) for at in (1, 3, 5)
    )
    return "#" + "".join(f"{channel:02x}" for channel in channels)


_STEPS = [_on_ramp(step / 256) for step in range(257)]
DARK = {colour.light: colour.dark for colour in (*_STEPS, *CLASSES, INK, MUTED, LINE, TRACK, PAPER, ACCENT, SECOND)}
"""The dark counterpart of every colour of the palette."""
