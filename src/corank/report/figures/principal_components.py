"""The first two principal components of the activations of held-out samples, to compare with the active variables."""

from __future__ import annotations

from corank.measure import ActivationSpectra
from corank.report.figures.class_scatter import scatter_figure
from corank.report.figures.figure import Figure


def principal_components(result: ActivationSpectra) -> Figure | None:
    """The figure `principal-components` of the first, a middle and the last layer; None where none has two of them."""
    return scatter_figure(
        "principal-components",
        [(layer.layer, layer.components, layer.component_labels) for layer in result.layers],
        axis="component",
        alt="held-out samples in the first two components of the activations",
        caption=(
            "Held-out samples, placed by the two directions along which these samples themselves vary most. What "
            "varies need not matter: compare the directions that the loss depends on."
        ),
    )
