from __future__ import annotations

from dataclasses import replace

import numpy as np

from corank.report.figures.activation_spectra import activation_spectra
from corank.report.palette import depth_colours
from tests.report.conftest import make_activations
from tests.report.figures.svg_reading import are_on_one_scale, outlines, texts


def test_heights_are_the_shares_of_the_squares() -> None:
    result = make_activations(layers=3, directions=7)
    svg = activation_spectra(result).svg
    drawn = [
        next(np.array(line) for line in outlines(svg, colour.light) if len(line) == 7) for colour in depth_colours(3)
    ]
    shares = [np.array(layer.singular_values) ** 2 / layer.mean_squared_activation for layer in result.layers]
    assert are_on_one_scale(np.log10(np.concatenate(shares)), np.concatenate(drawn)[:, 1], falling=True)


def test_centred_activations_are_called_variance() -> None:
    assert "share of the squared activation" in texts(activation_spectra(make_activations()).svg)
    centred = activation_spectra(replace(make_activations(), centred=True))
    assert "share of the variance" in texts(centred.svg)
    assert "share of the variance" in centred.caption
