"""The first two active variables of held-out samples (Cui et al. 2020, Active Subspace of Neural Networks, Fig. 3)."""

from __future__ import annotations

from corank.measure import ActiveSubspaces
from corank.report.figures.class_scatter import scatter_figure
from corank.report.figures.figure import Figure


def active_variables(result: ActiveSubspaces) -> Figure | None:
    """The figure `active-variables` of the first, a middle and the last layer; None where no layer has two of them."""
    return scatter_figure(
        "active-variables",
        [(layer.layer, layer.variables, layer.variable_labels) for layer in result.layers],
        axis="active variable",
        alt="held-out samples in the first two active variables",
        caption=(
            "Samples that took no part in finding the directions, placed by the two directions that the loss depends "
            "on most. Classes that stand apart here can be told apart by these two numbers alone."
        ),
    )
