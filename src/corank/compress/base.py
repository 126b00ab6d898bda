"""What a compressor is: a network to a smaller one, and what that cost.

The base counts the cost of the network that was returned, says what became of every layer, checks that it gives outputs
of the same shape and that the caller's network came back unchanged; no method grades itself. A compressor that trains
keeps its last finished epoch in a folder, if it is given one, and goes on from there.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar

import torch
from torch import nn

from corank.errors import InputError
from corank.measure import Batches, OnDevice, first_that_fits
from corank.network import Cost, cost, evaluation_mode, fingerprint
from corank.network.changes import Change, changes_between, is_unchanged
from corank.network.guard import unchanged
from corank.result import Result, Scalar
from corank.train import Checkpoint, History
from corank.train.evaluate import device_of


@dataclass(frozen=True, kw_only=True)
class Compressed(Result):
    """A smaller network and its accounts.

    Attributes:
        network: the smaller network.
        original: the cost of the caller's network.
        overall: the cost of the smaller one.
        fitted: the smaller network before any training; None where there was none or it was not kept.
        training: that won accuracy back, epoch by epoch; None without.
        changes: what became of every layer with weights.
        message: what the reader should know.
    """

    network: nn.Module = field(metadata={"json": False}, repr=False)
    original: Cost
    overall: Cost
    fitted: nn.Module | None = field(default=None, metadata={"json": False}, repr=False)
    training: History | None = None
    changes: tuple[Change, ...] = ()
    message: str = ""

    @property
    def dense(self) -> nn.Module | None:
        """The network before a training that made it sparse; None without such a training."""
        return None

    @property
    def manner(self) -> str:
        """How it was made, in a few words that may follow the name of the network."""
        return "made smaller"

    @property
    def goal(self) -> dict[str, Scalar] | None:
        """What was aimed at, where a size or an accuracy was asked for; None otherwise."""
        return None

    @property
    def why(self) -> str:
        """What was changed, what was left and why, in a sentence for people."""
        return f"the network was {self.manner}"

    @property
    def storage_ratio(self) -> float:
        """How many times less is stored."""
        return self.original.storage_bytes / self.overall.storage_bytes

    @property
    def multiply_adds_ratio(self) -> float:
        """How many times fewer multiply-adds are done."""
        return self.original.multiply_adds / self.overall.multiply_adds

    def row(self) -> dict[str, Scalar]:
        """The cost of the smaller network and how many times smaller it is."""
        return {
            **self.overall.row(),
            "storage ratio": self.storage_ratio,
            "multiply-adds ratio": self.multiply_adds_ratio,
        }


Made = TypeVar("Made", bound=Compressed, covariant=True)


@dataclass(frozen=True, kw_only=True)
class Compressor(ABC, Generic[Made]):
    """The base of all compressors: options are fields, the verb is `compress`; `Compressor[ASNetwork]` returns ASNets.

    Attributes:
        exact_on: kinds of networks whose outputs are reproduced up to rounding; `"polynomial"` is one that after
            the cut is a polynomial of no more order, in no more linear combinations of the features, than are kept.
    """

    exact_on: ClassVar[frozenset[str]] = frozenset()

    def compress(
        self,
        network: nn.Module,
        batches: Batches,
        *,
        validation: Batches | None = None,
        checkpoint: Checkpoint | Path | None = None,
    ) -> Made:
        """Build a smaller network.

        Args:
            network: any `nn.Module` that can be captured; it comes back bit for bit.
            batches: re-iterable training batches `(x, y)`, in random order.
            validation: re-iterable batches on which choices are made (a step size, say), never those of the test set;
                trainings then tell the accuracy on them after every epoch.
            checkpoint: a folder, alone or with options (what the batches are, say), in which trainings keep their last
                finished epoch and from which they go on. This method's options and the network's weights are added.

        Raises:
            InputError: options that the network or the data cannot satisfy or that change nothing in the network, or a
                checkpoint that is broken or of other options.
        """
        if hasattr(batches, "set_epoch"):
            batches.set_epoch(0)  # wherever an earlier training left them
        with unchanged(network):
            x = first_that_fits(network, OnDevice(batches, device_of(network)))
            _check_output(network, x)
            proposal = self._compress(network, batches, validation, self._keeper(network, checkpoint))
        with torch.inference_mode(), evaluation_mode(network), evaluation_mode(proposal.network):
            expected, got = network(x[:1]).shape, proposal.network(x[:1]).shape
        assert got == expected, f"the smaller network returns {tuple(got)} instead of {tuple(expected)}"
        _check_finite(network, proposal.network)
        changes = changes_between(network, proposal.network, x)
        if is_unchanged(network, proposal.network, changes):
            raise InputError(
                "the network is unchanged: no layer was removed, narrowed or replaced, and every number is as it was; "
                f"ask {type(self).__name__} for a smaller one, or keep the network"
            )
        return replace(
            proposal,
            original=cost(network, x.shape[1:], x.dtype),
            overall=cost(proposal.network, x.shape[1:], x.dtype),
            changes=changes,
        )

    @abstractmethod
    def _compress(
        self, network: nn.Module, batches: Batches, validation: Batches | None, checkpoint: Checkpoint | None
    ) -> Made: ...

    def _keeper(self, network: nn.Module, checkpoint: Checkpoint | Path | None) -> Checkpoint | None:
        """The checkpoint of this compression and no other; what another one left in its folder is refused at once."""
        if checkpoint is None:
            return None
        given = checkpoint if isinstance(checkpoint, Checkpoint) else Checkpoint(checkpoint)
        if added := sorted({"compressor", "fit"} & given.options.keys()):
            raise InputError(
                f"a checkpoint's option must not be named {added[0]!r}, which is added: choose another name"
            )
        own = {"method": type(self).__name__, **asdict(self), "weights": fingerprint(network.state_dict())}
        keeper = Checkpoint(given.folder, options={**given.options, "compressor": own})
        keeper.check()
        return keeper


def _check_output(network: nn.Module, x: Any) -> None:
    if not isinstance(x, torch.Tensor):
        raise InputError(
            f"a network is compressed that takes one tensor, the batches hold a {type(x).__name__}: wrap the network "
            "so that it takes one"
        )
    with torch.no_grad(), evaluation_mode(network):
        output = network(x[:2])
    if not isinstance(output, torch.Tensor):
        raise InputError(
            f"a network is compressed that returns logits alone, this one returns a {type(output).__name__}: give "
            "Adapted(network, output=...), which finds the logits"
        )


def _check_finite(network: nn.Module, small: nn.Module) -> None:
    """Refuse numbers that a training spoilt; what was not finite before is not its doing."""
    if not all(bool(value.isfinite().all()) for value in network.state_dict().values()):
        return
    for name, value in small.state_dict().items():
        if not value.isfinite().all():
            raise InputError(
                f"training made {name!r} infinite or not a number: give smaller step sizes, or larger batches"
            )
