from __future__ import annotations

from dataclasses import replace

import pytest

from corank.report.figures import audit_margins
from corank.report.figures.audit_margins import times_the_threshold
from corank.report.palette import ACCENT, SECOND
from tests.report.conftest import make_audited
from tests.report.figures.svg_reading import marks, texts


def test_marks_stand_at_multiples_of_the_threshold() -> None:
    result = make_audited(flagged=(4, 8))
    svg = audit_margins(result).svg
    passed, flagged = ([x for x, _ in marks(svg, colour.light)] for colour in (ACCENT, SECOND))
    assert (len(passed), len(flagged)) == (16 + 1, 2 + 1), "those of the legend among them"
    assert len(set(flagged[:2])) == 1, "one is three times above its threshold, the other a third of it"
    assert min(flagged[:2]) > max(passed[:16])


def test_tests_that_were_not_run_have_no_row() -> None:
    named = texts(audit_margins(make_audited(not_run=(2, 14))).svg)
    assert "1 test 1" in named
    assert "2 test 2" not in named


@pytest.mark.parametrize(
    ("value", "threshold", "flagged_if", "times"),
    [
        (0.04, 0.02, "above", 2.0), (0.5, 1.0, "below", 2.0), (2.5, 2.0, "below", 0.8), (0.0, 0.0, "above", 0.01),
        (1e-9, 0.0, "above", 100.0), (-0.3, 0.02, "above", 0.01), (0.0, 1.0, "below", 100.0), (50.0, 0.1, "above", 100),
    ],
)  # fmt: skip
def test_a_threshold_is_passed_in_its_own_direction(
    value: float, threshold: float, flagged_if: str, times: float
) -> None:
    row = replace(make_audited().rows[0], value=value, threshold=threshold, flagged_if=flagged_if)
    assert times_the_threshold(row) == pytest.approx(times)
