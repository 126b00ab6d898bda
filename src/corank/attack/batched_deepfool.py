"""DeepFool for many inputs at once: the shortest way to the nearest class, as linear functions see it, step by step.

Moosavi-Dezfooli et al. 2016, Algorithm 2. At the present point all classes but the clean one are replaced by
their linearisations; the nearest of those boundaries is stepped to, until a little more of the way changes the class.
All inputs that are not there yet go through together, and only the likeliest classes are looked at.
"""

from __future__ import annotations

import torch
from torch import Tensor

from corank.attack.budget import Norm
from corank.attack.losses import difference
from corank.attack.victim import CHUNK, Victim


def batched_deepfool(
    victim: Victim,
    x: Tensor,
    classes: Tensor,
    *,
    norm: Norm = "l2",
    candidates: int = 9,
    steps: int = 50,
    overshoot: float = 0.02,
    target: int | None = None,
) -> Tensor:
    """For each input a perturbation of about the least norm that changes its class, or steps towards one.

    Args:
        victim: the network; each class looked at costs one sample-gradient a step.
        x: `(m, ...)` inputs.
        classes: `(m,)` that they are to leave.
        norm: that is kept small.
        candidates: other classes looked at, those of the largest logits in each step.
        steps: at most.
        overshoot: share by which the result is longer than what was found, so as to cross the boundary.
        target: the only class looked at, for which an input is done once it is there; None for any.

    Returns:
        `(m, ...)` perturbations; zero where an input is done already.

    Example:
        >>> net = torch.nn.Linear(2, 2, bias=False).eval()
        >>> _ = net.weight.data.copy_(torch.tensor([[1.0, 0.0], [-1.0, 0.0]]))
        >>> batched_deepfool(Victim(net), torch.tensor([[3.0, 1.0]]), torch.tensor([0]), overshoot=0.01)
        tensor([[-3.0300,  0.0000]])
    """
    moved, active = torch.zeros_like(x), torch.arange(len(x), device=x.device)
    for _ in range(steps):
        logits = victim.logits(victim.clipped(x[active] + (1 + overshoot) * moved[active]))
        now = logits.argmax(1)
        left = now == classes[active] if target is None else now != target
        if not bool(left.any()):
            break
        active, logits, now = active[left], logits[left], now[left]
        at = victim.clipped(x[active] + moved[active])
        if target is None:
            looked_at = logits.topk(min(candidates + 1, logits.shape[1]), dim=1).indices[:, 1:]
        else:
            looked_at = torch.full_like(active, target)[:, None]
        few = max(1, CHUNK // looked_at.shape[1])
        pieces = zip(torch.split(at, few), torch.split(now, few), torch.split(looked_at, few), strict=True)
        moved[active] += torch.cat([_to_nearest(victim, *piece, norm) for piece in pieces])
    return (1 + overshoot) * moved


def _to_nearest(victim: Victim, x: Tensor, now: Tensor, looked_at: Tensor, norm: Norm) -> Tensor:
    """The shortest way from each input, if the network were linear, to where a class looked at equals its present one.

    A class whose logit differs from that by a constant is out of reach; where all are, the way is zero.
    """
    m, k = looked_at.shape
    pairs = torch.stack([looked_at, now[:, None].expand(m, k)], 2).reshape(m * k, 2)
    _, ahead, gradients = victim.seen(x.repeat_interleave(k, 0), pairs, difference)
    slopes = gradients.reshape(m, k, -1)
    steepness = slopes.norm(dim=2) if norm == "l2" else slopes.abs().sum(2)
    lengths = torch.where(steepness > 0, ahead.reshape(m, k).abs() / steepness, torch.inf)
    length, nearest = lengths.min(1, keepdim=True)
    slope = slopes[torch.arange(m, device=x.device), nearest[:, 0]]
    along = slope / steepness.gather(1, nearest) if norm == "l2" else slope.sign()
    return torch.where(length < torch.inf, length * along, 0.0).reshape(x.shape)
