"""The difference of two logits of each input and its gradient, from one pass forward and one back."""

from __future__ import annotations

import torch
from torch import Tensor

from corank.errors import InputError
from corank.network.adapted import Adapted


def logit_difference(network: Adapted, x: Tensor, classes: Tensor) -> tuple[Tensor, Tensor]:
    """`f_a - f_b` and its gradient in the input.

    Args:
        network: in evaluation mode.
        x: `(m, ...)` inputs.
        classes: `(m, 2)` a and b of each.

    Returns:
        `(m,)` differences and `(m, ...)` gradients.

    Raises:
        InputError: logits of another form, classes that the network does not have, an input without a way to them.
    """
    given = x.detach().requires_grad_()
    logits = network(given)
    if logits.ndim != 2 or len(logits) != len(x):
        raise InputError(f"logits must be ({len(x)}, C), a row for each input, got {tuple(logits.shape)}")
    if int(classes.max()) >= logits.shape[1]:
        raise InputError(f"the classes must be below the network's {logits.shape[1]}, got {int(classes.max())}")
    chosen = logits.gather(1, classes)
    g = chosen[:, 0] - chosen[:, 1]
    if not g.requires_grad:
        raise InputError("no gradient reaches the input of the network: it must be differentiable")
    (gradient,) = torch.autograd.grad(g.sum(), given, allow_unused=True)
    return g.detach(), torch.zeros_like(given) if gradient is None else gradient
