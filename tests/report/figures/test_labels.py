from __future__ import annotations

from itertools import combinations, pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from corank.report.figures.labels import Box, distinct, placed, shortened, spread


@given(st.lists(st.floats(-50, 150), max_size=12), st.floats(0, 12))
def test_spread_keeps_order_gap_and_bounds(places: list[float], gap: float) -> None:
    moved = spread(places, gap, 0, 100)
    ordered = [moved[place] for place in np.argsort(places, kind="stable")]
    room = 100 / max(len(places) - 1, 1)
    assert all(after - before >= min(gap, room) - 1e-9 for before, after in pairwise(ordered))
    assert all(-1e-9 <= place <= 100 + 1e-9 for place in moved)


@given(st.lists(st.integers(0, 100), min_size=1, max_size=8, unique=True))
def test_spread_moves_nothing_that_is_far_enough_apart(places: list[int]) -> None:
    assert spread([float(place) for place in places], 1.0, 0, 100) == pytest.approx(places)


@given(st.lists(st.floats(20, 80), min_size=2, max_size=6))
def test_spread_moves_as_little_as_possible(places: list[float]) -> None:
    # Far from the bounds the least-squares solution keeps the mean.
    assert np.mean(spread(places, 4.0, -1000, 1000)) == pytest.approx(np.mean(places))


points = st.lists(st.tuples(st.floats(0, 400), st.floats(0, 300)), min_size=1, max_size=6)


@given(points)
def test_labels_are_free_near_and_on_the_sheet_or_there_is_none(spots: list[tuple[float, float]]) -> None:
    room = Box(0, 0, 400, 300)
    taken = [Box(x - 5, y - 5, x + 5, y + 5) for x, y in spots]
    boxes = placed(spots, [(90, 30)] * len(spots), room, taken)
    if boxes is None:
        assert len(spots) > 1 or spots[0][1] < 30
        return
    for one, other in combinations([*taken, *boxes], 2):
        if one in taken and other in taken:
            continue
        apart = one.right <= other.left or other.right <= one.left
        assert apart or one.top <= other.bottom or other.top <= one.bottom
    for box, (x, y) in zip(boxes, spots, strict=True):
        assert box.left >= 0 and box.bottom >= 0 and box.right <= 400 and box.top <= 300  # noqa: PT018
        across, upwards = np.clip(x, box.left, box.right) - x, np.clip(y, box.bottom, box.top) - y
        assert 9 - 1e-9 <= np.hypot(across, upwards) <= 15 + 1e-9


@given(st.text(), st.integers(3, 20))
def test_a_shortened_name_fits_and_keeps_its_ends(name: str, limit: int) -> None:
    short = shortened(name, limit)
    assert len(short) <= limit
    assert short == name or (short[0] == name[0] and short[-1] == name[-1])


@given(st.lists(st.text(max_size=40), min_size=1, max_size=12, unique=True), st.text(max_size=30))
def test_names_stay_distinct_printable_and_short(names: list[str], common: str) -> None:
    short = distinct([common + name + common for name in names], 12)
    assert len(set(short)) == len(names)
    assert all(len(name) <= 12 and name.isprintable() for name in short)
