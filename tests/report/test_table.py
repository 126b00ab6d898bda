from __future__ import annotations

import pytest

from corank.errors import InputError
from corank.report import Column, Missing, Table
from corank.report.format import MISSING, percent
from corank.result import Interval

COLUMNS = (Column("layer"), Column("width"), Column("accuracy", show=percent))


def test_a_row_must_fit_the_columns() -> None:
    with pytest.raises(InputError, match=r"row 1 must have 3 values.*got 2: \('b', 4\)"):
        Table(COLUMNS, (("a", 1, 0.5), ("b", 4)))


def test_a_table_needs_a_column() -> None:
    with pytest.raises(InputError, match=r"at least one column, got \(\)"):
        Table((), ())


def test_reasons_are_numbered_once_each_in_their_order() -> None:
    table = Table(COLUMNS, (("a", Missing("late"), Missing("never")), ("b", 3, Missing("late"))))
    assert table.reasons == ("late", "never")
    assert [table.footnote(value) for row in table.rows for value in row] == [None, 1, 2, None, None, 1]


def test_quantities_are_told_from_words() -> None:
    rows = (("a", Missing("x"), None), ("b", Interval(1, None), 0.25), (None, 3, 1))
    table = Table(COLUMNS, rows)
    assert [table.is_numeric(place) for place in range(3)] == [False, True, True]
    assert not Table(COLUMNS, ((1, True, None),)).is_numeric(1)
    assert not Table(COLUMNS, ((1, True, None),)).is_numeric(2)


@pytest.mark.parametrize("cell", ["a" * 200, 10**15])
def test_quantities_need_their_whole_width_and_words_wrap(cell: object) -> None:
    width = Table((Column("layer"), Column("a b c d")), (("conv1", cell),)).width_em
    shortest = Table((Column("layer"), Column("a b c d")), (("conv1", 1),)).width_em
    letters = (width - shortest) / 0.66 + 1
    assert letters == pytest.approx(len("1,000,000,000,000,000") if isinstance(cell, int) else 24)


def test_one_row_needs_no_order() -> None:
    assert [Table(COLUMNS, (("a", 1, 0.5),) * rows).is_sortable for rows in range(3)] == [False, False, True]


def test_a_column_never_formats_what_is_missing() -> None:
    assert COLUMNS[2].text(Missing("not run")) == COLUMNS[2].text(float("nan")) == MISSING
