"""The unit in which a sketch holds its numbers, so that rows of any scale neither overflow nor vanish.

A unit is a power of two, hence exact to divide by. It follows the energy of everything seen, which only grows.
"""

from __future__ import annotations

import math


def unit_for(energy: float, unit: float, safe_exponent: int) -> float:
    """The unit to hold numbers in from now on: the one in use while the norm of everything stays near it.

    Args:
        energy: the sum of all squares seen, in the rows' own scale.
        unit: the one in use.
        safe_exponent: norms within 2^-s .. 2^s units are left as they are.

    Example:
        >>> unit_for(energy=100.0, unit=1.0, safe_exponent=30)
        1.0
        >>> unit_for(energy=2.0**-300, unit=1.0, safe_exponent=30) == 2.0**-150
        True
    """
    if energy == 0:
        return unit
    exponent = math.frexp(energy)[1] // 2
    if abs(exponent - math.log2(unit)) <= safe_exponent:
        return unit
    return 1.0 if abs(exponent) <= safe_exponent else 2.0**exponent
