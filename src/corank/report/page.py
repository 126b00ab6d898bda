"""The page: what was found, told from the plain words at the top down to where the numbers come from.

One HTML file holds everything, styles and figures too, and forbids the browser every request, so that it can be
sent to a colleague as it is. It follows the reader's light or dark setting, narrows to a phone and prints.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from corank.errors import InputError
from corank.report import palette
from corank.report.figures.figure import Figure
from corank.report.format import cell
from corank.report.table import Table


@dataclass(frozen=True)
class Section:
    """A part of the page under its own heading: text, then tables, then figures.

    Attributes:
        title: the heading.
        text: paragraphs.
        tables: shown after the text.
        figures: shown after the tables.
    """

    title: str
    text: tuple[str, ...] = ()
    tables: tuple[Table, ...] = ()
    figures: tuple[Figure, ...] = ()


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
    return environment.get_template("page.html.j2").render(page=page, palette=palette)


def write_page(page: Page, folder: Path) -> Path:
    """Write `index.html` and `figures/<name>.svg` into a folder, which is made where it is missing.

    Returns:
        The path of `index.html`.

    Raises:
        InputError: the folder cannot be written.
    """
    index = folder / "index.html"
    try:
        (folder / "figures").mkdir(parents=True, exist_ok=True)
        for figure in page.figures:
            (folder / "figures" / f"{figure.name}.svg").write_text(figure.svg, encoding="utf-8")
        index.write_text(render(page), encoding="utf-8")
    except OSError as error:
        raise InputError(f"the page needs a folder that can be written, got {str(folder)!r}: {error}") from error
    return index
