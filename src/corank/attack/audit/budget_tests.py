"""The test of growing budgets (12): accuracy must not rise with them, and nothing may withstand half the range."""

from __future__ import annotations

import dataclasses
import math
from itertools import pairwise

from torch import Tensor

from corank.attack.audit.case import Case
from corank.attack.audit.finding import Finding, Found, NotRun, difference, gain
from corank.attack.audit.rows import Question
from corank.attack.audit.thresholds import HALF_RANGE, RISE
from corank.attack.budget import Budget

TIMES = (0.25, 0.5, 1.0, 2.0, 4.0)  # of the radius
STARTS = {"random start": True, "no random start": False}


def budgets(case: Case) -> Found | NotRun:
    """A quarter to four times the radius, then half the range, with and without random start."""
    places = case.some(case.right, "budgets")
    if len(places) == 0:
        return NotRun("no image is classified rightly")
    end = half_range(case)
    radii = [*(times * case.budget.radius for times in TIMES if times * case.budget.radius < end), end]
    findings: list[Finding] = []
    measured: dict[str, float] = {}
    for name, is_random in STARTS.items():
        broken = [_broken(case, places, radius, is_random) for radius in radii]
        findings += [
            difference(f"rise of accuracy, {name}", int((late & ~early).sum()), int((early & ~late).sum()),
                       len(places), RISE)
            for early, late in pairwise(broken)
        ]  # fmt: skip
        left = int((~broken[-1]).sum())
        findings.append(
            gain(f"left at half the range, {name}", left, len(places), len(places), len(places), HALF_RANGE)
        )
        measured |= {
            f"left at {radius:.4g}, {name}": int((~one).sum()) for radius, one in zip(radii, broken, strict=True)
        }
    return Found(findings=_largest(findings), note=f"{len(places)} images classified rightly", measured=measured)


def half_range(case: Case) -> float:
    """The length within which every image can become grey."""
    low, high = case.bounds or (float(case.x.min()), float(case.x.max()))
    half = (high - low) / 2
    return half if case.budget.norm == "linf" else half * math.sqrt(case.x[0].numel())


def _broken(case: Case, places: Tensor, radius: float, is_random: bool) -> Tensor:
    """Which images the audited descent breaks within a radius, with steps that grow with it, `(k,)`."""
    size = case.attack.step_size
    options = dataclasses.replace(
        case.single, random_start=is_random, step_size=None if size is None else size * radius / case.budget.radius
    )
    path = case.descend(places, "budgets", options, budget=Budget(norm=case.budget.norm, radius=radius))
    return path.fooled_within(options.steps)


def _largest(findings: list[Finding]) -> tuple[Finding, ...]:
    """Of findings of one name the one nearest to being flagged."""
    kept: dict[str, Finding] = {}
    for one in findings:
        best = kept.get(one.measure)
        if best is None or (one.is_flagged, one.value) > (best.is_flagged, best.value):
            kept[one.measure] = one
    return tuple(kept.values())


TESTS = (Question(12, "budgets", budgets),)
