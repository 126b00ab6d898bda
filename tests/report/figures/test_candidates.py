from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from corank.compress.budgeted import Budgeted
from corank.report.figures.candidates import candidates
from corank.report.palette import INK, MUTED
from tests.report.conftest import make_budgeted
from tests.report.figures.svg_reading import are_on_one_scale, outlines, texts

FILLED = {"ASNet": True, "RON": True, "pruning": True, "pruning + ASNet": False, "pruning + RON": False}


def uses(svg: str) -> list[tuple[float, float]]:
    """Where all marks stand, of any colour, filled or not, in the order of drawing."""
    found = [re.findall(r' x="(\S+)" y="(\S+)"', use) for use in re.findall(r"<use [^>]*>", svg)]
    return [(float(x), float(y)) for ((x, y),) in found]


@pytest.mark.parametrize("target", ["macs=3x", "params=10x", "storage-mb=0.1", "latency-ms=4", None])
@pytest.mark.parametrize("narrow", [False, True])
def test_marks_stand_at_amount_and_accuracy_and_the_budget_between(target: str | None, narrow: bool) -> None:
    result = make_budgeted(target=target)
    figure = candidates(result)
    svg = figure.svg_narrow if narrow else figure.svg
    amounts = [row.reached if target else row.cost.multiply_adds for row in result.candidates]
    marked = [*result.candidates, result.chosen]
    *places, original, ring = uses(svg)[: len(marked) + 1]
    places.append(ring if "original" in texts(svg) else original)
    xs = np.log10([*amounts, result.chosen.reached if target else result.chosen.cost.multiply_adds])
    assert are_on_one_scale(xs, [x for x, _ in places])
    assert are_on_one_scale([np.log(1 - row.judged) for row in marked], [y for _, y in places])
    upright = [line for line in outlines(svg, MUTED.light) if len(line) == 2 and line[0][0] == line[1][0]]
    if result.limit is None:
        assert "budget" not in texts(svg)
        return
    slope, start = np.polyfit(xs, [x for x, _ in places], 1)
    assert any(line[0][0] == pytest.approx(slope * np.log10(result.limit) + start, abs=0.02) for line in upright)


@pytest.mark.parametrize(
    ("target", "amount"),
    [("macs=3x", 4e6), ("params=3", 1e5), ("latency-ms=2x", 10.0), ("latency-ms=4", None), (None, 4e6)],
)
def test_the_original_stands_where_its_amount_is_known(target: str | None, amount: float | None) -> None:
    result = make_budgeted(target=target)
    svg = candidates(result).svg
    assert ("original" in texts(svg)) == (amount is not None)
    if amount is not None:
        places = uses(svg)
        count = len(result.candidates)
        given = [row.reached if target else row.cost.multiply_adds for row in result.candidates]
        assert are_on_one_scale(np.log10([*given, amount]), [x for x, _ in places[: count + 1]])


def test_the_stepped_line_joins_those_that_no_other_beats() -> None:
    result = make_budgeted()
    lines = [line for line in outlines(candidates(result).svg, INK.light) if len(line) == 2 * len(result.front) - 1]
    (corners,) = [set(line) for line in lines if line[0][1] > line[-1][1]]  # the legend's is level
    places = dict(zip(result.candidates, uses(candidates(result).svg), strict=False))
    on_front = {row for row, place in places.items() if place in corners}
    beaten = {
        row
        for row in result.candidates
        for other in result.candidates
        if other.judged > row.judged and other.reached <= row.reached
    }
    assert on_front == set(result.candidates) - beaten == set(result.front)


def test_methods_without_candidates_are_not_in_the_legend() -> None:
    result = make_budgeted()
    only = replace(result, candidates=tuple(row for row in result.candidates if row.method == "RON"))
    assert set(FILLED) <= set(texts(candidates(result).svg))
    assert set(FILLED) & set(texts(candidates(only).svg)) == {"RON"}


def test_what_was_asked_for_is_explained() -> None:
    def caption(result: Budgeted) -> str:
        return candidates(result).caption

    assert "RON after conv3" in caption(make_budgeted())
    assert "the budget" in caption(make_budgeted())
    assert "the budget" not in caption(make_budgeted(target=None, max_drop=1.0))
    assert "Dotted" in caption(make_budgeted(max_drop=1.0))
    assert "Dotted" not in caption(make_budgeted())
    untried = replace(make_budgeted(), candidates=(replace(make_budgeted().chosen, trial_accuracy=None),))
    assert "trial" not in caption(untried)


def test_a_candidate_that_is_always_right_has_a_place_above_all_others() -> None:
    result = make_budgeted()
    perfect = replace(result, candidates=(replace(result.candidates[0], accuracy=1.0), *result.candidates[1:]))
    for svg in (candidates(perfect).svg, candidates(perfect).svg_narrow):
        first, *others = [y for _, y in uses(svg)[: len(perfect.candidates)]]
        assert 0 < first < min(others)
