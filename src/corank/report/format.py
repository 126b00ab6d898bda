"""How numbers are written, on the page, in figures and in the terminal: the one place for it.

A number is shown to about three significant digits, whole numbers in full with separators. Rounding never turns
"nearly all" into "all" or "a little" into "nothing". What is missing is an en dash.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from numbers import Integral, Real

from corank.errors import InputError
from corank.result import Interval

MISSING = "–"
MINUS = "−"
SPACE = "\u00a0"  # keeps a number and its unit on one line
_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_SIGNIFICANT = 3


@dataclass(frozen=True)
class Missing:
    """A value that does not exist, with the reason, which the reader finds below the table.

    Example:
        >>> Missing("not measured on this machine").reason
        'not measured on this machine'
    """

    reason: str

    def __post_init__(self) -> None:
        if not self.reason.strip():
            raise InputError(f"a missing value needs a reason, got {self.reason!r}: say why it is not there")


def is_missing(value: object) -> bool:
    """Whether there is nothing to show: None, not-a-number, an empty text, or `Missing`.

    Example:
        >>> [is_missing(value) for value in (None, math.nan, "", Missing("not run"), 0)]
        [True, True, True, True, False]
    """
    if value is None or isinstance(value, Missing) or value == "":
        return True
    return isinstance(value, Real) and math.isnan(value)


def number(value: float | None) -> str:
    """A number: whole ones in full with separators, others to three significant digits.

    Example:
        >>> [number(value) for value in (16384, 0.0512, 12.345, 98765.4, -0.5, math.nan)]
        ['16,384', '0.0512', '12.3', '98,765', '−0.500', '–']
    """
    if value is None or math.isnan(value):
        return MISSING
    if value < 0:
        return MINUS + number(-value)
    if isinstance(value, Integral) or value == 0:
        return f"{int(value):,}"
    if math.isinf(value):
        return "∞"
    exponent = int(f"{value:.{_SIGNIFICANT - 1}e}".partition("e")[2])  # after rounding: 9.999 becomes 10.0
    if -5 < exponent < 15:
        return f"{value:,.{max(0, _SIGNIFICANT - 1 - exponent)}f}"
    mantissa = f"{value:.{_SIGNIFICANT - 1}e}".partition("e")[0]
    return f"{mantissa}{SPACE}×{SPACE}10{str(exponent).translate(_SUPERSCRIPT)}"


def interval(value: Interval) -> str:
    r"""A certified range; `not reached` where neither end is known.

    Example:
        >>> [interval(Interval(*ends)) for ends in ((12, 15), (12, None), (None, 15), (7, 7), (None, None))]
        ['12–15', '≥\xa012', '≤\xa015', '7', 'not reached']
    """
    low, high = value.low, value.high
    if low is None and high is None:
        return "not reached"
    if high is None:
        return f"≥{SPACE}{number(low)}"
    if low is None:
        return f"≤{SPACE}{number(high)}"
    return number(low) if low == high else f"{number(low)}–{number(high)}"


def percent(share: float | None, digits: int = 1) -> str:
    r"""A share as a percentage; what is not quite all or nothing is not rounded to it.

    Example:
        >>> [percent(share) for share in (0.98765, 1.0, 0.99999, 0.0, 0.0001, -0.012)]
        ['98.8\xa0%', '100.0\xa0%', '>\xa099.9\xa0%', '0.0\xa0%', '<\xa00.1\xa0%', '−1.2\xa0%']
    """
    if share is None or math.isnan(share):
        return MISSING
    smallest = 10.0**-digits
    if share < 0:
        text = percent(-share, digits)
        return f">{SPACE}{MINUS}{text[2:]}" if text.startswith("<") else MINUS + text
    if share > 0 and 100 * share < smallest / 2:
        return f"<{SPACE}{smallest:.{digits}f}{SPACE}%"
    if share < 1 and round(100 * share, digits) >= 100:
        return f">{SPACE}{100 - smallest:.{digits}f}{SPACE}%"
    return f"{100 * share:,.{digits}f}{SPACE}%"


def ratio(value: float | None) -> str:
    """How many times.

    Example:
        >>> [ratio(value) for value in (7.84, 0.5, 132.2)]
        ['7.8×', '0.50×', '132×']
    """
    if value is None or math.isnan(value):
        return MISSING
    return f"{value:,.{0 if value >= 100 else 1 if value >= 1 else 2}f}×"


def compact(count: float | None) -> str:
    r"""A large count in thousands, millions or billions.

    Example:
        >>> [compact(count) for count in (0, 950, 12_345, 398_136_320, 2.5e9)]
        ['0', '950', '12.3\xa0k', '398\xa0M', '2.50\xa0G']
    """
    return _scaled(count, 1000, ("", "k", "M", "G", "T"))


def axis_count(count: float) -> str:
    r"""A round count on an axis, without needless digits.

    Example:
        >>> [axis_count(count) for count in (0.0, 100.0, 1000.0, 10_000.0, 2_500_000.0)]
        ['0', '100', '1,000', '10\xa0k', '2.5\xa0M']
    """
    if count < 10_000:
        return f"{count:,g}"
    digits, space, unit = compact(count).partition(SPACE)
    return (digits.rstrip("0").rstrip(".") if "." in digits else digits) + space + unit


def axis_number(value: float) -> str:
    """A round number on an axis, of any sign and size.

    Example:
        >>> [axis_number(value) for value in (-0.25, 0.0, 30.0, 2e-7)]
        ['−0.25', '0', '30', '2e−07']
    """
    return f"{value:g}".replace("-", MINUS)


def order_key(value: object) -> float | None:
    """Where a quantity stands among others when they are sorted; None for what is missing, words and lists.

    A certified range stands at its middle, and with one known end there.

    Example:
        >>> [order_key(value) for value in (2048, Interval(3, 5), Interval(7, None), math.nan, "conv1", True)]
        [2048.0, 4.0, 7.0, None, None, None]
    """
    if isinstance(value, Interval):
        ends = [end for end in (value.low, value.high) if end is not None]
        return sum(ends) / len(ends) if ends else None
    if is_missing(value) or isinstance(value, bool) or not isinstance(value, Real):
        return None
    return float(value)


def storage(size: float | None) -> str:
    r"""A size given in bytes; a MB is 2^20 bytes.

    Example:
        >>> [storage(size) for size in (512, 30_000, 80_164_904)]
        ['512\xa0B', '29.3\xa0kB', '76.5\xa0MB']
    """
    return _scaled(size, 1024, ("B", "kB", "MB", "GB", "TB"))


def milliseconds(value: float | None) -> str:
    r"""A duration given in milliseconds.

    Example:
        >>> milliseconds(1.2345), milliseconds(None)
        ('1.23\xa0ms', '–')
    """
    return MISSING if value is None or math.isnan(value) else f"{number(value)}{SPACE}ms"


def cell(value: object) -> str:
    r"""Any value of a table by its type.

    Example:
        >>> [cell(value) for value in (2048, 0.25, Interval(3, None), True, None, "conv1", (1, 2))]
        ['2,048', '0.250', '≥\xa03', 'yes', '–', 'conv1', '1, 2']
    """
    if is_missing(value):
        return MISSING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Interval):
        return interval(value)
    if isinstance(value, Real):
        return number(value)  # type: ignore[arg-type]  # numpy's scalars are Real without being float
    if isinstance(value, list | tuple):
        return ", ".join(cell(item) for item in value)
    return str(value)


def _scaled(value: float | None, base: int, units: tuple[str, ...]) -> str:
    """A count in the largest unit of which there is at least one."""
    if value is None or math.isnan(value):
        return MISSING
    step = 0
    while step < len(units) - 1 and value >= base * (1 - 0.5 * 10**-_SIGNIFICANT):
        value /= base
        step += 1
    text = number(int(value) if value == int(value) and (step == 0 or value == 0) else float(value))
    return f"{text}{SPACE}{units[step]}" if units[step] else text
