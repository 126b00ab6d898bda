"""Tests of the surface that gradients describe: missing (4), wrong (5) or rough (16)."""

from __future__ import annotations

import copy

import torch
from torch import Tensor

from corank.attack.audit.case import Case
from corank.attack.audit.finding import Finding, Found, NotRun
from corank.attack.audit.rows import Question
from corank.attack.audit.thresholds import GRADIENT_ERROR, NO_GRADIENT, ROUGH
from corank.attack.budget import Budget
from corank.attack.losses import cross_entropy, logits_ratio, margin
from corank.attack.victim import Victim

DIRECTIONS = 10
NEARBY = 100  # points
NEAR = 0.01  # radii
QUANTILE = 0.9


def missing(case: Case) -> Found | NotRun:
    """Gradients that are zero or no numbers."""
    if len(case.right) == 0:
        return NotRun("no image is classified rightly")
    x, labels = case.x[case.right], case.labels[case.right]
    ratio = logits_ratio if case.logits.shape[1] > 2 else margin  # constant with two classes
    shares = {loss: _without(case.victim.gradients(x, labels, loss)) for loss in (cross_entropy, ratio)}
    return Found(
        findings=(
            Finding(measure="no gradient of cross-entropy", value=shares[cross_entropy], threshold=NO_GRADIENT),
            Finding(measure="no gradient of logits ratio", value=shares[ratio], threshold=0.0),
        )
    )


def _without(gradients: Tensor) -> float:
    rows = gradients.flatten(1)
    return float(((rows == 0).all(1) | ~rows.isfinite().all(1)).double().mean())


def differences(case: Case) -> Found | NotRun:
    """Backpropagation against central differences in float64, of the margin.

    At points off the images towards the middle of the range: images may lie on the kinks of a network, as where black
    pixels make the maxima of a pool equal.
    """
    places = case.some(case.right, "differences")
    if len(places) == 0:
        return NotRun("no image is classified rightly")
    low, high = case.bounds or (float(case.x.min()), float(case.x.max()))
    x = case.x[places].double()
    inwards = ((low + high) / 2 - x).sign()
    generator = case.generator("differences")
    x = x + case.budget.random(x, generator).abs() * inwards
    try:
        victim = Victim(copy.deepcopy(case.network).double())
        slopes = victim.gradients(x, case.labels[places], margin)
    except (RuntimeError, TypeError) as error:  # a network may hold what has no copy, or constants of another type
        return NotRun(f"the network does not run in float64: {str(error).strip().splitlines()[0][:200]}")
    step = 1e-6 * (high - low)
    pairs = [_along(victim, x, case.labels[places], slopes, step, generator) for _ in range(DIRECTIONS)]
    told, seen = (torch.stack(column, 1) for column in zip(*pairs, strict=True))
    size = torch.maximum(told.norm(dim=1), seen.norm(dim=1)).clamp(min=1e-12)
    errors = ((told - seen).norm(dim=1) / size).nan_to_num(torch.inf).sort().values
    return Found(
        findings=(
            Finding(
                measure="relative error of gradients", threshold=GRADIENT_ERROR,
                value=float(errors[int(QUANTILE * (len(errors) - 1))]),
            ),
        ),
        note=f"the 90th percentile of {len(places)} images, {DIRECTIONS} directions each",
        measured={"median error": float(errors.median())},
    )  # fmt: skip


def _along(
    victim: Victim, x: Tensor, labels: Tensor, slopes: Tensor, step: float, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """The slope along a random direction, by the gradient and by differences, `(m,)` each."""
    direction = torch.randn(x.shape, generator=generator, dtype=x.dtype).to(x.device)
    ahead, behind = (margin(victim.logits(x + side * step * direction), labels) for side in (1, -1))
    return (slopes * direction).flatten(1).sum(1), (ahead - behind) / (2 * step)


def roughness(case: Case) -> Found | NotRun:
    """How much the loss changes within a hundredth of the radius, relative to itself (Pintor et al. 2022)."""
    places = case.some(case.right, "roughness")
    if len(places) == 0:
        return NotRun("no image is classified rightly")
    x, labels, generator = case.x[places], case.labels[places], case.generator("roughness")
    near = Budget(norm=case.budget.norm, radius=NEAR * case.budget.radius)
    here = cross_entropy(case.victim.logits(x), labels).double()
    changes = torch.zeros_like(here)
    for _ in range(NEARBY):
        moved = case.victim.clipped(x + near.at_radius(near.random(x, generator)))
        changes += (cross_entropy(case.victim.logits(moved), labels).double() - here).abs() / NEARBY
    value = float((changes / here.clamp(min=1e-12)).clamp(max=1.0).mean())
    return Found(
        findings=(Finding(measure="relative change of the loss", value=value, threshold=ROUGH),),
        note=f"{NEARBY} points within {NEAR:g} radii of {len(places)} images",
    )


TESTS = (
    Question(4, "gradients", missing), Question(5, "differences", differences), Question(16, "nearby loss", roughness),
)  # fmt: skip
