from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corank.errors import InputError
from corank.train import Constant, Cosine, OneCycle, Steps, Triangle

ALL = [
    Constant(),
    Cosine(),
    Cosine(warm_up=0.1),
    OneCycle(),
    OneCycle(peak_at=0.6, start=1.0, end=0.0),
    Steps(at=()),
    Triangle(peak_at=0.3),
]
ALL.append(Steps(at=(0.3, 0.31), factor=0.5))


@pytest.mark.parametrize("schedule", ALL, ids=repr)
@given(progress=st.floats(0, 1))
def test_factors_lie_between_nothing_and_the_base_rate(schedule: Callable[[float], float], progress: float) -> None:
    assert 0 <= schedule(progress) <= 1


@pytest.mark.parametrize("schedule", [Cosine(), Cosine(warm_up=0.25), OneCycle(), OneCycle(peak_at=0.7)], ids=repr)
def test_smooth_schedules_rise_to_one_and_then_fall(schedule: Cosine | OneCycle) -> None:
    grid = [step / 1000 for step in range(1001)]
    factors = [schedule(progress) for progress in grid]
    peak = schedule.warm_up if isinstance(schedule, Cosine) else schedule.peak_at
    assert schedule(peak) == 1
    for progress, low, high in zip(grid, factors, factors[1:], strict=False):
        assert (high - low >= 0) if progress < peak - 1e-9 else (high - low <= 0)
        assert abs(high - low) < 0.01, "no jumps"


def test_the_ends_are_as_stated() -> None:
    assert (OneCycle(start=0.2, end=0.05)(0.0), OneCycle(start=0.2, end=0.05)(1.0)) == pytest.approx((0.2, 0.05))
    assert (Cosine()(0.0), Cosine()(1.0), Cosine(warm_up=0.5)(0.0)) == pytest.approx((1.0, 0.0, 0.0))


def test_steps_drop_at_their_moments() -> None:
    schedule = Steps(at=(0.5, 0.75), factor=0.1)
    assert [schedule(p) for p in (0.0, 0.499, 0.5, 0.749, 0.75, 1.0)] == pytest.approx([1, 1, 0.1, 0.1, 0.01, 0.01])


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda: Cosine(warm_up=1.0), "warm_up .* got 1.0"),
        (lambda: OneCycle(peak_at=0.0), "peak_at .* got 0.0"),
        (lambda: Triangle(peak_at=1.0), "peak_at .* got 1.0"),
        (lambda: OneCycle(start=0.0), "start .* got 0.0"),
        (lambda: OneCycle(end=1.5), "end .* got 1.5"),
        (lambda: Steps(at=(0.5, 0.5)), r"`at` .* got \(0.5, 0.5\)"),
        (lambda: Steps(at=(1.0,)), r"`at` .* got \(1.0,\)"),
        (lambda: Steps(at=(0.5,), factor=0.0), "factor .* got 0.0"),
    ],
)
def test_wrong_options_are_refused(make: Callable[[], object], expected: str) -> None:
    with pytest.raises(InputError, match=expected):
        make()
