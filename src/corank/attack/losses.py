"""What an attack makes larger: functions of logits and classes, one number a sample.

All are meant to leave a class; `towards` turns one into a loss that grows as inputs near a class.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from corank.errors import InputError

Loss = Callable[[Tensor, Tensor], Tensor]
"""From logits `(m, C)` and classes `(m,)` to one number a sample, `(m,)`."""


def cross_entropy(logits: Tensor, classes: Tensor) -> Tensor:
    """Minus the logarithm of the probability of each class; its gradient fades where the network is sure."""
    return functional.cross_entropy(logits, classes, reduction="none")


def margin(logits: Tensor, classes: Tensor) -> Tensor:
    """How far the best other logit lies above that of each class: positive where that is not the largest.

    Example:
        >>> margin(torch.tensor([[3.0, 1.0, 2.0]]), torch.tensor([0]))
        tensor([-1.])
    """
    own = logits.gather(1, classes[:, None])
    others = logits.scatter(1, classes[:, None], -torch.inf)
    return others.amax(1) - own[:, 0]


def logits_ratio(logits: Tensor, classes: Tensor) -> Tensor:
    """The margin over the distance from the largest to the third largest logit (Croce & Hein 2020, eq. 6: DLR).

    It does not change where all logits are multiplied by a number. With two classes there is no third, and the margin
    is divided by the distance of the two.
    """
    ordered = logits.sort(1, descending=True).values
    return margin(logits, classes) / (ordered[:, 0] - ordered[:, min(2, logits.shape[1] - 1)] + 1e-12)


def towards(loss: Loss) -> Loss:
    """The loss that grows as inputs near a class instead of leaving it."""
    return lambda logits, classes: -loss(logits, classes)


def difference(logits: Tensor, pairs: Tensor) -> Tensor:
    """The logit of the first class of each pair `(m, 2)` minus that of the second."""
    both = logits.gather(1, pairs)
    return both[:, 0] - both[:, 1]


LossName = Literal["cross-entropy", "margin", "logits-ratio"]
LOSSES: dict[str, Loss] = {"cross-entropy": cross_entropy, "margin": margin, "logits-ratio": logits_ratio}


def loss_named(name: str) -> Loss:
    """The loss that goes by a name.

    Raises:
        InputError: there is none.
    """
    if name not in LOSSES:
        raise InputError(f"loss must be one of {', '.join(LOSSES)}, got {name!r}")
    return LOSSES[name]
