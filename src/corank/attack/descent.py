"""Projected gradient steps within a budget, with everything on their way recorded (Madry et al. 2018).

Any loss, several random starts, gradients averaged over several draws of a random network (Athalye et al. 2018), the
best inputs seen rather than the last. Each step takes one pass forward and backward, whose logits also say whether
the step before has fooled the network: recording costs nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from corank.attack.budget import Budget
from corank.attack.checks import check_counts, check_positive
from corank.attack.losses import Loss, cross_entropy, towards
from corank.attack.victim import Victim

STRIDE = 2.5  # radii that all steps together reach where no step size is given


@dataclass(frozen=True, kw_only=True)
class Steps:
    """How a descent goes.

    Args:
        steps: from each start.
        step_size: in the units of the budget; None takes 2.5 radii over the number of steps.
        loss: that is made larger; towards targets, smaller.
        restarts: starts, of which all but the first are random.
        random_start: whether the first start is random too, not the input itself.
        draws: gradients that each step averages, for networks that are random.
        stop: whether inputs that fool the network are left where they are; all others start again, if they may.

    Raises:
        InputError: a number that is not positive.
    """

    steps: int = 40
    step_size: float | None = None
    loss: Loss = cross_entropy
    restarts: int = 1
    random_start: bool = True
    draws: int = 1
    stop: bool = True

    def __post_init__(self) -> None:
        check_counts(steps=self.steps, restarts=self.restarts, draws=self.draws)
        if self.step_size is not None:
            check_positive(step_size=self.step_size)


@dataclass(frozen=True, kw_only=True, eq=False)
class Path:
    """What a descent saw on its way.

    Attributes:
        inputs: `(m, ...)` those that fooled the network, of these those of the largest loss; where none did, the ones
            of the largest loss.
        last: `(m, ...)` where the last start ended.
        fooled: `(restarts, steps + 1, m)` whether the inputs after so many steps fool the network; where an input was
            left, because it did, it still does.
        losses: `(restarts, steps + 1, m)` the loss of each; not a number where an input was left.
        last_fooled: `(m,)` whether those at the end of the last start did.
    """

    inputs: Tensor
    last: Tensor
    fooled: Tensor
    losses: Tensor

    @property
    def last_fooled(self) -> Tensor:
        """Whether the inputs at the end of the last start fool the network, `(m,)`."""
        return self.fooled[-1, -1]

    def fooled_within(self, steps: int, restarts: int = 1) -> Tensor:
        """Whether an input has fooled the network within so many steps of so many starts, `(m,)`."""
        return self.fooled[:restarts, : steps + 1].flatten(0, 1).any(0)


def descent(
    victim: Victim,
    x: Tensor,
    classes: Tensor,
    budget: Budget,
    options: Steps,
    generator: torch.Generator,
    *,
    targets: Tensor | None = None,
) -> Path:
    """Walk from inputs to where the loss is larger, within a budget and the victim's bounds.

    Args:
        victim: the network.
        x: `(m, ...)` inputs.
        classes: `(m,)` that are to be left.
        budget: of the perturbations.
        options: steps, loss and starts.
        generator: of the starts.
        targets: `(m,)` classes to be reached instead.
    """
    goal = classes if targets is None else targets
    loss = options.loss if targets is None else towards(options.loss)
    stride = options.step_size if options.step_size is not None else STRIDE * budget.radius / options.steps
    best, best_loss = x.clone(), torch.full((len(x),), -torch.inf, dtype=x.dtype, device=x.device)
    done = torch.zeros(len(x), dtype=torch.bool, device=x.device)
    shape = (options.restarts, options.steps + 1, len(x))
    fooled = torch.zeros(shape, dtype=torch.bool, device=x.device)
    losses = torch.full(shape, torch.nan, dtype=x.dtype, device=x.device)
    moved = x.clone()
    for restart in range(options.restarts):
        starts = _started(victim, x, budget, generator) if options.random_start or restart > 0 else x
        moved = torch.where(_as(done & options.stop, x), moved, starts)
        for step in range(options.steps + 1):
            rows = (~done).nonzero()[:, 0] if options.stop else torch.arange(len(x), device=x.device)
            if len(rows) == 0:
                fooled[restart, step:] = done
                break
            given, own = moved[rows], goal[rows]
            is_last = step == options.steps
            logits, values, gradients = _seen(victim, given, own, loss, options.draws, forward_only=is_last)
            hit = logits.argmax(1) != own if targets is None else logits.argmax(1) == own
            larger = values > best_loss[rows]
            better = torch.where(done[rows], hit & larger, hit | larger)
            best[rows[better]], best_loss[rows[better]] = given[better], values[better]
            done[rows] |= hit
            losses[restart, step, rows] = values
            fooled[restart, step] = done if options.stop else hit
            if not is_last:
                go = ~hit if options.stop else torch.ones_like(hit)
                moved[rows[go]] = stepped(victim, x[rows[go]], given[go], gradients[go], stride, budget)
    return Path(inputs=best, last=moved, fooled=fooled, losses=losses)


def _started(victim: Victim, x: Tensor, budget: Budget, generator: torch.Generator) -> Tensor:
    return victim.clipped(x + budget.random(x, generator))


def stepped(victim: Victim, x: Tensor, moved: Tensor, gradients: Tensor, stride: float, budget: Budget) -> Tensor:
    """One step along the steepest direction, back within the budget and then the bounds.

    Args:
        victim: whose bounds are kept.
        x: `(m, ...)` inputs, about which the budget is.
        moved: `(m, ...)` where they are now.
        gradients: of the loss there.
        stride: length of the step.
        budget: of the perturbations.
    """
    gradients = victim.open_ways(moved, gradients.nan_to_num(0.0))
    return victim.clipped(x + budget.within(moved + stride * budget.steepest(gradients) - x))


def _seen(
    victim: Victim, x: Tensor, classes: Tensor, loss: Loss, draws: int, *, forward_only: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """Logits, losses and gradients, averaged over the draws of a random network."""
    if forward_only:
        logits = _mean([victim.logits(x) for _ in range(draws)])
        return logits, loss(logits, classes), torch.zeros_like(x)
    seen = [victim.seen(x, classes, loss) for _ in range(draws)]
    return _mean([one[0] for one in seen]), _mean([one[1] for one in seen]), _mean([one[2] for one in seen])


def _mean(drawn: list[Tensor]) -> Tensor:
    return drawn[0] if len(drawn) == 1 else torch.stack(drawn).mean(0)


def _as(flags: Tensor, like: Tensor) -> Tensor:
    return flags.reshape(-1, *[1] * (like.ndim - 1))
