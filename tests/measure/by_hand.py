"""A layer observed by hand: rows, gradients and held-out samples as a pass over data would show them."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from corank.linalg import FrequentDirections
from corank.measure import LayerMeasure
from corank.measure.observing import LayerBatch, Observed
from corank.network import Point


def sketch_of(rows: Tensor, size: int) -> FrequentDirections:
    """One more row than features makes it exact."""
    features = rows.shape[1]
    dtype = rows.dtype if rows.dtype == torch.float64 else torch.float32
    return FrequentDirections(min(size, features + 1), features, dtype=dtype).update(rows)


def result_by_hand(
    measure: LayerMeasure[Any],
    heldout: Tensor,
    labels: Tensor,
    *,
    rows: Tensor | None = None,
    gradients: Tensor | None = None,
    logits: Tensor | None = None,
    classes: int | None = None,
    batch: int = 37,
) -> Any:
    """What a measure finds at a layer.

    Args:
        measure: it says by `needs` what is kept.
        heldout: `(m, n)`, or `(m, T, n)` for samples of T tokens.
        labels: `(m,)` of these.
        rows: `(R, n)` that go into the sketch; those held out if not given.
        gradients: `(R, n)` as well.
        logits: `(m, C)` of the held-out samples; zeros if not given.
        classes: one more than the largest label if not given.
        batch: samples in a batch.
    """
    needs, features = measure.needs(), heldout.shape[-1]
    seen = heldout.reshape(-1, features) if rows is None else rows
    layer = Observed(
        point=Point(label="body", index=3),
        features=features,
        layout="",
        classes=1 + max(labels.tolist(), default=0) if classes is None else classes,
    )
    observer = measure.observer(layer)
    if needs.activations:
        layer.activations = sketch_of(seen, needs.activations)
    if needs.gradients:
        layer.gradients = sketch_of(seen if gradients is None else gradients, needs.gradients)
    said = torch.zeros(len(labels), layer.classes) if logits is None else logits
    for part in seen.split(batch):
        observer.update(_batch(part, torch.zeros(len(part)).long(), torch.zeros(len(part), layer.classes)))
    parts = zip(heldout.split(batch), labels.split(batch), said.split(batch), strict=True) if len(labels) else ()
    for one, y, said_of_it in parts:
        layer.heldout.append(one.reshape(-1, features))
        layer.heldout_labels.append(y)
        observer.update_heldout(_batch(layer.heldout[-1], y, said_of_it))
    return observer.result()


def _batch(rows: Tensor, labels: Tensor, logits: Tensor) -> LayerBatch:
    return LayerBatch(activations=rows, gradients=None, labels=labels, logits=logits, losses=None)


def chance(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def normal(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(*shape, generator=chance(seed), dtype=dtype)
