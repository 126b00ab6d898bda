"""Which particulars belong to which compressed network: found by its type, so that the page knows of none."""

from __future__ import annotations

from functools import singledispatch

from corank.compress import ASNetwork, Compressed, RONetwork
from corank.compress.budgeted import Budgeted
from corank.experiment.asnet_sections import asnet_particulars
from corank.experiment.budget_sections import budget_particulars
from corank.experiment.particulars import Particulars
from corank.experiment.ron_sections import ron_particulars
from corank.report import Section, figures_of


@singledispatch
def particulars_of(small: Compressed) -> Particulars:
    """What is told of this kind of network alone; of a kind that has nothing of its own, how it was trained."""
    if small.training is None:
        return Particulars()
    figures = tuple(figures_of(small.training).values())
    return Particulars(sections=(Section("The training", figures=figures),))


@particulars_of.register
def _(small: ASNetwork) -> Particulars:
    return asnet_particulars(small)


@particulars_of.register
def _(small: RONetwork) -> Particulars:
    return ron_particulars(small)


@particulars_of.register
def _(small: Budgeted) -> Particulars:
    return budget_particulars(small)
