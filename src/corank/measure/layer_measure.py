"""The base of the measures that look at layers while data go through the network, and the options they all have."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, Literal, get_args

from torch import nn

from corank.discover import name_of
from corank.errors import InputError
from corank.measure.base import Batches, Measure, Measurement
from corank.measure.observing import LayerResult, Needs, Observed, Observer, Passed
from corank.measure.running import run_pass
from corank.network import Layer

Precision = Literal["32-true", "bf16-mixed", "16-mixed"]
Tokens = Literal["flattened", "kept"]
SAMPLES = 4096


@dataclass(frozen=True, kw_only=True)
class PassOptions(Measure, ABC):
    """The options that every measure of layers has.

    Args:
        layer: a name, a glob, a convolution's number, `"*"`, or a tuple of these.
        samples: how many samples are measured, beside those held out; None takes all data.
        tokens: a sequence of tokens `(T, D)` as one row of `T D` features ("flattened") or as `T` rows ("kept").
        precision: "32-true" is the network's own, "bf16-mixed" and "16-mixed" run it under autocast.
        memory_mb: what sketches and held-out rows may take, in MB of 2^20 bytes; None takes half of the machine's.
        budget_seconds: after two thirds of it no further samples are taken, and when it is over only the first measure
            is still finished, the others being listed as left out; None for no limit.
        seed: of every random draw.

    Raises:
        InputError: an option out of its range.
    """

    layer: Layer | tuple[Layer, ...] = "*"
    samples: int | None = SAMPLES
    tokens: Tokens = "flattened"
    precision: Precision = "32-true"
    memory_mb: float | None = None
    budget_seconds: float | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if self.samples is not None and self.samples < 1:
            raise InputError(f"samples must be at least 1, got {self.samples}")
        for name, known in (("tokens", get_args(Tokens)), ("precision", get_args(Precision))):
            if getattr(self, name) not in known:
                raise InputError(f"{name} must be one of {', '.join(known)}, got {getattr(self, name)!r}")
        for name in ("memory_mb", "budget_seconds"):
            value = getattr(self, name)
            if value is not None and not (value > 0 and math.isfinite(value)):
                raise InputError(f"{name} must be positive, got {value}")
        if self.seed < 0:
            raise InputError(f"seed must be at least 0, got {self.seed}")


@dataclass(frozen=True, kw_only=True)
class LayerMeasure(PassOptions, ABC, Generic[LayerResult]):
    """The base of measures that look at layers while data go through the network."""

    @abstractmethod
    def needs(self) -> Needs:
        """What it needs of every layer."""

    def observer(self, layer: Observed) -> Observer[LayerResult] | None:
        """One for a layer; None where the measure needs no more than the pass keeps anyway."""
        return None

    @abstractmethod
    def conclude(self, layers: Sequence[LayerResult], passed: Passed) -> Measurement:
        """The measurement of all layers, in their order."""

    def _measure(self, network: nn.Module, batches: Batches) -> Measurement:
        name = name_of(type(self))
        found = run_pass(network, batches, self, {name: self})[name]
        if isinstance(found, InputError):
            raise found
        return found
