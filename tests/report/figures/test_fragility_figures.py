"""The figures of a diagnosis: points where the numbers are, pictures in their order, words for what is left out."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from corank.errors import InputError
from corank.report.figures import (
    FragilePicture,
    Guess,
    cosine_histogram,
    cosines_along_path,
    fragile_inputs,
    predicted_against_found,
)
from corank.report.figures.predicted_against_found import POINTS
from corank.report.palette import ACCENT, SECOND
from tests.report.figures.svg_reading import marks, texts
from tests.report.figures.test_triptychs import pictures


def lengths(count: int, seed: int = 0) -> np.ndarray:
    return np.exp(np.random.default_rng(seed).standard_normal(count))


def test_each_guess_has_a_panel_and_points_on_the_line_where_it_is_right() -> None:
    found = lengths(30)
    found[4] = np.inf
    figure = predicted_against_found([Guess("plain", 2 * found), Guess("ours", found)], found, caption="Lengths.")
    for svg in (figure.svg, figure.svg_narrow):
        assert {"plain", "ours"} <= {*texts(svg)}
        both = [np.array(marks(svg, colour.light)) for colour in (ACCENT, SECOND)]
        assert [len(points) for points in both] == [29, 29]
        sums = both[1].sum(1)  # of x to the right and y downwards: all alike on the rising diagonal
        assert sums == pytest.approx(np.full(29, sums[0]), abs=0.5)
        assert (both[0][:, 0] - both[0][:, 0].min()) == pytest.approx(both[1][:, 0] - both[1][:, 0].min(), abs=0.5)
    plain, ours = (np.array(marks(figure.svg, colour.light)) for colour in (ACCENT, SECOND))
    assert plain[:, 1] == pytest.approx(ours[:, 1], abs=0.1), "what was found stands upright in both"
    assert figure.caption.startswith("Lengths.")


def test_of_many_inputs_some_are_shown_and_that_is_said() -> None:
    found = lengths(3 * POINTS)
    figure = predicted_against_found([Guess("ours", found)], found, caption="")
    assert len(marks(figure.svg, ACCENT.light)) == POINTS
    assert f"Of {3 * POINTS:,} inputs {POINTS} are shown." in figure.caption
    with pytest.raises(InputError, match="at least one length"):
        predicted_against_found([Guess("ours", found * np.nan)], found, caption="")


def test_the_histogram_tells_its_mean() -> None:
    figure = cosine_histogram(np.array([-0.1, 0.2, 0.3]))
    assert "mean 0.200" in texts(figure.svg)
    assert "0.200" in figure.caption
    with pytest.raises(InputError, match="at least one input"):
        cosine_histogram(np.array([]))


@pytest.mark.parametrize("count", [1, 20])
def test_paths_are_drawn_by_their_sizes(count: int) -> None:
    alphas = np.linspace(0, 1, 11).tolist()
    cosines = -np.linspace(0.1, 0.4, 11) * np.ones((count, 1))
    figure = cosines_along_path(alphas, cosines, {"most fragile": cosines[0]})
    points = np.array([point for point in marks(figure.svg, SECOND.light) if point[1] > 40])  # not the legend's
    assert len(points) == 11
    assert (np.diff(points[:, 1]) < 0).all(), "larger sizes stand higher"
    assert ("median of all" in texts(figure.svg)) == (count > 1)
    with pytest.raises(InputError, match="11 cosines of at least one input"):
        cosines_along_path(alphas, cosines[:, :4], {})


def test_five_pictures_stand_in_a_row_for_each_input() -> None:
    image, nearest = torch.zeros(1, 4, 4), torch.ones(1, 4, 4)
    perturbation = torch.zeros(1, 4, 4)
    perturbation[0, 1, 2] = 0.25
    row = FragilePicture(image=image, nearest=nearest, perturbation=perturbation, label="cat", other="dog",
                         fooled="ship", distance=4.0, length=0.25)  # fmt: skip
    figure = fragile_inputs("most-fragile", [row, row], (0.0, 1.0), which="Two of them")
    for svg in (figure.svg, figure.svg_narrow):
        shown = pictures(svg)
        assert len(shown) == 10
        assert [int(one[1, 2, 0]) for one in shown[:5]] == [0, 255, 255, 255, 64]
        assert [int(one[0, 0, 0]) for one in shown[:5]] == [0, 255, 255, 128, 0]
        assert {"cat", "dog", "ship", "4.00", "0.250"} <= {*texts(svg)}
    assert "0.25 in the perturbation" in figure.caption
    with pytest.raises(InputError, match="one channel or three"):
        fragile_inputs("most-fragile", [], (0.0, 1.0), which="None")
