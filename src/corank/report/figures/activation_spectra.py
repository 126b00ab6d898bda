"""The spectra of the activations at all layers: how many directions the data use there.

As Sanyal et al. 2020, Robustness via Deep Low-Rank Representations, sec. 3, but as shares of the whole.
"""

from __future__ import annotations

from corank.measure import ActivationSpectra
from corank.report.figures.figure import Figure, draw_figure
from corank.report.figures.spectrum_lines import draw_spectra, spectrum


def activation_spectra(result: ActivationSpectra) -> Figure:
    """The figure `activation-spectra`: squared singular values of every layer on a logarithmic scale."""
    lines = [
        spectrum(
            layer.layer, [value**2 for value in layer.singular_values], layer.mean_squared_activation, layer.uncertainty
        )
        for layer in result.layers
    ]
    whole = "variance" if result.centred else "squared activation"
    return draw_figure(
        "activation-spectra",
        lambda canvas: draw_spectra(canvas, lines, f"share of the {whole}"),
        alt=f"Leading squared singular values of the activations of {len(lines)} layers, on a logarithmic scale",
        caption=(
            f"How the data fill a layer: the share of the {whole} along its leading directions, the strongest "
            "first. The steeper a line falls, the flatter the data lie there. Shaded: how much larger a value may be, "
            f"certified for the {result.samples:,} samples measured. First layers are blue, last ones orange."
        ),
    )
