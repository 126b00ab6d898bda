"""The page of a network within a budget says what was asked for, lists all candidates and tells how near each came."""

from __future__ import annotations

from dataclasses import replace

import pytest

from corank.compress.budgeted import Budgeted
from corank.experiment.budget_sections import candidates_table, nearest_table
from corank.experiment.particulars_by_type import particulars_of
from corank.report import Page, render
from corank.report.format import percent
from tests.report.conftest import make_budgeted, make_history

from .measurements import column


def said(small: Budgeted) -> str:
    return " ".join(paragraph for section in particulars_of(small).sections for paragraph in section.text)


def test_every_candidate_has_a_row_the_best_first_with_its_verdict() -> None:
    small = make_budgeted()
    table = candidates_table(replace(small, candidates=small.candidates[::-1]))
    rows = sorted(small.candidates, key=lambda row: (not row.fits, -row.judged))
    assert column(table, "candidate") == [row.name for row in rows]
    assert column(table, "multiply-adds") == [row.cost.multiply_adds for row in rows]
    assert column(table, "accuracy") == [row.accuracy for row in rows]
    for row, verdict in zip(rows, column(table, "verdict"), strict=True):
        assert (verdict == "chosen") == (row == small.chosen)
        if row != small.chosen:
            assert (verdict == "over") == (row.cost.multiply_adds > 4_000_000 / 3)
            rivals = [one for one in small.candidates if one.cost.multiply_adds <= row.cost.multiply_adds]
            assert verdict == "over" or (verdict == "front") == (max(one.judged for one in rivals) == row.judged)


def test_columns_that_nothing_is_known_of_are_left_out() -> None:
    def titles(small: Budgeted) -> set[str]:
        return {column.title for column in candidates_table(small).columns}

    assert "latency" in titles(make_budgeted(target="latency-ms=4"))
    assert "latency" not in titles(make_budgeted())
    untried = tuple(replace(row, trial_accuracy=None) for row in make_budgeted().candidates)
    assert "after trial" in titles(make_budgeted())
    assert "after trial" not in titles(replace(make_budgeted(), candidates=untried))


@pytest.mark.parametrize(
    ("target", "asked", "reached"),
    [
        ("macs=4x", "at most 1.00\u00a0M multiply-adds (macs=4x)", "has 1.20\u00a0M multiply-adds"),
        ("params=20000", "at most 20.0\u00a0k parameters (params=20000)", "has 30.0\u00a0k parameters"),
        ("storage-mb=0.1", "at most 0.100\u00a0MB (storage-mb=0.1)", "has 0.114\u00a0MB"),
        ("latency-ms=4", "at most 4.00\u00a0ms (latency-ms=4)", "has 3.00\u00a0ms"),
    ],
)
def test_request_and_result_are_said_in_the_units_of_the_target(target: str, asked: str, reached: str) -> None:
    text = said(make_budgeted(target=target))
    assert f"Asked for was {asked}. This is met." in text
    assert reached in text


def test_a_limited_drop_is_said_with_a_target_or_without() -> None:
    assert "Asked for was a loss of no more than 1 point of accuracy." in said(make_budgeted(target=None, max_drop=1.0))
    both = make_budgeted(max_drop=0.5)
    assert "(macs=3x) and a loss of no more than 0.5 points of accuracy. This is met." in said(both)
    assert particulars_of(both).summary[0] in said(both)


def test_reason_and_effort_are_said() -> None:
    text = said(make_budgeted())
    assert "RON after conv3 keeps most accuracy within the budget." in text
    assert "11 candidates of 5 methods were judged on 1,000 samples" in text
    assert f"where the original is right on {percent(0.97)}" in text
    assert "Measuring took 7.50 seconds, the search 2.50, making and judging what it found" in text


def test_where_nothing_met_the_request_each_methods_nearest_is_listed() -> None:
    met, missed = make_budgeted(), make_budgeted(meets=False)
    assert [len(particulars_of(one).sections[0].tables) for one in (met, missed)] == [1, 2]
    assert "This is not met." in said(missed)
    rows = {row[0]: row for row in nearest_table(missed).rows}
    # Within the budget: RON's chosen one; of the others the small one, more accurate ones being over it.
    assert rows["RON after conv3"][1] == pytest.approx(0.9)
    assert rows["RON after conv3"][3] == pytest.approx(2.0)
    assert rows["ASNet after conv3"][2] == pytest.approx(0.8)
    over = tuple(replace(row, fits=False) for row in missed.candidates if row.method == "pruning")
    (nearest,) = nearest_table(replace(missed, candidates=over)).rows
    assert nearest[1] == min(row.reached for row in over) / (4_000_000 / 3)


def test_without_a_target_no_share_of_it_is_told() -> None:
    table = nearest_table(make_budgeted(target=None, max_drop=1.0, meets=False))
    assert [column.title for column in table.columns] == ["candidate", "accuracy", "points lost"]


def test_many_sizes_are_told_by_their_range() -> None:
    small = make_budgeted()
    chosen = replace(small.chosen, sizes=tuple(range(10, 27)))
    table = candidates_table(replace(small, candidates=(chosen, replace(chosen, sizes=(7,))), chosen=chosen))
    assert column(table, "sizes") == ["10 to 26 in 17 layers", "7"]


def test_the_training_is_shown_where_there_was_one() -> None:
    page = Page("Within", sections=particulars_of(replace(make_budgeted(), training=make_history())).sections)
    assert [figure.name for figure in page.figures] == ["candidates", "fine-tuning"]
    assert "nan" not in render(page)
