"""Weights that pass through a map whenever they are used in training; afterwards the mapped weights stay.

What the baselines share: the map is a parametrisation of torch, and its buffers are kept in checkpoints. The plain
network is copied before it gets one: a copy made later would share it.
"""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase

import torch
from torch import nn

from corank.defend.base import Bounds, Course, Defence, Plan
from corank.errors import InputError, near
from corank.measure import Batches
from corank.network import evaluation_mode, unwrapped
from corank.network.wrapper import prefix_of


@dataclass(frozen=True, kw_only=True)
class Parametrised(Defence, ABC):
    """The base of defences that map weights.

    Attributes:
        layer: names or globs of the layers whose weights are mapped.
    """

    layer: tuple[str, ...] = ("*",)

    def __post_init__(self) -> None:
        if not self.layer:
            raise InputError("layer must name at least one layer or glob, got none")

    def _plan(self, network: nn.Module, batches: Batches, course: Course, bounds: Bounds) -> Plan:
        chosen = dict(weighted_modules(network, self.layer))
        bare = copy.deepcopy(network)
        self._map(network, chosen, batches)

        def plain() -> nn.Module:
            """The bare network with the weights as they are mapped and all else as it was learnt."""
            with torch.no_grad(), evaluation_mode(network):
                mapped = {f"{prefix_of(network)}{name}.weight": module.weight for name, module in chosen.items()}
            whole = copy.deepcopy(bare)
            whole.load_state_dict({name: {**network.state_dict(), **mapped}[name] for name in whole.state_dict()})
            return whole

        return Plan(network=network, plain=plain, course=course)

    @abstractmethod
    def _map(self, network: nn.Module, chosen: dict[str, nn.Module], batches: Batches) -> None:
        """Register the parametrisations of the chosen modules."""


def weighted_modules(network: nn.Module, layers: tuple[str, ...]) -> Iterator[tuple[str, nn.Module]]:
    """The modules with a weight of two or more dimensions that a name or glob means.

    Raises:
        InputError: there is none.

    Example:
        >>> net = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2), nn.Linear(2, 2))
        >>> [name for name, _ in weighted_modules(net, ("*",))]
        ['0', '2']
    """
    named = {
        name: module
        for name, module in unwrapped(network).named_modules()
        if isinstance(getattr(module, "weight", None), nn.Parameter) and module.weight.ndim > 1
    }
    for pattern in layers:
        if not any(fnmatchcase(name, pattern) for name in named):
            raise InputError(f"no layer with weights matches {pattern!r}: {near(pattern, named)}")
    return ((name, module) for name, module in named.items() if any(fnmatchcase(name, glob) for glob in layers))
