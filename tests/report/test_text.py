from __future__ import annotations

import pytest
from rich.console import Console

from corank.errors import InputError
from corank.report import Column, Missing, table_text
from corank.report.format import percent


def printed(*arguments) -> list[str]:
    console = Console(width=100, color_system=None)
    with console.capture() as capture:
        console.print(table_text(*arguments))
    return capture.get().splitlines()


def test_the_terminal_shows_what_the_page_shows() -> None:
    columns = [Column("layer"), Column("width"), Column("accuracy", show=percent)]
    lines = printed(columns, [("conv1", 2048, 0.981), ("fc", 10, Missing("not run"))], "Two layers")
    assert lines[2].split() == ["conv1", "2,048", "98.1", "%"]
    assert lines[3].split() == ["fc", "10", "–", "[1]"]
    assert [line.strip() for line in lines[4:]] == ["Two layers", "[1] not run"]


def test_quantities_end_in_one_column() -> None:
    lines = printed([Column("layer"), Column("width")], [("a", 5), ("b", 16384)])
    assert len(lines[2].rstrip()) == len(lines[3].rstrip())


def test_markup_in_names_is_only_text() -> None:
    assert "[red]x[/red]" in "\n".join(printed([Column("[bold]h")], [("[red]x[/red]",)]))
    assert "[bold]h" in printed([Column("[bold]h")], [("x",)])[0]


def test_a_row_must_fit() -> None:
    with pytest.raises(InputError, match="row 0 must have 1 values"):
        table_text([Column("a")], [(1, 2)])
