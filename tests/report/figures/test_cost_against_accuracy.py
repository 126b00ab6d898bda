from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from corank.errors import InputError
from corank.report import Tradeoff, cost_against_accuracy
from corank.report.palette import ACCENT, INK, SECOND
from tests.report.figures.svg_reading import marks, texts

BASE = Tradeoff(name="original", accuracy=0.99, multiply_adds=4_000_000, storage_bytes=800_000)


def cuts(count: int, **fields) -> list[Tradeoff]:
    return [
        Tradeoff(
            name=f"cut {place}",
            accuracy=0.95 + 0.03 * place / count,
            multiply_adds=1_000_000 + 2_000_000 * place // count,
            storage_bytes=100_000 * (place + 1),
            **fields,
        )
        for place in range(count)
    ]


def test_marks_stand_at_cost_and_accuracy() -> None:
    rows = cuts(3)
    svg = cost_against_accuracy(rows, BASE).svg
    drawn = np.array([*marks(svg, INK.light), *marks(svg, ACCENT.light)])
    for axis, values in enumerate(([row.multiply_adds for row in (BASE, *rows)], [r.accuracy for r in (BASE, *rows)])):
        slope, start = np.polyfit(values, drawn[:, axis], 1)
        assert (slope > 0) == (axis == 0)
        np.testing.assert_allclose(drawn[:, axis], slope * np.array(values) + start, atol=0.011)


def test_names_stand_beside_few_marks_and_in_a_key_for_many() -> None:
    few = texts(cost_against_accuracy(cuts(3), BASE).svg)
    assert {"original", "cut 0", "cut 1", "cut 2"} <= set(few)
    many = cost_against_accuracy(cuts(12), BASE)
    for svg in (many.svg, many.svg_narrow):
        assert {str(place) for place in range(1, 13)} <= set(texts(svg))
        assert [text for text in texts(svg) if text.startswith("cut 11:")] == ["cut 11:\u00a097.7\u00a0%, 1.14\u00a0MB"]


def test_open_circles_are_explained_where_there_are_some() -> None:
    assert "fine-tuning" in cost_against_accuracy(cuts(2, accuracy_untuned=0.5), BASE).caption
    assert "fine-tuning" not in cost_against_accuracy(cuts(2), BASE).caption


@pytest.mark.parametrize("accuracy", [0.0, 1.0])
def test_equal_and_extreme_accuracies_have_an_axis_without_impossible_values(accuracy: float) -> None:
    one = Tradeoff(name="a", accuracy=accuracy, multiply_adds=0, storage_bytes=0)
    shown = [float(text[:-2]) for text in texts(cost_against_accuracy([one], one).svg) if text.endswith("\u00a0%")]
    assert shown
    assert max(shown) <= 100


@pytest.mark.parametrize("count", [0, 2])
def test_reduced_ones_have_a_mark_of_their_own(count: int) -> None:
    more = [replace(row, name=f"small {place}", accuracy=0.9) for place, row in enumerate(cuts(2))]
    figure = cost_against_accuracy(cuts(count), BASE, reduced=more)
    assert len(marks(figure.svg, SECOND.light)) == 2
    assert len(marks(figure.svg, ACCENT.light)) == count
    assert {"small 0", "small 1"} <= set(texts(figure.svg))
    assert "Squares" in figure.caption
    assert "Squares" not in cost_against_accuracy(cuts(1), BASE).caption


def test_a_figure_without_cuts_is_refused() -> None:
    with pytest.raises(InputError, match="at least one smaller network, got 0"):
        cost_against_accuracy([], BASE)
