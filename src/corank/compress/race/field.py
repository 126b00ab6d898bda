"""All candidates for one budget, of all methods."""

from __future__ import annotations

from corank.compress.race.allowance import Allowance
from corank.compress.race.course import Course
from corank.compress.race.entry import Entry
from corank.compress.race.polynomials import asnets
from corank.compress.race.prunings import NAME, pruned_cuts, prunings
from corank.compress.race.reductions import rons
from corank.errors import InputError
from corank.measure import OnDevice


def field(course: Course, allowance: Allowance, multiple: int, batches: OnDevice) -> tuple[list[Entry], str]:
    """The candidates, and why a method has none.

    Args:
        course: the network as it was measured.
        allowance: the budget.
        multiple: of which widths are multiples.
        batches: training batches, where the network is.
    """
    found = [*asnets(course, allowance, batches), *rons(course, allowance, multiple)]
    try:
        found += prunings(course, allowance, multiple)
        found += pruned_cuts(course, allowance, multiple, batches)
    except InputError as error:
        return found, f"{NAME} is not in the race: {error}"
    return found, ""
