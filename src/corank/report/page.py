"""The page: what was found, told from the plain words at the top down to where the numbers come from.

One HTML file holds everything, styles and figures too, and forbids the browser every request, so that it can be
sent to a colleague as it is. It follows the reader's light or dark setting, narrows to a phone and prints. One script
sorts tables, allowed by its hash alone; without it the page lacks nothing else.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from corank.errors import InputError
from corank.report import palette
from corank.report.figures.figure import Figure
from corank.report.format import cell, is_missing, order_key
from corank.report.table import Table

PAGE = "index.html"


@dataclass(frozen=True)
class Section:
    """A part of the page under its own heading: text, then code, tables and figures.

    Attributes:
        title: the heading.
        text: paragraphs.
        tables: shown after the text and the code.
        figures: shown after the tables.
        left_out: what the section does not show, as (what, why), listed last.
        code: lines to copy, shown after the text as they stand.

    Example:
        >>> Section("Where it can be cut?").anchor
        'section-where-it-can-be-cut'
        >>> Section("Cuts", left_out=(("cut at conv2", "no time"), ("cut at conv3", "no time"))).reasons
        {'no time': ('cut at conv2', 'cut at conv3')}
    """

    title: str
    text: tuple[str, ...] = ()
    tables: tuple[Table, ...] = ()
    figures: tuple[Figure, ...] = ()
    left_out: tuple[tuple[str, str], ...] = ()
    code: str = ""

    @property
    def anchor(self) -> str:
        """The id on the page that the title gives."""
        return "-".join(["section", *re.findall(r"[a-z0-9]+", self.title.lower())])

    @property
    def reasons(self) -> dict[str, tuple[str, ...]]:
        """What was left out by its reason, each reason once."""
        grouped: dict[str, tuple[str, ...]] = {}
        for what, why in self.left_out:
            grouped[why] = (*grouped.get(why, ()), what)
        return grouped


@dataclass(frozen=True)
class Page:
    """Everything that the page says.

    Attributes:
        title: the one main heading.
        subtitle: a line below it.
        summary: what was found, one plain sentence a finding.
        facts: the big numbers as (label, value).
        sections: in the order of reading.
        provenance: where the numbers come from (data, seed, versions, machine), by label.

    Raises:
        InputError: an empty title, or two figures of one name, which would be one file.

    Example:
        >>> page = Page("Digits", summary=("Seven layers were measured.",), facts=(("layers", 7),))
        >>> "<h1>Digits</h1>" in render(page)
        True
    """

    title: str
    subtitle: str = ""
    summary: tuple[str, ...] = ()
    facts: tuple[tuple[str, Any], ...] = ()
    sections: tuple[Section, ...] = ()
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.title.strip():
            raise InputError(f"a page needs a title, got {self.title!r}")
        name, times = next(iter(Counter(figure.name for figure in self.figures).most_common(1)), ("", 0))
        if times > 1:
            raise InputError(f"figures of a page need different names, got {name!r} {times} times")

    @property
    def figures(self) -> tuple[Figure, ...]:
        """The figures of all sections."""
        return tuple(figure for section in self.sections for figure in section.figures)

    @property
    def anchors(self) -> tuple[str, ...]:
        """The ids of the sections; those of equal titles are numbered.

        Example:
            >>> Page("Digits", sections=(Section("Layers"), Section("Cuts"), Section("Layers!"))).anchors
            ('section-layers', 'section-cuts', 'section-layers-2')
        """
        taken: list[str] = []
        for section in self.sections:
            names = (section.anchor, *(f"{section.anchor}-{number}" for number in range(2, len(self.sections) + 1)))
            taken.append(next(name for name in names if name not in taken))
        return tuple(taken)

    @property
    def is_sortable(self) -> bool:
        """Whether it has a table with rows to sort."""
        return any(table.is_sortable for section in self.sections for table in section.tables)


def render(page: Page) -> str:
    """The page as one HTML document; all text is escaped, only the figures' SVG stands as it is."""
    environment = Environment(
        loader=PackageLoader("corank.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["cell"] = cell
    environment.filters["sort_value"] = _sort_value
    environment.tests["missing"] = is_missing
    script = files("corank.report").joinpath("templates", "sort.js").read_text(encoding="utf-8")
    return environment.get_template("page.html.j2").render(
        page=page, palette=palette, script=script, script_hash=_hash(script)
    )


def _sort_value(value: object) -> str | None:
    """What a script compares quantities by, as JavaScript reads numbers; None for other values."""
    key = order_key(value)
    return None if key is None else repr(key).replace("inf", "Infinity")


def _hash(script: str) -> str:
    """The name under which a Content-Security-Policy allows this script and no other."""
    return "sha256-" + base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def write_page(page: Page, folder: Path) -> Path:
    """Write `index.html` and `figures/<name>.svg` into a folder, which is made where it is missing.

    The page comes last and through a temporary file, so that no half page is ever seen.

    Returns:
        The path of `index.html`.

    Raises:
        InputError: the folder cannot be written.
    """
    index, aside = folder / PAGE, folder / f"{PAGE}.part"
    try:
        (folder / "figures").mkdir(parents=True, exist_ok=True)
        for figure in page.figures:
            (folder / "figures" / f"{figure.name}.svg").write_text(figure.svg, encoding="utf-8")
        aside.write_text(render(page), encoding="utf-8")
        aside.replace(index)
    except OSError as error:
        raise InputError(f"the page needs a folder that can be written, got {str(folder)!r}: {error}") from error
    return index
