"""The Pareto front of candidates."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from corank.compress.race.candidate import Candidate, front_of
from corank.network import Cost


def candidate(multiply_adds: int, accuracy: float, trial: float | None = None) -> Candidate:
    return Candidate(
        method="RON", layer=None, sizes=(1,), cost=Cost(parameters=1, storage_bytes=4, multiply_adds=multiply_adds),
        latency_ms=None, reached=1.0, fits=True, accuracy=accuracy, agreement=0.5, trial_accuracy=trial,
    )  # fmt: skip


def beats(one: Candidate, other: Candidate) -> bool:
    amounts = (one.cost.multiply_adds, -one.judged), (other.cost.multiply_adds, -other.judged)
    return all(a <= b for a, b in zip(*amounts, strict=True)) and amounts[0] != amounts[1]


@given(st.lists(st.tuples(st.integers(1, 9), st.integers(0, 9)), min_size=1, max_size=12))
def test_none_on_the_front_is_beaten_and_each_beside_it_is_beaten_or_equalled(pairs: list[tuple[int, int]]) -> None:
    every = [candidate(amount, share / 10) for amount, share in pairs]
    front = front_of(every, lambda one: one.cost.multiply_adds)
    assert not any(beats(one, other) for one in every for other in front)
    for one in every:
        assert any(beats(other, one) or other == one for other in front)
    assert [one.cost.multiply_adds for one in front] == sorted({one.cost.multiply_adds for one in front})


def test_a_trial_counts_where_there_was_one() -> None:
    assert candidate(1, 0.9, trial=0.2).judged == 0.2
    front = front_of([candidate(1, 0.1, trial=0.8), candidate(2, 0.7)], lambda one: one.cost.multiply_adds)
    assert front == (candidate(1, 0.1, trial=0.8),)
