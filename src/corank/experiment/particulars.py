"""What the page of a compressed network tells of its own kind, beside what it tells of all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from corank.network import Cost
from corank.report import Section


@dataclass(frozen=True, kw_only=True)
class Part:
    """A row of the table of costs.

    Attributes:
        name: of the part.
        cost: what it costs.
        stands_for: the cost of the part of the original network in its place; None where there is none.
    """

    name: str
    cost: Cost
    stands_for: Cost | None = None


@dataclass(frozen=True, kw_only=True)
class Particulars:
    """What one kind of compressed network adds to its page.

    Attributes:
        summary: sentences that follow on accuracy and cost at the top.
        parts: of the compressed network, each with its cost.
        replaced: parts of the original network that are there no more.
        costs: that are drawn beside the overall cost, by name.
        sections: that come last on the page.
    """

    summary: tuple[str, ...] = ()
    parts: tuple[Part, ...] = ()
    replaced: tuple[Part, ...] = ()
    costs: Mapping[str, Cost] = field(default_factory=dict)
    sections: tuple[Section, ...] = ()
