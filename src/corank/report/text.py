"""A table for the terminal, with the same texts as on the page."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from rich import box
from rich.table import Table as RichTable
from rich.text import Text

from corank.report.table import Column, Table


def table_text(columns: Sequence[Column], rows: Iterable[Sequence[Any]], caption: str = "") -> RichTable:
    """A table that `rich` prints; quantities to the right, reasons of missing values below.

    Args:
        columns: from left to right.
        rows: one value a column.
        caption: shown below the table.

    Raises:
        InputError: a row with more or fewer values than columns.

    Example:
        >>> from rich.console import Console
        >>> from corank.report.format import Missing
        >>> table = table_text([Column("layer"), Column("width")], [("conv1", 2048), ("fc", Missing("not measured"))])
        >>> Console(width=40, color_system=None).print(table)
         layer   width
        ───────────────
         conv1   2,048
         fc       – [1]
        [1] not measured
    """
    table = Table(tuple(columns), tuple(tuple(row) for row in rows), caption)
    notes = [f"[{place}] {reason}" for place, reason in enumerate(table.reasons, start=1)]
    below = "\n".join([*([caption] if caption else []), *notes])
    shown = RichTable(
        box=box.SIMPLE_HEAD, show_edge=False, caption=Text(below) if below else None, caption_justify="left"
    )
    for place, column in enumerate(table.columns):
        shown.add_column(Text(column.title), justify="right" if table.is_numeric(place) else "left")
    for row in table.rows:
        shown.add_row(*(Text(_cell(table, column, value)) for column, value in zip(table.columns, row, strict=True)))
    return shown


def _cell(table: Table, column: Column, value: object) -> str:
    footnote = table.footnote(value)
    return column.text(value) if footnote is None else f"{column.text(value)} [{footnote}]"
