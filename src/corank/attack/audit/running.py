"""The twenty tests of one network, and the one verdict."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack

from torch import Tensor, nn

from corank.attack.audit import budget_tests, descent_tests, gradient_tests, network_tests, other_tests
from corank.attack.audit.case import Case
from corank.attack.audit.rows import Audited, Question, Row, row_of
from corank.attack.budget import Budget, Norm
from corank.attack.checks import Bounds, check_counts, check_samples
from corank.attack.descent import Steps
from corank.attack.interval import wilson
from corank.errors import InputError
from corank.network import evaluation_mode
from corank.network.guard import unchanged
from corank.train.randomness import private_randomness, seed_device

QUESTIONS: tuple[Question, ...] = (
    *network_tests.BEFORE, *gradient_tests.TESTS, *descent_tests.TESTS, *budget_tests.TESTS, *other_tests.TESTS,
    *network_tests.AFTER,
)  # fmt: skip
"""In the order in which they are asked: each finds what those before it left."""


def audit(
    network: nn.Module,
    images: Tensor,
    labels: Tensor,
    *,
    radius: float,
    norm: Norm = "linf",
    bounds: Bounds | None = (0.0, 1.0),
    attack: Steps | None = None,
    sources: Sequence[nn.Module] = (),
    data: str | None = None,
    is_clean_trained: bool | None = None,
    subsample: int = 100,
    queries: int = 5000,
    seed: int = 0,
    progress: Callable[[str], None] | None = None,
) -> Audited:
    """Ask whether a network withstands perturbations or only hides from a descent by gradients.

    Twenty tests that masks of every kind known to us fail at least one of: how the network was set up, whether its
    gradients are there and true, whether another scale, loss, length or start of the descent breaks more, whether
    attacks of other kinds do. A flag withholds the word "robust"; passing proves nothing, because a defence can be
    made to pass: attacks adapted to it remain its author's duty (Carlini et al. 2019). Training mode, inputs outside
    the bounds and the like are flags here, not errors: the audit goes on in evaluation mode with clipped inputs.

    Tests that ask much are tried on some of the images that those before them left, and say so.

    Args:
        network: any `nn.Module` that returns logits; it comes back bit for bit and in its mode.
        images: `(m, ...)` inputs; below some hundred only coarse differences can be certain.
        labels: `(m,)` their true classes.
        radius: of the budget.
        norm: "l2" or "linf".
        bounds: within which inputs lie; None where there are none, without which some tests cannot be run.
        attack: the descent whose result is audited, one start of it; forty steps on the cross-entropy by default.
        sources: other networks for the test of transfer, best a clean and an adversarial twin; their mean is one too.
        data: name of the data.
        is_clean_trained: whether the network was trained without attacks or defences; None where it is not known.
        subsample: images that tests of many queries take.
        queries: of Square, for each image.
        seed: of every random draw.
        progress: is told the name of each test as it begins.

    Raises:
        InputError: no sample, labels out of range, images that are not finite, bounds that are none, a radius or norm
            that is none, a number that is not positive, a source that does not fit.

    Example:
        >>> import torch
        >>> network = nn.Sequential(nn.Flatten(), nn.Linear(4, 3)).eval()
        >>> x = torch.rand(20, 1, 2, 2)
        >>> found = audit(network, x, network(x).argmax(1), radius=0.01, subsample=10, queries=20)
        >>> len(found.rows), found.rows[13].verdict
        (20, 'not run')
    """
    check_counts(subsample=subsample, queries=queries)
    budget = Budget(norm=norm, radius=radius)
    start = time.perf_counter()
    with ExitStack() as stack:
        was_training = any(module.training for module in network.modules())
        for one in {id(one): one for one in (network, *sources)}.values():
            stack.enter_context(unchanged(one))
            stack.enter_context(evaluation_mode(one))
        stack.enter_context(private_randomness(images.device))
        seed_device(seed, images.device)
        classes = check_samples(network, images, labels, None)
        x = images if bounds is None else images.clamp(*_ordered(bounds))
        for source in sources:
            given = check_samples(source, x, labels, bounds)
            if given != classes:
                raise InputError(f"expected sources of {classes} classes like the network, got one of {given}")
        case = Case(
            network=network, was_training=was_training, given=images, x=x, labels=labels.long(), bounds=bounds,
            budget=budget, attack=attack or Steps(), sources=sources, data=data, is_clean_trained=is_clean_trained,
            subsample=subsample, queries=queries, seed=seed,
        )  # fmt: skip
        rows = [_asked(question, case, progress) for question in QUESTIONS]
        return _audited(case, rows, time.perf_counter() - start)


def _ordered(bounds: Bounds) -> Bounds:
    low, high = bounds
    if not low < high:
        raise InputError(f"bounds must be a smaller and a larger number, got {bounds}")
    return bounds


def _asked(question: Question, case: Case, progress: Callable[[str], None] | None) -> Row:
    if progress is not None:
        progress(question.name)
    return row_of(question, question.ask(case))


def _audited(case: Case, rows: list[Row], seconds: float) -> Audited:
    images, left = len(case.x), len(case.standing)
    low, high = wilson(left, images)
    return Audited(
        verdict="flagged" if any(row.verdict == "flagged" for row in rows) else "passed",
        norm=case.budget.norm, radius=case.budget.radius, images=images, accuracy=len(case.right) / images,
        under_attack=left / images, low=low, high=high, rows=tuple(sorted(rows, key=lambda row: row.number)),
        standing=~case.broken, seed=case.seed, seconds=seconds,
        gradients=case.victim.asked.gradients, forward=case.victim.asked.forward,
    )  # fmt: skip
