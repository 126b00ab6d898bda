"""What all methods offer for one budget."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from corank.compress.race import polynomials, prunings, reductions
from corank.compress.race.allowance import Allowance, largest
from corank.compress.race.candidate import PRUNING
from corank.compress.race.course import REDUCED_PLACES, Course
from corank.compress.race.ladder import Choice, Ladder, chosen, smallest
from corank.compress.race.polynomials import Polynomials, asnets
from corank.compress.race.prunings import PrunedPolynomials, PrunedReductions, pruned_cuts
from corank.compress.race.reductions import rons
from corank.compress.reduced.stages import tail_of
from corank.errors import InputError
from corank.measure import OnDevice

NO_PLACE = "no place behind a part that would have to be narrowed has an end that it can replace within the budget"


class Field(NamedTuple):
    """What was chosen of every method, and why methods have nothing to choose from."""

    choices: list[Choice[Any]]
    left: tuple[str, ...]


def field(course: Course, allowance: Allowance, multiple: int, batches: OnDevice) -> Field:
    """The sizes that every method offers within a budget; of a method that has none those that exceed it least.

    Args:
        course: the network as it was measured.
        allowance: the budget.
        multiple: of which widths are multiples.
        batches: training batches, where the network is.
    """
    left = []
    ladders: list[Ladder[Any]] = [*_timed_few(asnets(course, batches), allowance), *rons(course, allowance, multiple)]
    if not course.places:
        left.append(f"{polynomials.NAME} is not in the race: there is no hidden layer through which everything flows")
    if course.tail is None:
        left.append(f"{reductions.NAME} is not in the race: {_refusal(course)}")
    try:
        ladders += prunings.prunings(course, multiple)
        ladders += pruned_cuts(course, allowance, multiple, batches)
    except InputError as error:
        left.append(f"{PRUNING} is not in the race: {error}")
    else:
        without = {PrunedPolynomials.method, PrunedReductions.method} - {ladder.method for ladder in ladders}
        left += [f"{method} is not in the race: {NO_PLACE}" for method in sorted(without)]
    choices: list[Choice[Any]] = []
    for method in dict.fromkeys(ladder.method for ladder in ladders):
        own = [ladder for ladder in ladders if ladder.method == method]
        fitting = [choice for ladder in own if (choice := chosen(ladder, allowance))]
        choices += {choice.key: choice for choice in fitting}.values() if fitting else [_nearest(own, allowance)]
    return Field(choices, tuple(left))


def _timed_few(ladders: list[Polynomials], allowance: Allowance) -> list[Polynomials]:
    """All of them, or where each must be timed the deepest few that are fast enough, or else the shallowest."""
    if not allowance.is_timed or not ladders:
        return ladders
    last = largest(
        ladders,
        lambda one: smallest(one, allowance).reached <= allowance.limit,
    )
    return ladders[:1] if last is None else ladders[max(0, last + 1 - REDUCED_PLACES) : last + 1]


def _nearest(ladders: Sequence[Ladder[Any]], allowance: Allowance) -> Choice[Any]:
    """The smallest network of a method."""
    return smallest(min(ladders, key=lambda ladder: allowance.foretold(ladder.cost(ladder.rungs[0]))), allowance)


def _refusal(course: Course) -> str:
    """Why no end of a network can be reduced."""
    try:
        tail_of(course.layers, course.layers.network.input_node)
    except InputError as error:
        return str(error)
    return "it has no hidden layer"
