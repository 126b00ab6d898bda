"""Tests of the network as it came: its mode, its inputs, its answers (1 to 3), and whether they can be true (20)."""

from __future__ import annotations

import torch

from corank.attack.audit.case import Case
from corank.attack.audit.finding import Finding, Found, NotRun
from corank.attack.audit.rows import Question
from corank.attack.audit.thresholds import DRAWN, PLAUSIBLE, ROW_SUM, WRONG_AT_ZERO
from corank.network.adapted import adapted

PASSES = 5
BATCH = 64  # other than in attacks, so that answers that hang on the batch are seen
CIFAR_RADIUS = 8 / 255


@torch.no_grad()
def setup(case: Case) -> Found:
    """Training mode; inputs out of bounds; another accuracy at radius zero than in a plain pass."""
    outside = float((case.given != case.x).flatten(1).any(1).double().mean())
    plain = torch.cat([adapted(case.network)(part) for part in torch.split(case.given, BATCH)]).argmax(1)
    is_right, is_right_at_zero = plain == case.labels, case.logits.argmax(1) == case.labels
    findings = (
        Finding(measure="in training mode", value=float(case.was_training), threshold=0.0),
        Finding(measure="images outside the bounds", value=outside, threshold=0.0),
        Finding(
            measure="images judged otherwise at radius zero", threshold=WRONG_AT_ZERO,
            value=float((is_right != is_right_at_zero).double().mean()),
        ),
    )  # fmt: skip
    note = "audited in evaluation mode, with inputs clipped" if any(one.is_flagged for one in findings) else ""
    return Found(findings=findings, note=note)


def passes(case: Case) -> Found:
    """Do five passes give the same answers?"""
    logits = torch.stack([case.victim.logits(case.x) for _ in range(PASSES)]).double()
    directions = logits / logits.norm(dim=2, keepdim=True).clamp(min=1e-10)
    apart = max(float((one - other).norm(dim=1).max()) for one in directions for other in directions)
    correct = (logits.argmax(2) == case.labels).double().mean(1)
    findings = (
        Finding(measure="distance of normalised logits", value=apart, threshold=DRAWN),
        Finding(measure="change of accuracy", value=float(correct.max() - correct.min()), threshold=0.0),
    )
    is_random = any(one.is_flagged for one in findings)
    return Found(findings=findings, note="a random network: average the gradients of 20 draws" if is_random else "")


def logits(case: Case) -> Found:
    """Are the outputs probabilities, whose gradients fade?"""
    least, most = float(case.logits.min()), float(case.logits.max())
    off = float((case.logits.sum(1) - 1).abs().max())
    are_probabilities = least > -ROW_SUM and most < 1 + ROW_SUM and off < ROW_SUM
    finding = Finding(measure="outputs are probabilities", value=float(are_probabilities), threshold=0.0)
    return Found(findings=(finding,), measured={"least": least, "largest": most, "rows' distance from sum 1": off})


def plausibility(case: Case) -> Found | NotRun:
    """No clean-trained network withstands 8/255 on CIFAR-10."""
    if not case.is_clean_trained:
        return NotRun("only for networks that are said to be trained without attacks or defences")
    if not (case.data or "").startswith("cifar10"):
        return NotRun("only for data that is said to be CIFAR-10")
    if case.budget.norm != "linf" or case.budget.radius < CIFAR_RADIUS - 1e-9:
        return NotRun("only for linf and a radius of at least 8/255")
    share = len(case.standing) / len(case.x)
    return Found(findings=(Finding(measure="accuracy under attack", value=share, threshold=PLAUSIBLE),))


BEFORE = (Question(1, "setup", setup), Question(2, "five passes", passes), Question(3, "logits", logits))
AFTER = (Question(20, "plausibility", plausibility),)
