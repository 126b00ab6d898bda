"""Proximal stochastic gradient: after every step of an optimiser, the proximal maps of penalties.

`theta <- prox_(a lambda R)(theta - a g)` with the step size a of the parameter's own group, as the schedule has it at
that step (Cui et al. 2020, "Active Subspace of Neural Networks", section 3.6, eq. 3.19 to 3.21; eq. 3.20 prints
argmax for argmin). Weights become exactly zero, or of low rank, which a penalty in the loss never achieves.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, final

import torch
from torch import nn
from torch.optim import SGD, Optimizer

from corank.errors import InputError
from corank.train.penalties.base import Penalty


@final
@dataclass(frozen=True, kw_only=True)
class ProximalSteps:
    """An optimiser for the fitting loop whose steps end with a penalty's proximal map.

    The penalty is not to be given to the loop as well, whose loss then is the objective alone. Only parameters that
    the optimiser has and that require a gradient are mapped, each weight by itself, with the threshold
    `step size of its group * strength`. Under an optimiser with momentum or adaptive steps the threshold is the
    same, so its fixed points are others than those of plain gradient steps.

    Args:
        network: whose weights the penalty chooses.
        penalty: a sum of terms of one weight each.
        optimiser: from parameter groups to the optimiser; the method of the paper is plain gradient steps.

    Raises:
        InputError: when applied, a glob that no weight matches, or no weight of it is trained.

    Example:
        >>> from functools import partial
        >>> from corank.train import L1, fit
        >>> network = nn.Linear(3, 2)
        >>> x = torch.cartesian_prod(*[torch.tensor([-1.0, 1.0])] * 3)
        >>> y = (x[:, 1] > 0).long()  # the second input alone tells the class
        >>> steps = ProximalSteps(network=network, penalty=L1(strength=0.1), optimiser=partial(SGD, lr=0.5))
        >>> _ = fit(network, [(x, y)], epochs=100, optimiser=steps)
        >>> (network.weight != 0).any(0).tolist()
        [False, True, False]
    """

    network: nn.Module
    penalty: Penalty
    optimiser: Callable[[Any], Optimizer] = SGD

    def __call__(self, parameters: Any) -> Optimizer:
        """The optimiser over parameters or parameter groups, with the proximal map behind its steps."""
        made = self.optimiser(parameters)
        chosen = {id(weight) for weight in self.penalty.weights(self.network).values()}
        trained = [
            [value for value in group["params"] if id(value) in chosen and value.requires_grad]
            for group in made.param_groups
        ]
        if not any(trained):
            raise InputError(
                f"the penalty on {self.penalty.layers!r} must have a weight that is trained, got none: choose others"
            )
        for group in made.param_groups:
            group["penalty"] = repr(self.penalty)  # so that a checkpoint knows which it was

        @torch.no_grad()
        def map_weights(optimiser: Optimizer, *_: Any) -> None:
            for group, weights in zip(optimiser.param_groups, trained, strict=True):
                threshold = float(group["lr"]) * self.penalty.strength
                for weight, mapped in zip(weights, self.penalty.proximal(weights, threshold), strict=True):
                    weight.copy_(mapped)

        made.register_step_post_hook(map_weights)
        return made
