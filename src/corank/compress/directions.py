"""Which directions of the features at a cut are kept: active ones, of the loss or of all outputs, or others."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from torch import Tensor, nn

from corank.errors import InputError
from corank.measure import ActivationSpectrum, ActiveSubspace, Batches
from corank.measure.labelling import Labelling
from corank.network import Layer

DirectionsName = Literal["active", "jacobian", "principal", "all"]


@dataclass(frozen=True, eq=False)
class Directions:
    """Directions at a layer.

    Attributes:
        vectors: `(r, n)` orthonormal rows; None for all features.
        captured_heldout: see `ASNetwork.captured_heldout`; not a number without held-out samples.
    """

    vectors: Tensor | None
    captured_heldout: float


def find_directions(
    network: nn.Module, layer: Layer, batches: Batches, *, kind: DirectionsName, rank: int, samples: int | None
) -> Directions:
    """The leading directions of a kind at a layer.

    Args:
        network: any `nn.Module`.
        layer: one layer.
        batches: training batches.
        kind: "active", those of the loss gradient; "jacobian", those of the gradients of all outputs, which do not fade
            where the network is sure; "principal", those in which the features vary most; "all".
        rank: how many; without meaning for "all".
        samples: that determine them, beside those held out; None takes all data.

    Raises:
        InputError: fewer directions than wanted.
    """
    if kind == "all":
        return Directions(None, 1.0)
    if kind in ("active", "jacobian"):
        labels: Labelling = "true" if kind == "active" else "logits"
        active = ActiveSubspace(layer=layer, rank=rank, samples=samples, labels=labels, replicates=0)
        gradients = active.measure(network, batches).layers[0]
        found, why, seen = Directions(gradients.directions, gradients.captured_heldout), "gradients", gradients.samples
    else:
        principal = ActivationSpectrum(layer=layer, rank=rank, samples=samples, centred=True)
        features = principal.measure(network, batches).layers[0]
        shares = features.captured_heldout_by_rank
        found = Directions(features.directions, shares[-1] if shares else math.nan)
        why, seen = "varying features", features.samples
    assert found.vectors is not None
    if len(found.vectors) < rank:
        raise InputError(
            f"rank {rank} needs as many directions with {why}, the {seen} samples have {len(found.vectors)}: lower the "
            "rank or give more samples"
        )
    return found
