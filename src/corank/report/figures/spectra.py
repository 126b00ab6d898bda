"""The spectra of the gradient covariance at all layers.

Cui et al. 2020, Active Subspace of Neural Networks, sec. 3.2.
"""

from __future__ import annotations

from corank.measure import ActiveSubspaces
from corank.report.figures.figure import Figure, draw_figure
from corank.report.figures.spectrum_lines import draw_spectra, has_whiskers, spectrum


def spectra(result: ActiveSubspaces) -> Figure:
    """The figure `spectra`: the leading eigenvalues of every layer on a logarithmic scale."""
    lines = [
        spectrum(
            layer.layer, layer.eigenvalues, layer.mean_squared_gradient, layer.uncertainty,
            layer.eigenvalues_low, layer.eigenvalues_high,
        )
        for layer in result.layers
    ]  # fmt: skip
    whiskers = " Whiskers: where 95 in 100 values lie when the samples are drawn again." if has_whiskers(lines) else ""
    return draw_figure(
        "spectra",
        lambda canvas: draw_spectra(canvas, lines, "share of the squared gradient"),
        alt=f"Leading eigenvalues of the gradient covariance of {len(lines)} layers, on a logarithmic scale",
        caption=(
            "How strongly the loss depends on a layer's leading directions, the strongest first: the share of the "
            "squared gradient that lies along each. The steeper a line falls, the fewer directions matter. Shaded: "
            f"how much larger a value may be, certified for the {result.samples:,} samples measured.{whiskers} First "
            "layers are blue, last ones orange."
        ),
    )
