"""AutoAttack: two adaptive descents, a boundary attack and a random search, one after the other (Croce & Hein 2020).

The standard version, by `pyautoattack`: APGD on the cross-entropy, targeted APGD, targeted FAB, Square; each on what
those before it have left. It was made for ten classes and more. With fewer there are as many targets as other classes;
below four, where the targeted logits ratio is not defined, targeted APGD takes the plain difference of the two logits.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar, final

import torch
from torch import Tensor

from corank.attack.checks import check_counts
from corank.attack.losses import difference
from corank.attack.outside import StandIn, attacked_outside, autoattack_module, check_images
from corank.attack.sample import BoundedAttack, Task
from corank.attack.square import L2_TILES, NORMS, TOGETHER

TARGETS = 9  # of the standard version
LEAST_FOR_RATIO = 4  # classes that the targeted logits ratio looks at


@final
@dataclass(frozen=True, kw_only=True)
class AutoAttack(BoundedAttack):
    """See the module. Needs the extra `autoattack`.

    Args:
        queries: of the random search for each input.

    Raises:
        InputError: a number that is not positive, an unknown norm, the extra is missing.

    Example:
        >>> network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(36, 2)).eval()
        >>> x = torch.rand(4, 1, 6, 6)
        >>> found = AutoAttack(radius=0.5, queries=20).attack(network, x, network(x).argmax(1))
        >>> found.accuracy
        0.0
    """

    queries: int = 5000

    takes_targets: ClassVar[bool] = False

    def __post_init__(self) -> None:
        super().__post_init__()
        check_counts(queries=self.queries)

    def _perturbed(self, task: Task) -> Tensor:
        check_images(task, least=L2_TILES if self.norm == "l2" else 1)
        making = autoattack_module("autoattack").AutoAttack
        classes = task.victim.logits(task.x[:1]).shape[1]

        def attempt(network: StandIn, x: Tensor, labels: Tensor) -> Tensor:
            standard = making(
                network, norm=NORMS[self.norm], eps=self.radius / network.range, seed=self.seed, device=x.device
            )
            _fit_to(standard, classes)
            standard.square.n_queries = self.queries
            with _undisturbed(standard):
                found: Tensor = standard.run_standard_evaluation(x, labels, batch_size=TOGETHER)[0]
            return found

        return attacked_outside(task, attempt, dtype=torch.float32, chunk=len(task.x))


def _fit_to(standard: Any, classes: int) -> None:
    """As many targets as there are, and a loss that is defined."""
    targeted = standard.apgd_targeted
    targeted.n_target_classes = standard.fab.n_target_classes = min(TARGETS, classes - 1)
    if classes < LEAST_FOR_RATIO:
        targeted.dlr_loss_targeted = lambda logits, own: difference(logits, torch.stack([targeted.y_target, own], 1))


@contextmanager
def _undisturbed(standard: Any) -> Iterator[None]:
    """It neither logs nor, for one of its own checks, ends the tracing of a debugger or a coverage tool."""
    silent, tracing = logging.Logger("silent", logging.CRITICAL + 1), sys.gettrace()
    standard.logger = standard.apgd.logger = standard.apgd_targeted.logger = silent
    try:
        yield
    finally:
        sys.settrace(tracing)
