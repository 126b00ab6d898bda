"""Robust accuracy over a grid of budgets and attacks, and each input's worst case over all of them.

An attack's own accuracy is only an upper bound of what a network withstands. The honest number is the mean over inputs
of the worst that any attack did to each (`mean_x min_attack`): the rows called `worst`. An example counts at every
radius that it is not longer than, whatever attack and budget it was found with: the worst case never rises again.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from torch import Tensor, nn

from corank.attack.budget import Norm
from corank.attack.checks import Bounds, check_samples
from corank.attack.ledger import CLEAN, WORST, Ledger, Robustness, Run
from corank.attack.sample import SampleAttack, at_work
from corank.attack.standard import standard_attacks
from corank.attack.transferred import TransferredDescent
from corank.errors import InputError
from corank.result import Result, Scalar
from corank.train.progress import stage

TRANSFER = "transfer:"
DONE = {
    False: "each attack was tried on all inputs that are classified rightly, and its accuracy is its own",
    True: "each attack was tried only on what those before it had left, and its accuracy is theirs together",
}


@dataclass(frozen=True, kw_only=True, eq=False)
class Evaluation(Result):
    """Robust accuracy over a grid of budgets and attacks.

    Attributes:
        norm: in which perturbations are measured.
        bounds: within which all inputs lie; None where there are none.
        radii: of the budgets, in rising order.
        samples: how many inputs.
        accuracy: on the inputs as they are.
        robust_accuracy: `clean`, then each attack at each radius, then `worst` at each radius.
        only_survivors: whether each attack was tried only on what those before it had left.
        message: what was done, in a sentence.
        seconds: that all of it took.
        images: `(m, ...)` the inputs.
        labels: `(m,)` their true classes.
        distances: by attack and for `worst`, the length of the shortest example that was found for each input: zero
            where it is classified wrongly as it is, infinite where none was found, `(m,)`.
        nearest: `(m, ...)` the shortest example of all attacks; the input itself where none was found or needed.
    """

    norm: Norm
    bounds: Bounds | None
    radii: tuple[float, ...]
    samples: int
    accuracy: float
    robust_accuracy: tuple[Robustness, ...]
    only_survivors: bool
    message: str
    seconds: float
    images: Tensor = field(metadata={"json": False}, repr=False)
    labels: Tensor = field(metadata={"json": False}, repr=False)
    distances: Mapping[str, Tensor] = field(metadata={"json": False}, repr=False)
    nearest: Tensor = field(metadata={"json": False}, repr=False)

    def of(self, attack: str) -> tuple[Robustness, ...]:
        """The rows of one attack, or of `worst` or `clean`, by rising radius."""
        return tuple(row for row in self.robust_accuracy if row.attack == attack)

    def row(self) -> dict[str, Scalar]:
        """Accuracy on the inputs as they are, and the worst case at each radius."""
        worst: dict[str, Scalar] = {f"worst {row.radius:g}": row.accuracy for row in self.of(WORST)}
        return {"norm": self.norm, "samples": self.samples, "accuracy": self.accuracy, **worst}


def evaluate(
    network: nn.Module,
    images: Tensor,
    labels: Tensor,
    *,
    radii: Sequence[float],
    norm: Norm = "linf",
    attacks: Mapping[str, SampleAttack] | None = None,
    bounds: Bounds | None = (0.0, 1.0),
    sources: Mapping[str, nn.Module] | None = None,
    only_survivors: bool = False,
    seed: int = 0,
    progress: bool | None = None,
) -> Evaluation:
    """Attack a network at each of some radii by each of some attacks, and take the worst for each input.

    Args:
        network: any `nn.Module` that returns logits, in evaluation mode; it comes back bit for bit.
        images: `(m, ...)` inputs.
        labels: `(m,)` their true classes.
        radii: of the budgets, in the units of the inputs.
        norm: of the budgets.
        attacks: by the names they shall have; the radius of bounded ones is replaced by each of `radii`, an attack that
            looks for the shortest runs once for all. None takes `standard_attacks`.
        bounds: within which inputs lie before and after; None where there are none.
        sources: other networks by name, on which examples are made that are tried on this one.
        only_survivors: whether each attack is tried only on what those before it have left, cheapest first. The worst
            case needs no more; what each attack can do on its own remains unknown then.
        seed: of every random draw, of a network that is random too, but not of attacks that were given.
        progress: whether to say on standard error what goes on; None means on a terminal only.

    Raises:
        InputError: no radius or one that is not positive and finite, an attack of another norm or of a name that is
            taken, and whatever the attacks refuse: inputs outside the bounds, labels out of range, a network in
            training mode.

    Example:
        >>> import torch
        >>> from corank.attack.pgd import PGD
        >>> network = nn.Sequential(nn.Flatten(), nn.Linear(4, 2)).eval()
        >>> images, labels = torch.rand(20, 1, 2, 2), torch.zeros(20, dtype=torch.long)
        >>> found = evaluate(network, images, labels, radii=(0.1, 1.0), attacks={"pgd": PGD(radius=1.0, steps=5)})
        >>> [(row.attack, row.radius) for row in found.robust_accuracy]
        [('clean', 0.0), ('pgd', 0.1), ('pgd', 1.0), ('worst', 0.1), ('worst', 1.0)]
    """
    began, grid = time.perf_counter(), _rising(radii)
    runs = _runs(norm, standard_attacks(norm, seed=seed) if attacks is None else attacks, sources or {}, seed)
    with at_work({network}, seed, images.device):
        check_samples(network, images, labels, bounds)
        ledger = Ledger(network, images, labels.long(), bounds, only_survivors=only_survivors)
        clean = ledger.clean()
        rows = []
        for run in runs:
            with stage(f"attacking with {run.name}", shown=progress):
                rows += ledger.rows(run, grid)
    worst = [ledger.worst(radius, [row for row in rows if row.radius == radius]) for radius in grid]
    return Evaluation(
        norm=norm, bounds=bounds, radii=grid, samples=len(images), accuracy=clean.accuracy,
        robust_accuracy=(clean, *rows, *worst), only_survivors=only_survivors, message=DONE[only_survivors],
        seconds=time.perf_counter() - began, images=images, labels=labels,
        distances={**ledger.distances, WORST: ledger.shortest}, nearest=ledger.nearest,
    )  # fmt: skip


def _rising(radii: Sequence[float]) -> tuple[float, ...]:
    wrong = [radius for radius in radii if not 0 < radius < math.inf]
    if wrong or not radii:
        raise InputError(f"radii must be positive and finite, and at least one, got {wrong[0] if wrong else 'none'}")
    return tuple(sorted({float(radius) for radius in radii}))


def _runs(
    norm: Norm, attacks: Mapping[str, SampleAttack], sources: Mapping[str, nn.Module], seed: int
) -> tuple[Run, ...]:
    """All attacks, those on other networks last."""
    for name, attack in attacks.items():
        if name in (CLEAN, WORST) or name.startswith(TRANSFER):
            raise InputError(f"an attack may not be called {name!r}, which is the name of other rows: rename it")
        if attack.norm != norm:
            raise InputError(f"attack {name!r} measures in {attack.norm}, expected {norm}: give both the same norm")
    if not attacks and not sources:
        raise InputError("expected an attack or a source network, got none")
    maker = TransferredDescent(norm=norm, radius=1.0, seed=seed)
    own = (Run(name=name, attack=attack) for name, attack in attacks.items())
    return (*own, *(Run(name=TRANSFER + name, attack=maker, source=network) for name, network in sources.items()))
