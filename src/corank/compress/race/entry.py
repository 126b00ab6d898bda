"""A candidate together with how its network is had."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from torch import nn

from corank.compress.race.candidate import Candidate
from corank.network import GraphNetwork, capture, compose, free_name


@dataclass(frozen=True, kw_only=True, eq=False)
class Built:
    """A network before any training.

    Attributes:
        network: the network.
        new: what the names of its new layers' parameters begin with; nothing where there are none.
        is_narrow: whether channels of what was kept are gone.
    """

    network: GraphNetwork
    new: str | tuple[str, ...]
    is_narrow: bool = False


@dataclass(frozen=True, kw_only=True, eq=False)
class Entry:
    """What a method would make of a network.

    Attributes:
        candidate: its accounts.
        make: makes the network.
        choice: what was chosen of a method.
    """

    candidate: Candidate
    make: Callable[[], Built]
    choice: Any  # a `Choice`, which knows entries

    @cached_property
    def built(self) -> Built:
        """The network, made once."""
        return self.make()


def finished(pre: GraphNetwork, shape: tuple[int, ...], head: nn.Module, name: str) -> Built:
    """A kept part with a new end.

    Args:
        pre: the kept part.
        shape: of one sample at its end.
        head: the new end.
        name: that its parameters get, if it is free.
    """
    like = next(pre.parameters(), next(head.parameters()))
    own = free_name(pre, name)
    return Built(network=compose(pre, capture(head, like.new_zeros(2, *shape)), own), new=f"{own}.")
