"""What is found where a network is to be read: points, weights, and what must be left out with the reason."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from torch import nn

from corank.network.layers import Layer, Point
from corank.network.through import Watched
from corank.network.weighted import ATTENTION, CONVOLUTION, LINEAR, RECURRENCE, TRANSPOSED, Weighted


@dataclass(frozen=True)
class Skipped:
    """A layer with weights that cannot be read, and why."""

    layer: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class Found:
    """A network that can be hooked at its points and its watched layers.

    Attributes:
        network: the very network, or its graph with probes.
        points: that are read.
        weights: all weight matrices of the network.
        watched: layers whose norms are taken.
        skipped: layers with weights that a pattern names and that cannot be read.
        unwatched: layers with weights whose norms cannot be taken.
    """

    network: nn.Module
    points: tuple[Point, ...]
    weights: tuple[Weighted, ...]
    watched: tuple[Watched, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    unwatched: tuple[Skipped, ...] = ()


def is_pattern(layer: Layer) -> bool:
    """Whether a layer's name may stand for several."""
    return isinstance(layer, str) and any(sign in layer for sign in "*?[")


def is_meant(path: str, wanted: Sequence[Layer]) -> bool:
    """Whether one of the wanted patterns fits the name of a module."""
    return any(is_pattern(layer) and fnmatchcase(path, str(layer)) for layer in wanted)


def layer_of(weighted: Weighted) -> str:
    """The module that a matrix belongs to; one of several matrices is named after its parameter."""
    has_several = weighted.kind in (RECURRENCE, ATTENTION) or "weight" in weighted.name.rpartition(".")[2]
    return weighted.name.rpartition(".")[0] if has_several else weighted.name


def unwatched_of(weights: Sequence[Weighted], watched: Sequence[str], reasons: dict[str, str]) -> tuple[Skipped, ...]:
    """The matrices that are not watched, each with a reason: its own, or what its kind tells."""
    left_out = []
    for weighted in weights:
        if weighted.name not in watched:
            kind = weighted.kind
            is_layer = kind in (LINEAR, CONVOLUTION, TRANSPOSED)
            told = "it did not run as a layer of its own" if is_layer else f"{kind}: it is not known how it is applied"
            left_out.append(Skipped(weighted.name, reasons.get(weighted.name, told)))
    return tuple(left_out)
