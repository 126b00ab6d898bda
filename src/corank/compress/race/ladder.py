"""Networks of one method from one place, from the smallest to the largest, and the one that a budget allows.

Sizes are chosen by what networks would cost; only the one that is taken is made.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from torch import nn

from corank.compress.race.allowance import Allowance, largest
from corank.compress.race.candidate import Candidate
from corank.compress.race.entry import Built, Entry
from corank.network import Cost

GRANULARITY = 0.02  # a budget is used where no more than this share of it is left
DOUBTFUL = 1.3  # a latency up to so many times the budget is measured twice, for disturbances only make it longer
Size = TypeVar("Size")


@dataclass(frozen=True, kw_only=True, eq=False)
class Made:
    """A network of one size.

    Attributes:
        accuracy: on the judging samples.
        agreement: with the original network, there.
        build: makes the network as it is trained.
    """

    accuracy: float
    agreement: float
    build: Callable[[], Built]


class Ladder(ABC, Generic[Size]):
    """What a method can make from a place on.

    Attributes:
        method: its name.
        layer: the last one that is kept; None where none is cut away.
        rungs: sizes, in ascending order of cost.
        beyond: a size larger than all of these that is another ladder's, to be timed beside the last one; or none.
    """

    method: str
    layer: str | None
    rungs: Sequence[Size]
    beyond: Sequence[Size] = ()

    @abstractmethod
    def cost(self, size: Size) -> Cost:
        """Of the network of that size."""

    @abstractmethod
    def sizes(self, size: Size) -> tuple[int, ...]:
        """The size in numbers."""

    @abstractmethod
    def timed(self, size: Size) -> nn.Module:
        """A network that is as fast, with any numbers."""

    @abstractmethod
    def made(self, size: Size) -> Made:
        """The network and how well it works."""

    def best(self, rungs: Sequence[Size]) -> Size:
        """Of the rungs within a budget the one that is taken: the widest, where nothing else is known."""
        return rungs[-1]

    def wider(self, size: Size) -> Iterable[Size]:
        """Sizes that are larger in one layer, by as little as can be."""
        return ()


@dataclass(frozen=True, kw_only=True, eq=False)
class Choice(Generic[Size]):
    """A size that was chosen, before its network is made.

    Attributes:
        ladder: which has it.
        size: of the network.
        reached: how much of the budgeted quantity it takes.
    """

    ladder: Ladder[Size]
    size: Size
    reached: float

    @property
    def key(self) -> tuple[str, str | None, tuple[int, ...]]:
        """Method, place and sizes, which make a network this one."""
        return self.ladder.method, self.ladder.layer, self.ladder.sizes(self.size)

    def entered(self, allowance: Allowance) -> Entry:
        """The network, made and judged."""
        ladder, size, made = self.ladder, self.size, self.ladder.made(self.size)
        candidate = Candidate(
            method=ladder.method, layer=ladder.layer, sizes=ladder.sizes(size), cost=ladder.cost(size),
            reached=self.reached, fits=self.reached <= allowance.limit,
            latency_ms=self.reached if allowance.is_timed else None, accuracy=made.accuracy, agreement=made.agreement,
        )  # fmt: skip
        return Entry(candidate=candidate, make=made.build, choice=self)


def chosen(ladder: Ladder[Size], allowance: Allowance) -> Choice[Size] | None:
    """The size that a ladder offers within a budget; None where that is less than its smallest network.

    A budget of multiply-adds, parameters or storage is filled up layer by layer where the rungs are too far apart. In
    one of milliseconds it is always the last rung that is fast enough.
    """
    amounts: dict[int, float] = {}

    def fits(place: int) -> bool:
        amounts[place] = amount_of(ladder, ladder.rungs[place], allowance)
        if allowance.is_timed and allowance.limit < amounts[place] < DOUBTFUL * allowance.limit:
            amounts[place] = min(amounts[place], amount_of(ladder, ladder.rungs[place], allowance))
        return amounts[place] <= allowance.limit

    place = largest(range(len(ladder.rungs)), fits)
    if place is None:
        return None
    if allowance.is_timed:
        return Choice(ladder=ladder, size=ladder.rungs[place], reached=amounts[place])
    size = filled(ladder, ladder.best(ladder.rungs[: place + 1]), allowance)
    return Choice(ladder=ladder, size=size, reached=amount_of(ladder, size, allowance))


def smallest(ladder: Ladder[Size], allowance: Allowance) -> Choice[Size]:
    """The smallest network of a ladder, within the budget or not."""
    size = ladder.rungs[0]
    return Choice(ladder=ladder, size=size, reached=amount_of(ladder, size, allowance))


def filled(ladder: Ladder[Size], size: Size, allowance: Allowance) -> Size:
    """A size grown by single steps, the most expensive that fits first, until nearly all of a budget is used."""
    amount = amount_of(ladder, size, allowance)
    while amount < (1 - GRANULARITY) * allowance.limit:
        larger = {amount_of(ladder, wider, allowance): wider for wider in ladder.wider(size)}
        fitting = [other for other in larger if amount < other <= allowance.limit]
        if not fitting:
            break
        amount = max(fitting)
        size = larger[amount]
    return size


def amount_of(ladder: Ladder[Size], size: Size, allowance: Allowance) -> float:
    """How much of a budgeted quantity a network takes."""
    return allowance.amount(ladder.cost(size), lambda: ladder.timed(size))
