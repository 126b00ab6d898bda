from __future__ import annotations

import math
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from corank.errors import InputError
from corank.report.format import (
    MINUS,
    MISSING,
    SPACE,
    Missing,
    axis_count,
    cell,
    compact,
    interval,
    is_missing,
    milliseconds,
    number,
    order_key,
    percent,
    ratio,
    storage,
)
from corank.result import Interval

POWERS = {"": 0, "k": 1, "M": 2, "G": 3, "T": 4, "B": 0, "kB": 1, "MB": 2, "GB": 3, "TB": 4}
SUPERSCRIPT = str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")


def read(text: str) -> float:
    """The number that a reader takes from the text."""
    mantissa, _, power = text.replace(MINUS, "-").replace(",", "").partition(f"{SPACE}×{SPACE}10")
    return float(mantissa) * 10.0 ** int(power.translate(SUPERSCRIPT) or 0)


@given(st.floats(1e-30, 1e30))
def test_a_number_is_right_to_three_digits(value: float) -> None:
    # Half a unit of the third digit is at most 0.5 % of the value.
    assert read(number(value)) == pytest.approx(value, rel=0.00501)
    assert number(-value) == MINUS + number(value)


@given(st.integers(-(10**12), 10**12))
def test_a_whole_number_is_shown_in_full(value: int) -> None:
    assert read(number(value)) == value
    assert number(np.int64(value)) == cell(np.int64(value)) == number(value)


@given(st.floats(1e-4, 0.01, exclude_min=True), st.integers(0, 3))
def test_rounding_makes_neither_all_nor_nothing(little: float, digits: int) -> None:
    assert percent(1 - little, digits) != percent(1.0, digits)
    assert percent(little, digits) != percent(0.0, digits)


@given(st.floats(0, 1))
def test_a_percentage_is_right_to_its_last_digit(share: float) -> None:
    text = percent(share).removesuffix(f"{SPACE}%")
    bound = text.lstrip("<>" + SPACE)
    if text[0] == "<":
        assert 100 * share < float(bound)
    elif text[0] == ">":
        assert float(bound) < 100 * share < 100
    else:
        assert float(bound) == pytest.approx(100 * share, abs=0.0501)


@pytest.mark.parametrize(("show", "base"), [(compact, 1000), (storage, 1024)])
@given(count=st.integers(0, 10**15))
def test_a_scaled_count_is_right_and_never_has_four_digits_and_a_unit(show, base: int, count: int) -> None:
    mantissa, _, unit = show(count).partition(SPACE)
    assert read(mantissa) * base ** POWERS[unit] == pytest.approx(count, rel=0.00501)
    assert POWERS[unit] in (0, 4) or read(mantissa) < base


@given(st.integers(1, 9), st.integers(0, 9))
def test_an_axis_shows_round_counts_exactly(digit: int, power: int) -> None:
    mantissa, _, unit = axis_count(float(digit * 10**power)).partition(SPACE)
    assert read(mantissa) * 1000 ** POWERS[unit] == digit * 10**power
    assert not re.search(r"\.0*$", mantissa)


def test_intervals_say_which_end_is_known() -> None:
    ends = [(12, 15), (2048, None), (None, 9), (4, 4), (None, None)]
    shown = [interval(Interval(*pair)) for pair in ends]
    assert shown == ["12–15", f"≥{SPACE}2,048", f"≤{SPACE}9", "4", "not reached"]
    assert [cell(Interval(*pair)) for pair in ends] == shown


@pytest.mark.parametrize("nothing", [None, math.nan, np.float64("nan"), "", Missing("not run")])
def test_what_is_missing_is_a_dash(nothing: object) -> None:
    assert is_missing(nothing)
    assert cell(nothing) == MISSING


@pytest.mark.parametrize("show", [number, percent, ratio, compact, storage, milliseconds])
def test_every_format_shows_nothing_as_a_dash(show) -> None:
    assert show(None) == show(math.nan) == MISSING


@pytest.mark.parametrize("something", [0, False, 0.0, math.inf, "–", Interval(None, None)])
def test_zero_and_its_like_are_not_missing(something: object) -> None:
    assert not is_missing(something)


def test_a_missing_value_needs_a_reason() -> None:
    with pytest.raises(InputError, match="'  '"):
        Missing("  ")


def test_a_small_loss_is_not_called_none() -> None:
    assert percent(-0.0001) == f">{SPACE}{MINUS}0.1{SPACE}%"
    assert ratio(0.4999) == "0.50×"
    assert cell([True, False]) == "yes, no"


@given(st.lists(st.integers(-1000, 1000) | st.floats(-1e6, 1e6), min_size=2))
def test_quantities_are_ordered_by_value_and_not_by_their_text(values: list[float]) -> None:
    assert sorted(values, key=order_key) == sorted(values)


@given(st.integers(0, 99), st.integers(0, 99))
def test_a_range_stands_between_its_ends(low: int, width: int) -> None:
    key = order_key(Interval(low, low + width))
    assert key is not None
    assert low <= key <= low + width


def test_what_has_no_order_has_no_key() -> None:
    assert [order_key(value) for value in (None, math.nan, Missing("why"), "", "a", (1, 2), Interval(None, None))] == (
        [None] * 7
    )
