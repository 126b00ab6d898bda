"""Figures: one idea a file, found by the type of the result."""

from corank.report.figures.by_type import figures_of
from corank.report.figures.cost_against_accuracy import cost_against_accuracy
from corank.report.figures.cost_bars import cost_bars
from corank.report.figures.figure import Figure
from corank.report.figures.tradeoff import Tradeoff

__all__ = ["Figure", "Tradeoff", "cost_against_accuracy", "cost_bars", "figures_of"]
