"""The usual training, watched as a defence is: what every defence is compared with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from torch import nn

from corank.defend.base import Bounds, Course, Defence, Plan
from corank.measure import Batches


@final
@dataclass(frozen=True, kw_only=True)
class Natural(Defence):
    """See the module.

    Example:
        >>> import torch
        >>> _ = torch.manual_seed(0)
        >>> x = torch.randn(64, 4)
        >>> found = Natural().defend(nn.Linear(4, 2), [(x, (x[:, 0] > 0).long())], Course(epochs=2))
        >>> found.history.iterations
        2
    """

    def _plan(self, network: nn.Module, batches: Batches, course: Course, bounds: Bounds) -> Plan:
        return Plan(network=network, plain=lambda: network, course=course)
