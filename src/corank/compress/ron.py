"""RON: the end of a trained network becomes a small fully-connected one, without any training.

Outputs of a layer lie near a subspace, `z ~ V c`; few of their entries determine c, and only these need be computed
from the few entries that were kept of the layer before (Daulbaev, "Applications of Differential Equations and
Reduced-Order Modeling for Deep Learning", chapter 5; Gusak, Daulbaev, Ponomarev, Cichocki and Oseledets 2021,
"Reduced-order modeling of deep neural networks"). Subspaces come from one pass over some samples, the entries from a
search for rows of large volume. Fine-tuning may follow, and the whole may be repeated.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Literal, NamedTuple, final, get_args

import torch
from torch import Tensor, nn

from corank.compress.base import Compressor
from corank.compress.checks import (
    check_at_least,
    check_between,
    check_idle,
    check_one_of,
    check_positive,
    check_precision,
)
from corank.compress.fine_tuning import ByDistillation, ByLabels, Tuning, TuningName, recovered
from corank.compress.reduced.accounts import reduced_layers
from corank.compress.reduced.assessment import assess
from corank.compress.reduced.bases import SKETCH_SIZE, limited, measure_bases
from corank.compress.reduced.layer import ReducedLayer
from corank.compress.reduced.normalising import add_batch_norms
from corank.compress.reduced.ranks import RankRule
from corank.compress.reduced.reduction import Reduction
from corank.compress.reduced.refit import refit
from corank.compress.reduced.stages import Tail, tail_of
from corank.compress.reduced.student import DenseTail
from corank.compress.ronetwork import ReductionRound, RONetwork
from corank.errors import InputError
from corank.linalg.row_selection import Method as SelectionName
from corank.measure import Batches, OnDevice, first_batch
from corank.network import Cost, Cut, GraphNetwork, Layer, Layers, capture, compose, cost, cut, free_name
from corank.train import Checkpoint, History
from corank.train.evaluate import device_of

MapsName = Literal["fitted", "interpolated"]
HEAD = "ron"
NORMALISING_SAMPLES = 1024
NOTHING = Cost(parameters=0, storage_bytes=0, multiply_adds=0)


@final
@dataclass(frozen=True, kw_only=True)
class RON(Compressor[RONetwork]):
    """Replace a network, or its end, by a fully-connected one between few features of every layer.

    At most one of rank, energy, factor and vbmf says how many directions each layer keeps; without any it is energy
    0.99.

    Args:
        layer: the last one that is kept as it is, a name or the number of a convolution; None reduces the whole
            network.
        rank: directions kept of every layer, or as many as it has features where these are fewer.
        energy: share of the mean square of a layer's outputs that its directions hold.
        factor: how many times fewer directions than features are kept.
        vbmf: let analytic variational Bayes decide.
        rows: features kept a direction, from 1 to 2, as far as there are so many.
        multiple: the number of features kept is rounded up to a multiple of it.
        selection: how features are chosen: "volume", greedily; "gappy-pod-e", for their smallest singular value;
            "maxvol", greedily after swaps.
        maps: how the maps between layers are found: "fitted" to the network's own values on the samples, in closed
            form, or "interpolated", by the thesis' formula, from which the fit begins.
        project: directions of the kept part's output through which the reduced layers read it (0: they read all of
            it); fewer multiply-adds where that output is large.
        samples: that the subspaces are found from; None takes all data.
        sketch_size: directions of each layer that are known, at most.
        batch_norm: give the new layers batch norms, which at first change nothing.
        dropout: share of the new layers' features that fine-tuning leaves out.
        tuning: how it is fine-tuned: "distillation", or "thesis", from the labels alone by stochastic gradients whose
            rate is halved after ten epochs without better validation accuracy (section 5.4.3).
        iterations: of compressing and fine-tuning.
        epochs: of fine-tuning, in each of them; 0 for none.
        beta: weight of the teacher's probabilities against the labels in the distillation.
        pre_rate: its step size for the kept part.
        head_rate: its step size for the new layers.
        learning_rate: the first one of the thesis' fine-tuning.
        seed: of the fine-tuning.

    Raises:
        InputError: an option out of its range, options that exclude one another, or one that has no effect beside the
            others; from `compress` an operation that cannot be reduced, a place that cannot be cut, a network in half
            precision, tuning "thesis" without validation batches, or too few samples.

    Example:
        >>> _ = torch.manual_seed(0)
        >>> net = nn.Sequential(nn.Linear(6, 20), nn.ReLU(), nn.Linear(20, 20), nn.ReLU(), nn.Linear(20, 3))
        >>> data = [(torch.randn(64, 6), torch.randint(3, (64,))) for _ in range(4)]
        >>> small = RON(energy=0.95, epochs=0).compress(net, data)
        >>> [(row.layer, row.rank, row.rows) for row in small.layers]
        [('1', 11, 17), ('3', 6, 9)]
    """

    exact_on: ClassVar[frozenset[str]] = frozenset({"low-rank"})
    """The outputs of each layer after the cut lie in a subspace of no more dimensions than are kept."""

    layer: Layer | None = None
    rank: int | None = None
    energy: float | None = None
    factor: float | None = None
    vbmf: bool = False
    rows: float = 1.5
    multiple: int = 1
    selection: SelectionName = "volume"
    maps: MapsName = "fitted"
    project: int = 0
    samples: int | None = 4096
    sketch_size: int = SKETCH_SIZE
    batch_norm: bool = False
    dropout: float = 0.0
    tuning: TuningName = "distillation"
    iterations: int = 1
    epochs: int = 5
    beta: float = 0.1
    pre_rate: float = 1e-4
    head_rate: float = 1e-4
    learning_rate: float = 1e-2
    seed: int = 0

    def __post_init__(self) -> None:
        _ = self._rule  # checks its own options
        check_between(1, 2, rows=self.rows)
        check_at_least(1, multiple=self.multiple, sketch_size=self.sketch_size, iterations=self.iterations)
        check_at_least(1, samples=self.samples)
        check_at_least(0, epochs=self.epochs, project=self.project)
        check_positive(pre_rate=self.pre_rate, head_rate=self.head_rate, learning_rate=self.learning_rate)
        check_between(0, 1, beta=self.beta)
        if not 0 <= self.dropout < 1:
            raise InputError(f"dropout must be at least 0 and below 1, got {self.dropout}")
        check_one_of(get_args(SelectionName), selection=self.selection)
        check_one_of(get_args(MapsName), maps=self.maps)
        check_one_of(get_args(TuningName), tuning=self.tuning)
        check_idle(self, self._idle())

    def _idle(self) -> dict[str, str]:
        """Options that mean nothing beside the others, and what makes them so."""
        idle = {}
        if self.layer is None:
            idle["pre_rate"] = "layer None, which keeps nothing"
        if self.tuning == "thesis":
            idle |= dict.fromkeys(("beta", "pre_rate", "head_rate"), "tuning 'thesis'")
        else:
            idle["learning_rate"] = f"tuning {self.tuning!r}"
        return idle

    @property
    def _rule(self) -> RankRule:
        return RankRule(rank=self.rank, energy=self.energy, factor=self.factor, vbmf=self.vbmf)

    def _compress(
        self, network: nn.Module, batches: Batches, validation: Batches | None, checkpoint: Checkpoint | None
    ) -> RONetwork:
        if self.tuning == "thesis" and self.epochs and validation is None:
            raise InputError(
                "tuning 'thesis' follows the validation accuracy: give validation batches, or take 'distillation'"
            )
        there = OnDevice(batches, device_of(network))
        example, _ = first_batch(there)
        current = capture(network, example)
        check_precision(current, "a reduced-order network")
        before = cost(network, example.shape[1:], example.dtype)
        rounds: list[ReductionRound] = []
        for number in range(1, self.iterations + 1):
            if hasattr(batches, "set_epoch"):
                batches.set_epoch(0)  # wherever the last round left them
            built = self._reduced(current, there, example)
            current, training = recovered(
                built.network, network, batches, self._tuning(built.prefix), epochs=self.epochs,
                name=_round_name("fine-tuning", number), of=_place(self.layer), validation=validation,
                checkpoint=checkpoint, seed=self.seed,
            )  # fmt: skip
            rounds.append(self._round(number, built, training))
        last = built.accounts
        return replace(
            last,
            network=current,
            fitted=built.network if training else None,
            training=training,
            original=before,
            overall=last.pre + last.head,
            rounds=tuple(rounds),
            message=self._message(last, before, built.doubts),
        )

    def _reduced(self, network: GraphNetwork, batches: OnDevice, example: Tensor) -> Built:
        """The network with a reduced end, and everything but its training in the accounts."""
        layers = Layers(network, example.shape[1:], example.dtype)
        halves = None if self.layer is None else cut(network, self.layer, example)
        tail = tail_of(layers, layers.network.input_node if halves is None else layers.node(halves.point))
        if not tail.stages:
            raise InputError(f"after {_place(self.layer)} there is no activation: the rest is one linear map already")
        bases = measure_bases(
            tail, batches, samples=self.samples, sketch_size=self._sketch_size(tail), start=self.project > 0,
            record=self.maps == "fitted",
        )  # fmt: skip
        ranks = [self._rule(basis) for basis in bases.layers]
        projected = min(self.project, tail.features) or None
        reduction = Reduction(tail, bases, ranks, projected=projected)
        sizes = reduction.shape.sized(ranks, rows=self.rows, multiple=self.multiple)
        reduced = reduction.build(sizes, selection=self.selection, dropout=self.dropout)
        if bases.recorded is not None:
            refit(reduction, reduced, bases.recorded)
        assessment = assess(reduction, reduced, bases)
        if self.batch_norm:
            add_batch_norms(reduced.network, _starts(halves.pre if halves else None, batches))
        whole, prefix = _joined(halves, reduced.network, tail)
        pre = NOTHING if halves is None else cost(halves.pre, example.shape[1:], example.dtype)
        head = cost(reduced.network, tail.shape, next(reduced.network.parameters()).dtype)
        accounts = RONetwork(
            network=whole, original=pre + head, overall=pre + head, layer=tail.label,
            layers=reduced_layers(tail, bases, reduced, assessment), pre=pre, head=head, samples=bases.samples,
            samples_heldout=bases.samples_heldout, agreement=assessment.agreement, rounds=(),
        )  # fmt: skip
        return Built(whole, prefix, accounts, bases.doubts)

    def _round(self, number: int, built: Built, training: History | None) -> ReductionRound:
        accounts = built.accounts
        return ReductionRound(
            round=number,
            overall=accounts.pre + accounts.head,
            ranks=tuple(layer.rank for layer in accounts.layers),
            agreement=accounts.agreement,
            validation_accuracy=training.rows[-1].validation_accuracy if training else None,
        )

    def _sketch_size(self, tail: Tail) -> int:
        """Directions to know of each layer: twice those that are kept for certain, but no fewer than asked for."""
        certain = [self._rule.largest(stage.features) or 0 for stage in tail.stages]
        return max(self.sketch_size, 2 * max([*certain, self.project]))

    def _tuning(self, prefix: str) -> Tuning:
        if self.tuning == "thesis":
            return ByLabels(learning_rate=self.learning_rate)
        return ByDistillation(beta=self.beta, pre_rate=self.pre_rate, head_rate=self.head_rate, new=prefix)

    def _message(self, found: RONetwork, before: Cost, doubts: Sequence[str]) -> str:
        """What a reader should know: samples of few classes, a tail that grew, layers of which too little is known."""
        told = [f"bases from {found.samples} samples", *doubts]
        replaced = before.parameters - found.pre.parameters
        if found.head.parameters > replaced:
            told.append(
                f"the dense layers hold {found.head.parameters:,} parameters, more than the {replaced:,} they replace: "
                "reduce fewer layers, keep fewer directions, or give project"
            )
        wanted = self._rule.share
        short = [layer for layer in found.layers if wanted is not None and layer.energy < wanted - 1e-6]
        if short:
            named = ", ".join(f"{layer.layer} ({layer.energy:.1%})" for layer in short)
            told.append(f"less than the energy asked for is held at {named}: give a larger sketch_size or more samples")
        if self.iterations > 1 and self.epochs:
            told.append("the accuracy before recovery and the curve of training are those of the last round")
        if self.vbmf:
            told += _doubts(found.layers)
        return "; ".join(told)


class Built(NamedTuple):
    """A network with a reduced end, what its new parameters' names begin with, its accounts, and doubts about these."""

    network: GraphNetwork
    prefix: str
    accounts: RONetwork
    doubts: list[str]


def _joined(halves: Cut | None, small: DenseTail, tail: Tail) -> tuple[GraphNetwork, str]:
    """The kept part with a small network behind it, and what the names of the latter's parameters begin with."""
    start = next(small.parameters()).new_zeros(2, *tail.shape)
    if halves is None:
        alone = nn.Sequential()
        alone.add_module(HEAD, small)
        return capture(alone, start), f"{HEAD}."
    name = free_name(halves.pre, HEAD)
    return compose(halves.pre, capture(small, start), name), f"{name}."


def _doubts(layers: Sequence[ReducedLayer]) -> list[str]:
    """Why ranks of variational Bayes may mean little."""
    told = []
    if floorless := [layer.layer for layer in layers if not layer.has_noise_floor]:
        told.append(f"the spectra at {', '.join(floorless)} have no noise floor, so that their ranks mean little")
    if full := [layer.layer for layer in layers if layer.rank == len(layer.singular_values) < layer.features]:
        told.append(f"all known directions are kept at {', '.join(full)}: give a larger sketch_size or more samples")
    return told


def _place(layer: Layer | None) -> str:
    return "the input" if layer is None else f"layer {layer}"


def _round_name(name: str, number: int) -> str:
    return name if number == 1 else f"{name}-{number}"


def _starts(pre: nn.Module | None, batches: OnDevice) -> Iterator[Tensor]:
    """Values at the start of the reduced part, of some samples."""
    with torch.no_grad():
        for x, _ in limited(batches, NORMALISING_SAMPLES):
            yield x if pre is None else pre(x)
