"""From a network and data to numbers."""

from corank.measure.active_subspace import ActiveLayer, ActiveNeurons, ActiveSubspace, ActiveSubspaces
from corank.measure.base import Batches, Measure, Measurement, OnDevice, first_batch, first_that_fits, taking
from corank.measure.heldout import HeldOut

__all__ = [
    "ActiveLayer",
    "ActiveNeurons",
    "ActiveSubspace",
    "ActiveSubspaces",
    "Batches",
    "HeldOut",
    "Measure",
    "Measurement",
    "OnDevice",
    "first_batch",
    "first_that_fits",
    "taking",
]
