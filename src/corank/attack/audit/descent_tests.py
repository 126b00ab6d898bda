"""Tests that read descents: another scale or loss (6, 7), longer, repeated, one step (8 to 11), lost on the way (17).

Differences between losses are counted on all images classified rightly, from the same starts; longer and repeated
descents are tried on some of those that one start of the audited descent leaves.
"""

from __future__ import annotations

import dataclasses

import torch
from torch import Tensor

from corank.attack.audit.case import STARTS, Case, scaled, tried_on
from corank.attack.audit.finding import CHANCE, Finding, Found, NotRun, difference
from corank.attack.audit.rows import Question
from corank.attack.audit.thresholds import LOSS, MOVING, ONE_STEP, REACH, RESTARTS, SCALE, SILENT, STEPS
from corank.attack.descent import STRIDE, Path, Steps
from corank.attack.interval import mcnemar
from corank.attack.losses import cross_entropy, logits_ratio, margin

LONGER = 5  # times as many steps
TARGETS = 9  # likeliest classes
LOSSES = {"cross-entropy": cross_entropy, "margin": margin, "logits ratio": logits_ratio}


def scale(case: Case) -> Found | NotRun:
    """Does the attack gain by logits divided to a median gap of one between the two largest?"""
    gap = case.gap()
    if not 0 < gap < float("inf"):
        return NotRun("half the images have equal logits" if gap == 0 else "half the images have no finite logits")
    options = dataclasses.replace(case.single, loss=scaled(case.attack.loss, gap))
    gained = _compared(case, "gain by scaled logits", options, SCALE)
    return Found(findings=(gained,), measured={"median gap of logits": gap})


def losses(case: Case) -> Found:
    """Does another loss break more images, or do targets break what as many starts without them left?"""
    others = {name: loss for name, loss in LOSSES.items() if loss is not case.attack.loss}
    if case.logits.shape[1] == 2:
        others.pop("logits ratio", None)  # it is constant with two classes
    compared = tuple(
        _compared(case, f"gain by {name}", dataclasses.replace(case.single, loss=loss), LOSS)
        for name, loss in others.items()
    )
    places, path = case.repeated
    broken = _targeted(case, places, path.fooled_within(case.attack.steps, STARTS - 1))
    note = f"targets: {tried_on(places, case.left)}"
    return Found(findings=(*compared, case.gained("gain by targets", broken, case.left, LOSS)), note=note)


def _compared(case: Case, measure: str, options: Steps, threshold: float) -> Finding:
    """One start with other options against the base, on the same images from the same starts."""
    path = case.descend(case.right, "base", options)
    base, other = case.base.fooled_within(case.attack.steps), path.fooled_within(case.attack.steps)
    only_base, only_other = int((base & ~other).sum()), int((other & ~base).sum())
    return difference(measure, only_base, only_other, len(case.x), threshold)


def _targeted(case: Case, places: Tensor, before: Tensor) -> Tensor:
    """Which images, not broken before, a descent towards one of their likeliest other classes breaks, `(k,)`."""
    broken = before.clone()
    ranked = case.logits.argsort(1, descending=True)
    options = dataclasses.replace(case.single, loss=margin)
    for rank in range(1, min(TARGETS, case.logits.shape[1] - 1) + 1):
        rows = (~broken).nonzero()[:, 0]
        own = places[rows]
        path = case.descend(own, f"target {rank}", options, targets=ranked[own, rank])
        broken[rows] = path.fooled_within(case.attack.steps)
    return broken & ~before


def reach(case: Case) -> Found:
    """Can the steps cross the budget, from one side to the other?"""
    steps, size, radius = case.attack.steps, case.attack.step_size, case.budget.radius
    radii = STRIDE if size is None else steps * size / radius
    # Steps that are meant to go exactly so far may fall short by rounding.
    finding = Finding(measure="radii that all steps go", value=radii * (1 + 1e-9), threshold=REACH, below=True)
    return Found(findings=(finding,), measured={"steps": steps})


def one_step(case: Case) -> Found:
    """Does one step of the whole radius break what all steps leave?"""
    options = dataclasses.replace(case.single, steps=1, step_size=case.budget.radius, random_start=False)
    path = case.descend(case.left, "one step", options)
    return Found(findings=(case.gained("gain by one step", path.fooled_within(1), case.left, ONE_STEP),))


def longer(case: Case) -> Found:
    """Half, one, two and a half and five times as many steps; and does the loss still move where it ends?"""
    steps, size = case.attack.steps, case.attack.step_size
    size = STRIDE * case.budget.radius / steps if size is None else size
    options = dataclasses.replace(case.single, steps=LONGER * steps, step_size=size)
    places = case.some(case.left, "longer")
    path = case.descend(places, "longer", options)
    counts = [max(1, steps // 2), steps, LONGER * steps // 2, LONGER * steps]
    within = [path.fooled_within(count) for count in counts]
    moving = _movement(path, steps)
    more = (within[1], path.fooled_within(2 * steps)), (within[2], within[3])
    findings = [
        case.gained(f"gain from {low} to {high} steps", late & ~early, case.left, STEPS)
        for (early, late), (low, high) in zip(more, ((steps, 2 * steps), (counts[2], counts[3])), strict=True)
    ]
    measured = {f"left after {count} steps": int((~one).sum()) for count, one in zip(counts, within, strict=True)}
    return Found(findings=(*findings, moving), note=tried_on(places, case.left), measured=measured)


def _movement(path: Path, steps: int) -> Finding:
    """By what share of its range the largest loss so far grows in the last quarter of so many steps, in the median.

    It is certain that the median is large where more images than chance would have it move by more (the sign test).
    """
    losses = path.losses[0, : steps + 1]
    losses = losses[:, losses.isfinite().all(0)]
    best = losses.cummax(0).values
    width = losses.amax(0) - losses.amin(0)
    growth = torch.where(width > 0, (best[-1] - best[-1 - max(1, steps // 4)]) / width, 0.0)
    moving = int((growth > MOVING).sum())
    return Finding(
        measure="movement of the loss in the last quarter", threshold=MOVING,
        value=float(growth.median()) if len(growth) else 0.0,
        is_certain=mcnemar(len(growth) - moving, moving) < CHANCE,
    )  # fmt: skip


def restarts(case: Case) -> Found:
    """One, five and ten random starts: do the last five still break images?"""
    places, path = case.repeated
    few, all_of_them = (path.fooled_within(case.attack.steps, starts - 1) for starts in (STARTS // 2, STARTS))
    measure = f"gain from {STARTS // 2} to {STARTS} starts"
    return Found(
        findings=(case.gained(measure, all_of_them & ~few, case.left, RESTARTS),),
        note=tried_on(places, case.left),
        measured={
            "left after 1 start": len(places), f"left after {STARTS // 2} starts": int((~few).sum()),
            f"left after {STARTS} starts": int((~all_of_them).sum()),
        },
    )  # fmt: skip


def silent(case: Case) -> Found:
    """How many images are fooled on the way but not at its end?"""
    fooled = case.right[case.base.fooled_within(case.attack.steps)]
    places = case.some(fooled, "silent")
    path = case.descend(places, "silent", dataclasses.replace(case.single, stop=False))
    lost = path.fooled_within(case.attack.steps) & ~path.last_fooled
    note = f"tried on {len(places)} of the {len(fooled)} images that one start breaks; the audit keeps the best"
    return Found(findings=(case.gained("lost at the end", lost, fooled, SILENT),), note=note)


TESTS = (
    Question(6, "scale", scale), Question(7, "loss", losses), Question(8, "reach", reach),
    Question(9, "one step", one_step), Question(10, "steps", longer), Question(11, "restarts", restarts),
    Question(17, "silent success", silent),
)  # fmt: skip
