"""Which candidates are tried, which is taken, and how that is said."""

from __future__ import annotations

from dataclasses import replace

import pytest

from corank.compress.race.entry import Entry
from corank.compress.race.verdict import finalists, ranking, reason

from .networks import allowance
from .test_candidate import candidate

LIMIT = 100.0


def entry(method: str, reached: float, accuracy: float) -> Entry:
    one = replace(candidate(int(reached), accuracy), method=method, reached=reached, fits=reached <= LIMIT)
    return Entry(candidate=one, make=lambda: pytest.fail("nothing is built"), choice=None)


def test_of_every_method_one_is_tried_near_the_budget_if_there_is_one() -> None:
    entries = [
        entry("ASNet", 60, 0.9), entry("ASNet", 70, 0.8), entry("RON", 99, 0.5), entry("RON", 50, 0.9),
        entry("pruning", 101, 0.95),
    ]  # fmt: skip
    assert finalists(entries, LIMIT) == [entries[0], entries[2]]
    assert finalists(entries, None) == [entries[0], entries[3]]


def test_the_budget_is_used_unless_what_leaves_more_of_it_is_clearly_better() -> None:
    near, far = entry("RON", 99, 0.900), entry("ASNet", 60, 0.915)
    assert ranking([far, near], LIMIT) == [near, far]
    assert ranking([far, near], None) == [far, near]
    better = entry("ASNet", 60, 0.925)
    assert ranking([near, better], LIMIT) == [better, near]


def test_of_equals_the_cheaper_is_taken() -> None:
    one, other = entry("RON", 99, 0.9), entry("ASNet", 98.5, 0.9)
    assert ranking([one, other], LIMIT)[0] is other


def test_the_reason_names_what_was_better_and_what_came_nearer() -> None:
    allowed = replace(allowance("mlp", "macs=2x"), original=candidate(200, 1.0).cost)
    assert allowed.limit == LIMIT
    near, far = entry("RON", 99, 0.7).candidate, entry("ASNet", 60, 0.704).candidate
    told = reason(near, [near, far], allowed, 0.95, 50)
    assert "99.0% of the budget macs=2x" in told
    assert "70.0% correct, where the original has 95.0%" in told
    assert "ASNet takes 60.0% of the budget and had 70.4%" in told
    assert "what comes nearer to the budget had 70.0% at most" in reason(far, [near, far], allowed, 0.95, 0)
    assert "only candidate" in reason(far, [far], allowed, 0.95, 0)
