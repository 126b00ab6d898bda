"""The printed numbers of a paper's table, as they stand there, with how near one must come and why.

They are kept as the very text that was printed ("2.12", "1/3"), so that the digits of the print are known and that each
can be found in the paper again.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

from corank.result import Scalar

DIGITS = "digits"
ROUNDING = 1e-9  # of a binary fraction against a decimal one


@dataclass(frozen=True, kw_only=True)
class Tolerance:
    """How near a number must come to the printed one.

    Attributes:
        within: a distance in the column's unit; `"digits"` is half a unit of the last printed digit.
        share: a distance as a share of the printed number, added to `within`.
        reason: why so much.
    """

    within: float | str
    reason: str
    share: float = 0.0

    @property
    def is_exact(self) -> bool:
        """Whether it allows for nothing but the rounding of the print."""
        return self.within == DIGITS

    @property
    def words(self) -> str:
        """How near, in words.

        Example:
            >>> Tolerance(within="digits", reason="").words, Tolerance(within=2.0, share=0.1, reason="").words
            ('to the last printed digit', 'within 2 and 10 % of the printed number')
        """
        if self.is_exact:
            return "to the last printed digit"
        parts = [f"{self.within:g}"] * bool(self.within) + [f"{100 * self.share:g} % of the printed number"] * bool(
            self.share
        )
        return f"within {' and '.join(parts)}"

    def allowed(self, printed: str) -> float:
        """The distance that is allowed from a printed number.

        Example:
            >>> round(Tolerance(within="digits", reason="").allowed("2.12"), 6)
            0.005
            >>> Tolerance(within=2.0, share=0.1, reason="").allowed("50")
            7.0
        """
        if self.is_exact:
            exponent = Decimal(printed).as_tuple().exponent
            assert isinstance(exponent, int)
            return 0.5 * 10.0**exponent + ROUNDING
        return float(self.within) + self.share * abs(number_of(printed))


@dataclass(frozen=True, kw_only=True)
class Number:
    """One printed number.

    Attributes:
        axes: of its cell.
        column: which number of the cell it is.
        printed: as it stands in the paper.
        tolerance: how near one must come.
        note: what is known to be wrong with it, "" where nothing is.
    """

    axes: Mapping[str, Scalar]
    column: str
    printed: str
    tolerance: Tolerance
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Quoted:
    """What a paper prints of another one's method, which no cell computes.

    Attributes:
        name: of the method.
        numbers: as they stand in the paper, by column.
    """

    name: str
    numbers: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Printed:
    """The printed numbers of one table.

    Attributes:
        paper: authors, year and title.
        text: the name of the file with the paper's text, without its ending.
        place: the table and its page.
        begins, ends: the words in the text between which the numbers stand.
        differs: what cannot be as in the paper, whatever the preset.
        numbers: all of them that cells compute.
        quoted: those of others' methods, to set beside them.
    """

    paper: str
    text: str
    place: str
    begins: str
    ends: str
    differs: tuple[str, ...]
    numbers: tuple[Number, ...]
    quoted: tuple[Quoted, ...] = ()


def number_of(printed: str) -> float:
    """The value of a printed number, which may be a fraction.

    Example:
        >>> number_of("2.12"), number_of("1/4"), number_of("-0.10")
        (2.12, 0.25, -0.1)
    """
    return float(Fraction(printed))


def read_printed(file: Path) -> Printed:
    """The printed numbers in a TOML file.

    It has `[[cell]]` with its axes and numbers, and `[[tolerance]]` and `[[note]]` for columns, of all cells or of
    those with the axes that it names; `[[quoted]]` has a name and numbers.
    """
    told = tomllib.loads(file.read_text())
    numbers = [
        Number(
            axes=cell["axes"],
            column=column,
            printed=printed,
            tolerance=_tolerance(told["tolerance"], cell["axes"], column),
            note=" ".join(note["says"] for note in told.get("note", []) if _is_about(note, cell["axes"], column)),
        )
        for cell in told.get("cell", [])
        for column, printed in cell.items()
        if column != "axes"
    ]
    return Printed(
        paper=told["paper"],
        text=told["text"],
        place=told["place"],
        begins=told["begins"],
        ends=told["ends"],
        differs=tuple(told.get("differs", [])),
        numbers=tuple(numbers),
        quoted=tuple(
            Quoted(name=entry["name"], numbers={column: text for column, text in entry.items() if column != "name"})
            for entry in told.get("quoted", [])
        ),
    )


def _tolerance(entries: list[dict[str, Any]], axes: Mapping[str, Scalar], column: str) -> Tolerance:
    """The first entry that is about a number."""
    entry = next(entry for entry in entries if _is_about(entry, axes, column))
    return Tolerance(within=entry["within"], share=entry.get("share", 0.0), reason=entry["reason"])


def _is_about(entry: Mapping[str, Any], axes: Mapping[str, Scalar], column: str) -> bool:
    said = entry.get("axes", {})
    return column in entry["columns"] and all(axes.get(name) == value for name, value in said.items())
