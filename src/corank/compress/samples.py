"""What the new end of a cut network is fitted to: coordinates at the cut, the network's own logits, labels."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from corank.errors import InputError
from corank.measure import Batches, HeldOut, first_batch, taking
from corank.measure.labelling import check_labels
from corank.network import Cut, evaluation_mode


@dataclass(frozen=True, kw_only=True, eq=False)
class Samples:
    """Samples at a cut.

    Attributes:
        z: `(m, r)` coordinates along directions, float64; or `(m, n)` all features, as the network computes them.
        logits: `(m, classes)` of the network, float64.
        labels: `(m,)`.
    """

    z: Tensor
    logits: Tensor
    labels: Tensor


@dataclass(frozen=True, kw_only=True, eq=False)
class Drawn:
    """Samples for a fit, and others that take no part in it.

    Attributes:
        directions: `(r, n)` orthonormal rows; None for all features.
        fitted: those for the fit.
        heldout: the others; none where there were too few.
    """

    directions: Tensor | None
    fitted: Samples
    heldout: Samples

    def along(self, rows: slice) -> Drawn:
        """The same samples along some of the directions."""
        assert self.directions is not None
        fitted, heldout = (replace(part, z=part.z[:, rows]) for part in (self.fitted, self.heldout))
        return Drawn(directions=self.directions[rows], fitted=fitted, heldout=heldout)


@torch.no_grad()
def draw_samples(halves: Cut, directions: Tensor | None, batches: Batches, count: int) -> Drawn:
    """Run a cut network until there are as many samples as wanted.

    Args:
        halves: the network, cut.
        directions: `(r, n)` orthonormal rows; None for all features.
        batches: training batches, where the network is; every fifth sample of them is held out, up to a thousand.
        count: how many are wanted for the fit; all data if there are fewer.

    Raises:
        InputError: a label that names no class, or a batch that the network does not take.
    """

    def seen(x: Tensor, y: Tensor, where: str) -> Samples:
        features = halves.pre(x)
        logits = halves.post(features)
        try:
            check_labels(y, logits.shape[1])
        except InputError as error:
            raise InputError(f"{where}: {error}") from error
        rows = features.flatten(1)
        return Samples(z=rows if directions is None else (rows @ directions.T).double(), logits=logits, labels=y)

    heldout = HeldOut()
    first, _ = first_batch(batches)
    parts: list[Samples] = []
    drawn = 0
    with evaluation_mode(halves.pre), evaluation_mode(halves.post):
        for number, (x, y) in enumerate(batches):
            x, y = heldout.take(x, y)
            if len(x):
                with taking(number, x, first):
                    parts.append(seen(x, y, f"batch {number}"))
            drawn += len(x)
            if drawn >= count:
                break
        held = [seen(x, y, where) for where, x, y in heldout.merged(len(first))]
    return Drawn(
        directions=directions, fitted=_joined(parts, count), heldout=_joined(held or parts[:1], count if held else 0)
    )


def _joined(parts: list[Samples], count: int) -> Samples:
    """At most so many samples of several parts."""
    return Samples(
        z=torch.cat([part.z for part in parts])[:count],
        logits=torch.cat([part.logits for part in parts])[:count].double(),
        labels=torch.cat([part.labels for part in parts])[:count],
    )
