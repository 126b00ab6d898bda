"""New layers for a cut network, however they were fitted, with what is known of their error."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from corank.compress.lemmas import LossBounds, Outcomes, loss_bounds
from corank.compress.samples import Drawn, Samples

HeadName = Literal["polynomial", "logistic"]
CHUNK = 1024


@dataclass(frozen=True, kw_only=True)
class Head:
    """New layers and their error; the attributes but for the module are those of `ASNetwork`."""

    module: nn.Module
    rank: int
    order: int
    terms: int
    samples: int
    residual: float
    residual_heldout: float
    variance: float
    chosen: str
    bounds: LossBounds | None


def judged(
    module: nn.Module,
    drawn: Drawn,
    outputs: Callable[[Tensor], Tensor],
    *,
    order: int,
    terms: int,
    chosen: str,
    samples: int | None = None,
    is_of_logits: bool = True,
) -> Head:
    """New layers with their distance to the network's logits.

    Args:
        module: the layers.
        drawn: what they were fitted to.
        outputs: from coordinates `(B, r)` to the outputs `(B, classes)` that the layers give there, as deployed.
        order: of the polynomial.
        terms: its number of basis functions.
        chosen: what the fit decided, in words.
        samples: how many determined the coefficients, if not all.
        is_of_logits: whether they were fitted to the logits, so that the lemmas bound something.
    """

    def outcomes(part: Samples) -> Outcomes:
        fitted = torch.cat([outputs(z) for z in torch.split(part.z, CHUNK)]).double()
        return Outcomes(z=part.z, logits=part.logits, fitted=fitted, labels=part.labels)

    seen, unseen = outcomes(drawn.fitted), outcomes(drawn.heldout)
    spread = seen.logits - seen.logits.mean(0)
    return Head(
        module=module,
        rank=seen.z.shape[1],
        order=order,
        terms=terms,
        samples=len(seen.z) if samples is None else samples,
        residual=float(seen.squared_residuals.mean()),
        residual_heldout=float(unseen.squared_residuals.mean()),
        variance=float(spread.square().sum(1).mean()),
        chosen=chosen,
        bounds=loss_bounds(seen, unseen, order) if is_of_logits else None,
    )
