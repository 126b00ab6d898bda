"""What is shown to people: figures by the type of the result, the HTML page, tables in the terminal."""

from corank.report.figures import (
    CameOut,
    Figure,
    Tradeoff,
    cost_against_accuracy,
    cost_bars,
    cut_forecasts,
    figures_of,
)
from corank.report.format import Missing
from corank.report.page import PAGE, Page, Section, render, write_page
from corank.report.table import Column, Table
from corank.report.text import table_text

__all__ = [
    "PAGE", "CameOut", "Column", "Figure", "Missing", "Page", "Section", "Table", "Tradeoff",
    "cost_against_accuracy", "cost_bars", "cut_forecasts", "figures_of", "render", "table_text", "write_page",
]  # fmt: skip
