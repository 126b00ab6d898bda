"""What universal perturbations found on one network do to others.

Cui et al. 2020 (Active Subspace of Neural Networks), Table 6: rows are the networks that are attacked, columns those
that the perturbation was made on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from corank.attack.checks import Bounds, check_samples
from corank.attack.interval import wilson
from corank.attack.shares import Shares, shares_between
from corank.attack.universal import Samples, Universal, UniversalAttack
from corank.attack.victim import Victim
from corank.errors import InputError
from corank.network.guard import unchanged
from corank.result import Result, Scalar


@dataclass(frozen=True, kw_only=True)
class Transfer(Result):
    """What the perturbation found on one network does to another, or to itself.

    Attributes:
        attacked: the network that is judged.
        source: the network that it was found on.
        samples: that it was tried on.
        fooled: share of all inputs whose class changes.
        low: end of its 95 % interval (Wilson).
        high: the other end.
        fooled_of_right: share of those classified rightly whose class changes; None where none is.
        errors: share that is classified wrongly afterwards.
        errors_before: share that was classified wrongly before.
    """

    attacked: str
    source: str
    samples: int
    fooled: float
    low: float
    high: float
    fooled_of_right: float | None
    errors: float
    errors_before: float

    def row(self) -> dict[str, Scalar]:
        """Both networks and the shares."""
        return {
            "attacked": self.attacked, "source": self.source, "fooled": self.fooled, "low": self.low,
            "high": self.high, "fooled_of_right": self.fooled_of_right, "errors": self.errors,
        }  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class TransferMatrix(Result):
    """What the perturbations found on each of some networks do to all of them.

    Attributes:
        networks: their names.
        transfers: each pair: one network after the other is attacked, from all sources in turn.
        found: the perturbation of each network.
    """

    networks: tuple[str, ...]
    transfers: tuple[Transfer, ...]
    found: tuple[Universal, ...] = field(metadata={"json": False}, repr=False)

    @property
    def fooled(self) -> Tensor:
        """Shares of all inputs whose class changes, `(attacked, source)`."""
        fooled = torch.tensor([each.fooled for each in self.transfers], dtype=torch.float64)
        return fooled.reshape(len(self.networks), -1)

    def row(self) -> dict[str, Scalar]:
        """How many networks, and the mean share that each one's own perturbation fools, and that the others' do."""
        own = [each.fooled for each in self.transfers if each.attacked == each.source]
        others = [each.fooled for each in self.transfers if each.attacked != each.source]
        return {"networks": len(self.networks), "own": _mean(own), "others": _mean(others)}


def transfer_matrix(
    networks: Mapping[str, nn.Module],
    attack: UniversalAttack,
    images: Tensor,
    labels: Tensor,
    *,
    heldout: Samples | None = None,
    bounds: Bounds | None = None,
) -> TransferMatrix:
    """Find a universal perturbation of each of some networks, and see what it does to all of them.

    Args:
        networks: by name, at least two, all of the same inputs and classes; they come back bit for bit.
        attack: that finds a perturbation on each.
        images: `(m, ...)` inputs that it is found on.
        labels: `(m,)` their true classes.
        heldout: other inputs and labels, on which all perturbations are tried; None tries them on `images`.
        bounds: to which perturbed inputs are clipped; None leaves them as they are.

    Raises:
        InputError: fewer than two networks, and whatever the attack refuses.

    Example:
        >>> from corank.attack.random_direction import RandomDirection
        >>> networks = {name: nn.Sequential(nn.Flatten(), nn.Linear(4, 2)).eval() for name in ("a", "b")}
        >>> labels = torch.zeros(9, dtype=torch.long)
        >>> found = transfer_matrix(networks, RandomDirection(radius=1.0), torch.rand(9, 1, 2, 2), labels)
        >>> [(each.attacked, each.source) for each in found.transfers]
        [('a', 'a'), ('a', 'b'), ('b', 'a'), ('b', 'b')]
    """
    if len(networks) < 2:
        raise InputError(f"expected at least two networks, got {len(networks)}")
    x, y = (images, labels) if heldout is None else heldout
    for network in networks.values():
        check_samples(network, x, y, bounds)
    found = {
        name: attack.attack(network, images, labels, heldout=heldout, bounds=bounds)
        for name, network in networks.items()
    }
    transfers = []
    for attacked, network in networks.items():
        with unchanged(network):
            victim = Victim(network, bounds)
            logits = victim.logits(x)
            clean, classes = logits.argmax(1), logits.shape[1]
            for source, made in found.items():
                after = victim.classes(victim.clipped(x + made.vector))
                transfers.append(_transfer(attacked, source, shares_between(clean, after, y, classes)))
    return TransferMatrix(networks=tuple(networks), transfers=tuple(transfers), found=tuple(found.values()))


def _transfer(attacked: str, source: str, shares: Shares) -> Transfer:
    low, high = wilson(round(shares.fooled * shares.samples), shares.samples)
    return Transfer(
        attacked=attacked, source=source, samples=shares.samples, fooled=shares.fooled, low=low, high=high,
        fooled_of_right=shares.fooled_of_right, errors=shares.errors, errors_before=shares.errors_before,
    )  # fmt: skip


def _mean(shares: list[float]) -> float | None:
    return sum(shares) / len(shares) if shares else None
