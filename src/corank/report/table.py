"""A table: columns that know how their values are written, and rows of plain values.

The page and the terminal show the same texts, because both ask the column.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from corank.errors import InputError
from corank.report.format import MISSING, Missing, cell, is_missing

_LETTER, _BETWEEN = 0.66, 0.9  # em: a letter of common sans-serif fonts, the room between columns
_WRAPPED, _FOOTNOTE = 24, 2  # letters: of words that may wrap, of the sign of a footnote


@dataclass(frozen=True)
class Column:
    r"""One column of a table.

    Attributes:
        title: the head.
        note: what the column means, for a reader who meets it for the first time; shown below the table.
        show: how a value is written, for example `corank.report.format.percent`.

    Example:
        >>> from corank.report.format import percent
        >>> Column("accuracy", show=percent).text(0.981), Column("accuracy", show=percent).text(None)
        ('98.1\xa0%', '–')
    """

    title: str
    note: str = ""
    show: Callable[[Any], str] = cell

    def text(self, value: object) -> str:
        """The value as it is shown; an en dash where there is none."""
        return MISSING if is_missing(value) else self.show(value)


@dataclass(frozen=True)
class Table:
    """Columns, rows and what they are about.

    Attributes:
        columns: from left to right; the first one names the rows.
        rows: one value a column; None, not-a-number or `Missing` where there is none.
        caption: what the table shows.

    Raises:
        InputError: no column, or a row with more or fewer values than columns.

    Example:
        >>> table = Table((Column("layer"), Column("width")), (("conv1", 512), ("fc", Missing("not captured"))))
        >>> table.reasons, table.is_numeric(0), table.is_numeric(1)
        (('not captured',), False, True)
    """

    columns: tuple[Column, ...]
    rows: tuple[tuple[Any, ...], ...]
    caption: str = ""

    def __post_init__(self) -> None:
        if not self.columns:
            raise InputError(f"a table needs at least one column, got {self.columns!r}")
        for place, row in enumerate(self.rows):
            if len(row) != len(self.columns):
                raise InputError(
                    f"row {place} must have {len(self.columns)} values, one a column, got {len(row)}: {row}"
                )

    @property
    def is_sortable(self) -> bool:
        """Whether another order of the rows exists."""
        return len(self.rows) > 1

    @property
    def width_em(self) -> float:
        """How wide it is at least, in units of its type size: quantities stand on one line, heads wrap at spaces.

        Paper does not scroll, so that the page chooses the type size there by this.

        Example:
            >>> narrow, wide = (Table((Column("layer"), Column("width")), (("conv1", n),)) for n in (8, 10**9))
            >>> narrow.width_em < wide.width_em
            True
        """
        return sum(_LETTER * self.letters(place) + _BETWEEN for place in range(len(self.columns)))

    def letters(self, place: int) -> int:
        """The letters of the longest line of a column, as `width_em` counts it."""
        column = self.columns[place]
        lines = [len(column.text(row[place])) + _FOOTNOTE * isinstance(row[place], Missing) for row in self.rows]
        longest = max(lines, default=0)
        head = max(map(len, column.title.split()), default=0)
        return max(head, longest if self.is_numeric(place) else min(longest, _WRAPPED))

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why values are missing, each reason once, in the order of their appearance."""
        return tuple(dict.fromkeys(value.reason for row in self.rows for value in row if isinstance(value, Missing)))

    def footnote(self, value: object) -> int | None:
        """The number of a missing value's reason, None where it has none.

        Example:
            >>> Table((Column("a"),), ((Missing("not run"),), (1,))).footnote(Missing("not run"))
            1
        """
        return self.reasons.index(value.reason) + 1 if isinstance(value, Missing) else None

    def is_numeric(self, place: int) -> bool:
        """Whether a column holds quantities, which are aligned to the right."""
        values = [row[place] for row in self.rows if not is_missing(row[place])]
        return bool(values) and not any(isinstance(value, str | list | tuple | bool) for value in values)
