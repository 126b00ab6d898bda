"""Which figures belong to which result: found by its type, so that results never draw."""

from __future__ import annotations

from functools import singledispatch

from corank.errors import InputError
from corank.measure import ActiveSubspaces
from corank.report.figures.active_neurons import active_neurons
from corank.report.figures.captured import captured
from corank.report.figures.figure import Figure
from corank.report.figures.spectra import spectra
from corank.result import Result


@singledispatch
def figures_of(result: Result) -> dict[str, Figure]:
    """The figures of a result by name, in the order in which they are best read.

    Raises:
        InputError: results of this type have no figures, or this one is empty.

    Example:
        >>> figures_of(3)
        Traceback (most recent call last):
        corank.errors.InputError: figures exist for ActiveSubspaces, got int
    """
    known = ", ".join(kind.__name__ for kind in figures_of.registry if kind is not object)
    raise InputError(f"figures exist for {known}, got {type(result).__name__}")


@figures_of.register
def _(result: ActiveSubspaces) -> dict[str, Figure]:
    if not result.layers:
        raise InputError("figures need at least one measured layer, got 0")
    return {figure.name: figure for figure in (active_neurons(result), spectra(result), captured(result))}
