"""The first universal attack: DeepFool's shortest ways of the inputs that are not fooled yet, added up.

Moosavi-Dezfooli et al. 2017, "Universal adversarial perturbations" (UAP), Algorithm 1. It goes over the inputs one by
one; here those of a small batch that are not fooled yet go through DeepFool together, and the perturbation moves by the
mean of their ways. With a batch of one it is the published algorithm.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from torch import Tensor

from corank.attack.batched_deepfool import batched_deepfool
from corank.attack.checks import check_counts, check_positive
from corank.attack.search import Search
from corank.attack.universal import UniversalAttack


@final
@dataclass(frozen=True, kw_only=True)
class UniversalDeepFool(UniversalAttack):
    """See the module.

    Args:
        passes: over the samples.
        batch: inputs whose ways are averaged.
        candidates: other classes that DeepFool looks at.
        deepfool_steps: of each input, at most.
        overshoot: of DeepFool, a share.

    Raises:
        InputError: an option out of range.

    Example:
        >>> import torch
        >>> x = torch.randn(50, 3, generator=torch.Generator().manual_seed(0))
        >>> net = torch.nn.Linear(3, 2, bias=False).eval()
        >>> _ = net.weight.data.copy_(torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 1.0]]))
        >>> found = UniversalDeepFool(radius=1.0, passes=2).attack(net, x, net(x).argmax(1))
        >>> found.train.fooled > 0.3
        True
    """

    passes: int = 10
    batch: int = 1
    candidates: int = 9
    deepfool_steps: int = 10
    overshoot: float = 0.02

    def __post_init__(self) -> None:
        super().__post_init__()
        check_counts(passes=self.passes, batch=self.batch, candidates=self.candidates,
                     deepfool_steps=self.deepfool_steps)  # fmt: skip
        check_positive(overshoot=self.overshoot)

    def run(self, search: Search) -> str:
        """Pass after pass, from the start."""
        v = search.start
        for _ in range(self.passes):
            for rows in search.batches(self.batch):
                v = self._moved(search, v, rows)
            search.tried(v)
        return f"all {self.passes} passes are done"

    def _moved(self, search: Search, v: Tensor, rows: Tensor) -> Tensor:
        """By the mean way of those samples that are not fooled."""
        x = search.x[rows] + v
        search.spend(len(x) * self.candidates * self.deepfool_steps)
        ways = batched_deepfool(
            search.victim, x, search.clean[rows], norm=self.norm, candidates=self.candidates, steps=self.deepfool_steps,
            overshoot=self.overshoot, target=self.target,
        )  # fmt: skip
        moving = ways.flatten(1).any(1)
        return search.budget.within((v + ways[moving].mean(0))[None])[0] if bool(moving.any()) else v
