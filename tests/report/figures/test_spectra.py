from __future__ import annotations

import numpy as np
import pytest

from corank.report.figures.spectra import spectra
from corank.report.palette import depth_colours
from tests.report.figures.svg_reading import areas, marks, outlines, texts


def lines(figure, layers: int, directions: int) -> list[np.ndarray]:
    """The pixels of every layer's line."""
    found = [
        [np.array(line) for line in outlines(figure.svg, colour.light) if len(line) == directions]
        for colour in depth_colours(layers)
    ]
    return [line for (line,) in found]


def test_heights_are_the_shares_of_the_trace_on_one_logarithmic_scale(measured) -> None:
    result = measured(layers=3, directions=7)
    drawn = lines(spectra(result), 3, 7)
    shares = np.array([np.array(layer.eigenvalues) / layer.mean_squared_gradient for layer in result.layers])
    heights = np.array(drawn)[:, :, 1].ravel()
    scale, start = np.polyfit(np.log10(shares).ravel(), heights, 1)
    assert scale < 0  # pixels count downwards
    # Coordinates are written to a hundredth of a pixel.
    np.testing.assert_allclose(heights, scale * np.log10(shares).ravel() + start, atol=0.011)


def test_the_band_ends_where_the_certificate_ends(measured) -> None:
    result = measured(layers=1, directions=7, uncertainty=0.02)
    figure = spectra(result)
    (line,) = lines(figure, 1, 7)
    layer = result.layers[0]
    shares = np.array(layer.eigenvalues) / layer.mean_squared_gradient
    scale = np.polyfit(np.log10(shares), line[:, 1], 1)[0]
    band = np.array(areas(figure.svg, depth_colours(1)[0].light)[0])
    rise = scale * np.log10(1 + layer.uncertainty / np.array(layer.eigenvalues))
    for (x, y), step in zip(line, rise, strict=True):
        at = band[np.abs(band[:, 0] - x) < 0.02, 1]
        assert at.max() == pytest.approx(y, abs=0.02)
        assert at.min() == pytest.approx(y + step, abs=0.02)


def test_few_layers_are_named_and_many_have_a_scale(measured) -> None:
    assert {f"features.{place}" for place in range(8)} <= set(texts(spectra(measured(layers=8)).svg))
    many = [text for text in texts(spectra(measured(layers=60, directions=3)).svg) if text.startswith("features")]
    assert many[0] == "features.0"
    assert many[-1] == "features.59"
    assert len(many) <= 6


def test_zero_eigenvalues_are_left_out(measured) -> None:
    svg = spectra(measured(layers=2, directions=5, decay=0.0, bootstrap=False)).svg
    assert [len(marks(svg, colour.light)) for colour in depth_colours(2)] == [2, 2]  # the one dot, and its band's use


def test_whiskers_end_where_the_bootstrap_interval_ends(measured) -> None:
    result = measured(layers=1, directions=7)
    figure = spectra(result)
    (line,) = lines(figure, 1, 7)
    shares = np.array(result.layers[0].eigenvalues) / result.layers[0].mean_squared_gradient
    scale = np.polyfit(np.log10(shares), line[:, 1], 1)[0]
    whiskers = [whisker for whisker in outlines(figure.svg, depth_colours(1)[0].light) if len(whisker) == 2]
    drawn = {x: (below - y, above - y) for x, y in line for (at, below), (_, above) in whiskers if abs(at - x) < 0.02}
    assert len(drawn) == 4  # every second of seven directions
    for ends in drawn.values():
        assert ends == pytest.approx((scale * np.log10(0.8), scale * np.log10(1.3)), abs=0.03)


def test_whiskers_are_explained_where_they_are(measured) -> None:
    assert "Whiskers" in spectra(measured(layers=10)).caption
    assert "Whiskers" not in spectra(measured(layers=11)).caption
    assert "Whiskers" not in spectra(measured(bootstrap=False)).caption
