"""Whether two networks withstand the same attacks differently, judged on the same inputs (McNemar 1947)."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from corank.attack.evaluation import Evaluation
from corank.attack.interval import mcnemar
from corank.attack.ledger import WORST
from corank.errors import InputError
from corank.result import Result, Scalar


@dataclass(frozen=True, kw_only=True)
class Pairing(Result):
    """What two networks have right of the same inputs, in the worst case at one radius.

    Attributes:
        radius: of the budget; 0 for the inputs as they are.
        both: inputs that both have right.
        only_first: inputs that only the first has right.
        only_second: inputs that only the second has right.
        neither: inputs that none has right.
        p_value: the probability, were both equally good, of a difference that is no smaller (exact, two-sided).
    """

    radius: float
    both: int
    only_first: int
    only_second: int
    neither: int
    p_value: float

    def row(self) -> dict[str, Scalar]:
        """Radius, where they differ, and how probable that is."""
        return {
            "radius": self.radius, "only first": self.only_first, "only second": self.only_second,
            "p value": self.p_value,
        }  # fmt: skip


def paired(first: Evaluation, second: Evaluation) -> tuple[Pairing, ...]:
    """Compare the worst cases of two networks, input by input, at radius 0 and at all radii that both were asked for.

    Args:
        first: of one network.
        second: of another, on the same inputs and in the same norm.

    Raises:
        InputError: evaluations of other inputs or in another norm.

    Example:
        >>> from torch import nn
        >>> from corank.attack.evaluation import evaluate
        >>> network = nn.Sequential(nn.Flatten(), nn.Linear(4, 2)).eval()
        >>> found = evaluate(network, torch.rand(9, 1, 2, 2), torch.zeros(9, dtype=torch.long), radii=(0.1,))
        >>> [(each.radius, each.p_value) for each in paired(found, found)]
        [(0.0, 1.0), (0.1, 1.0)]
    """
    if first.norm != second.norm:
        raise InputError(f"expected two evaluations in one norm, got {first.norm} and {second.norm}")
    if not (torch.equal(first.labels, second.labels) and torch.equal(first.images, second.images)):
        raise InputError("expected two evaluations of the same inputs: evaluate both networks on the same ones")
    radii = (0.0, *(radius for radius in first.radii if radius in second.radii))
    return tuple(_pairing(first, second, radius) for radius in radii)


def _pairing(first: Evaluation, second: Evaluation, radius: float) -> Pairing:
    one, other = (each.distances[WORST] > radius for each in (first, second))
    only_first, only_second = int((one & ~other).sum()), int((other & ~one).sum())
    return Pairing(
        radius=radius, both=int((one & other).sum()), only_first=only_first, only_second=only_second,
        neither=int((~one & ~other).sum()), p_value=mcnemar(only_first, only_second),
    )  # fmt: skip
