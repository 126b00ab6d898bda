"""What each attack did to each input of an evaluation, and the rows that follow from it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from corank.attack.checks import Bounds
from corank.attack.interval import wilson
from corank.attack.sample import BoundedAttack, SampleAttack
from corank.attack.victim import Victim
from corank.result import Result, Scalar

CLEAN, WORST = "clean", "worst"


@dataclass(frozen=True, kw_only=True)
class Cost:
    """Of an attack: seconds, samples whose gradients it took, and samples that only went forward."""

    seconds: float = 0.0
    gradients: int = 0
    forward: int = 0


FREE = Cost()


@dataclass(frozen=True, kw_only=True)
class Robustness(Result):
    """What one attack, or the worst of all, leaves of a network's accuracy at one radius.

    Inputs that are classified wrongly are not attacked: they are errors at every radius.

    Attributes:
        attack: by its name; `clean` for none, `worst` for each input's worst case over all, `transfer:<name>` for
            examples made on another network.
        radius: of the budget.
        accuracy: share of all inputs that is still classified rightly.
        low: end of its 95 % interval (Wilson).
        high: the other end.
        fooled: share of all inputs whose class the attack changes.
        fooled_of_right: share of those classified rightly whose class it changes; None where none is.
        attacked: how many inputs it was tried on.
        seconds: that it took; an attack that looks for the shortest runs once for all radii, and each row has it all.
        gradients: samples whose gradients it took, as far as it is known.
        forward: samples that only went forward.
    """

    attack: str
    radius: float
    accuracy: float
    low: float
    high: float
    fooled: float
    fooled_of_right: float | None
    attacked: int
    seconds: float
    gradients: int
    forward: int

    def row(self) -> dict[str, Scalar]:
        """Attack, radius, accuracy with its interval, and cost."""
        return {
            "attack": self.attack, "radius": self.radius, "accuracy": self.accuracy, "low": self.low,
            "high": self.high, "fooled": self.fooled, "fooled_of_right": self.fooled_of_right,
            "seconds": self.seconds, "gradients": self.gradients,
        }  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Run:
    """One attack of an evaluation.

    Attributes:
        name: of its rows.
        attack: whose radius is replaced, where it has one.
        source: the network on which its examples are made; None for the one that is judged.
    """

    name: str
    attack: SampleAttack
    source: nn.Module | None = None

    def at(self, radii: Sequence[float]) -> Iterator[tuple[SampleAttack, Sequence[float]]]:
        """The attack with each radius that it needs, and the radii that this settles."""
        if isinstance(self.attack, BoundedAttack):
            yield from ((replace(self.attack, radius=radius), (radius,)) for radius in radii)
        else:
            yield self.attack, radii


class Ledger:
    """The length of the shortest example that was found for each input, by attack and over all.

    Args:
        network: that is judged.
        images: `(m, ...)` inputs.
        labels: `(m,)` their true classes.
        bounds: of the inputs.
        only_survivors: whether inputs that an attack has settled are spared by the next.

    Attributes:
        right: `(m,)` whether each input is classified rightly as it is.
        distances: by attack, zero where an input is classified wrongly as it is and infinite where nothing was found.
        shortest: the least of them over all attacks.
        nearest: the examples that they belong to.
    """

    def __init__(
        self, network: nn.Module, images: Tensor, labels: Tensor, bounds: Bounds | None, *, only_survivors: bool
    ) -> None:
        self.network, self.images, self.labels, self.bounds = network, images, labels, bounds
        self.only_survivors = only_survivors
        self.right = Victim(network).classes(images) == labels
        self._unknown = torch.where(self.right, torch.inf, 0.0).double()
        self.distances: dict[str, Tensor] = {}
        self.shortest, self.nearest = self._unknown.clone(), images.clone()

    def clean(self) -> Robustness:
        """The row of no attack."""
        return self._row(CLEAN, 0.0, self._unknown, attacked=0)

    def rows(self, run: Run, radii: Sequence[float]) -> list[Robustness]:
        """Attack, at rising radii, and say what is left of the accuracy."""
        rows = []
        self.distances[run.name] = self._unknown
        for attack, settled in run.at(radii):
            left = self.right & (self.shortest > settled[0]) if self.only_survivors else self.right
            found, cost = self._found(run, attack, left)
            self.distances[run.name] = torch.minimum(self.distances[run.name], found)
            judged = self.shortest if self.only_survivors else found
            rows += [self._row(run.name, radius, judged, attacked=int(left.sum()), cost=cost) for radius in settled]
        return rows

    def worst(self, radius: float, rows: Sequence[Robustness]) -> Robustness:
        """Each input's worst case within a radius, at the cost of some rows together."""
        cost = Cost(
            seconds=sum(row.seconds for row in rows),
            gradients=sum(row.gradients for row in rows),
            forward=sum(row.forward for row in rows),
        )
        return self._row(WORST, radius, self.shortest, attacked=int(self.right.sum()), cost=cost)

    def _found(self, run: Run, attack: SampleAttack, left: Tensor) -> tuple[Tensor, Cost]:
        """The lengths of the examples that an attack finds for some inputs, and what it cost."""
        found = self._unknown.clone()
        if not left.any():
            return found, FREE
        examples = attack.attack(
            self.network, self.images[left], self.labels[left], bounds=self.bounds, source=run.source
        )
        found[left] = examples.distances.double()
        is_nearer = found < self.shortest
        self.nearest[is_nearer] = examples.inputs[is_nearer[left]]
        self.shortest = torch.minimum(self.shortest, found)
        return found, Cost(seconds=examples.seconds, gradients=examples.gradients, forward=examples.forward)

    def _row(self, attack: str, radius: float, distances: Tensor, *, attacked: int, cost: Cost = FREE) -> Robustness:
        samples, right, still_right = len(self.right), int(self.right.sum()), int((distances > radius).sum())
        low, high = wilson(still_right, samples)
        return Robustness(
            attack=attack, radius=radius, accuracy=still_right / samples, low=low, high=high,
            fooled=(right - still_right) / samples, fooled_of_right=(right - still_right) / right if right else None,
            attacked=attacked, seconds=cost.seconds, gradients=cost.gradients, forward=cost.forward,
        )  # fmt: skip
