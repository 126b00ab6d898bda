"""ASNet: cut a network, keep the active directions there, and let a polynomial finish the work.

The network after the cut is replaced by a linear map onto the active subspace and a polynomial chaos expansion of
the outputs in these few variables (Cui et al. 2020, Alg. 3.1). The expansion is fitted to the network's own logits in
orthonormal Hermite polynomials of whitened variables; whitening then folds into the linear map and the coefficients, so
that nothing but these two matrices is stored. Distillation fine-tunes the whole, with a step size of its own for the
new layers; proximal stochastic gradient then makes it sparse if that is wanted (ASNet-s, section 3.6). What the paper
compares it with (Fig. 5b), principal directions and logistic regression, are two options, and go the same way.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import ClassVar, final, get_args

import torch
from torch import nn

from corank.compress.asnetwork import ASNetwork
from corank.compress.base import Compressor
from corank.compress.chaos import BasisName, fit_expansion
from corank.compress.checks import (
    check_at_least,
    check_between,
    check_idle,
    check_one_of,
    check_positive,
    check_precision,
)
from corank.compress.directions import DirectionsName, find_directions
from corank.compress.fine_tuning import ByDistillation, PenaltyName, penalty_named, recovered
from corank.compress.fits import ADVISABLE, DOptimal, Fit, FitName, LeastSquares, Ridge, Sparse
from corank.compress.heads import Head, HeadName
from corank.compress.logistic import MOST_VALUES, fit_logistic
from corank.compress.samples import Drawn, draw_samples
from corank.compress.sparsity import Sparsified, nonzero_cost, sparsified
from corank.errors import InputError
from corank.linalg import number_of_terms
from corank.measure import Batches, OnDevice, first_batch
from corank.network import Cut, GraphNetwork, Layer, capture, compose, cost, cut, free_name
from corank.network.graph import assemble, tensors_of
from corank.train import Checkpoint, History
from corank.train.evaluate import device_of

HEAD = "asnet"
SAMPLES_PER_TERM = 10
SAMPLES_AT_LEAST = 4096
METHODS: dict[tuple[DirectionsName, HeadName], str] = {
    ("active", "polynomial"): "AS + PCE",
    ("active", "logistic"): "AS + LR",
    ("jacobian", "polynomial"): "Jacobian + PCE",
    ("jacobian", "logistic"): "Jacobian + LR",
    ("principal", "polynomial"): "PCA + PCE",
    ("principal", "logistic"): "PCA + LR",
    ("all", "logistic"): "LR",
}
"""What keeps such directions and ends in such a head, in the paper's letters."""


@final
@dataclass(frozen=True, kw_only=True)
class ASNet(Compressor[ASNetwork]):
    """Cut at a layer, project on the active subspace, finish by a polynomial, fine-tune by distillation.

    Args:
        layer: where to cut: a name or the number of a convolution.
        directions: that are kept: "active", those of the loss gradient; "jacobian", those of the gradients of all
            outputs, which do not fade where the network is sure; for comparison "principal", in which the features vary
            most, or "all", the features themselves, for the logistic head only.
        head: what follows them: "polynomial", fitted to the network's logits; for comparison "logistic", a linear
            read-out fitted to the labels by logistic regression.
        rank: how many directions; without meaning for "all".
        order: of the polynomial; 1 is a linear read-out.
        samples: that determine the directions; None takes all data.
        samples_fit: that determine the coefficients, at most; None takes ten a coefficient of an output and at least
            4096, but no more than 4096 with "all" directions, where all their features lie in memory.
        fit: how the polynomial's coefficients are found: "least-squares"; "ridge", cross-validated, also for few
            samples; "sparse", few of them; "d-optimal", from few samples that are chosen to determine them.
        basis: in which they are found: "hermite", for normal variables, or "data-driven", orthonormal on the data.
        ridge: of "least-squares" and "d-optimal", relative to the mean square of a basis function.
        epochs: of fine-tuning; 0 leaves the fit as it is (paper: 50).
        beta: weight of the teacher's probabilities against the labels in both trainings (paper: 0.1; with 0 the sparse
            one is eq. 3.19 to the letter).
        pre_rate: step size of the pre-model (paper: 1e-4 for VGG-19, 1e-3 for ResNet).
        head_rate: step size of the new layers (paper: 1e-5).
        sparse: the penalty of the sparse training after fine-tuning: "l1" for zeros (ASNet-s of the paper),
            "group-lasso" for columns of zeros, "nuclear-norm" for low rank; None for no such training.
        sparse_weight: what the penalty is multiplied with (lambda; the paper does not say its own). In each step a
            weight shrinks by step size times lambda: one of size s is gone after s / (step size x lambda) steps.
        sparse_epochs: of the sparse training (paper: at most 100).
        sparse_pre_rate: its step size for the pre-model (paper: 1e-4).
        sparse_head_rate: its step size for the new layers (paper: 1e-5).
        seed: of both trainings.

    Raises:
        InputError: an option out of its range, or one that has no effect beside the others; from `compress` a place
            that cannot be cut, more directions than features, too few samples, or a network in half precision.

    Example:
        >>> _ = torch.manual_seed(0)
        >>> net = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 3))
        >>> data = [(torch.randn(32, 6), torch.randint(3, (32,))) for _ in range(10)]
        >>> small = ASNet(layer="1", rank=3, order=2, epochs=0).compress(net, data)
        >>> small.terms, small.head.parameters == 3 * 8 + 3 * small.terms
        (10, True)
    """

    exact_on: ClassVar[frozenset[str]] = frozenset({"polynomial"})

    layer: Layer
    directions: DirectionsName = "active"
    head: HeadName = "polynomial"
    rank: int = 50
    order: int = 2
    samples: int | None = None
    samples_fit: int | None = None
    fit: FitName = "least-squares"
    basis: BasisName = "hermite"
    ridge: float = 1e-8
    epochs: int = 5
    beta: float = 0.1
    pre_rate: float = 1e-4
    head_rate: float = 1e-5
    sparse: PenaltyName | None = None
    sparse_weight: float = 1e-2
    sparse_epochs: int = 5
    sparse_pre_rate: float = 1e-4
    sparse_head_rate: float = 1e-5
    seed: int = 0

    def __post_init__(self) -> None:
        check_at_least(1, rank=self.rank, sparse_epochs=self.sparse_epochs)
        check_at_least(1, samples=self.samples, samples_fit=self.samples_fit)
        check_at_least(0, order=self.order, epochs=self.epochs, ridge=self.ridge, sparse_weight=self.sparse_weight)
        check_positive(pre_rate=self.pre_rate, head_rate=self.head_rate)
        check_positive(sparse_pre_rate=self.sparse_pre_rate, sparse_head_rate=self.sparse_head_rate)
        check_between(0, 1, beta=self.beta)
        check_one_of(get_args(DirectionsName), directions=self.directions)
        check_one_of(get_args(HeadName), head=self.head)
        check_one_of(get_args(FitName), fit=self.fit)
        check_one_of(get_args(BasisName), basis=self.basis)
        check_one_of((*get_args(PenaltyName), None), sparse=self.sparse)
        if (self.directions, self.head) not in METHODS:
            raise InputError(f"directions {self.directions!r} need the head 'logistic', got the head {self.head!r}")
        check_idle(self, self._idle())

    def _idle(self) -> dict[str, str]:
        """Options that mean nothing beside the others, and what makes them so."""
        idle = {}
        if self.fit in ("ridge", "sparse"):
            idle["ridge"] = f"the fit {self.fit!r}"
        if self.head == "logistic":
            idle |= dict.fromkeys(("fit", "basis", "ridge"), "the head 'logistic'")
        if self.sparse is None:
            idle |= dict.fromkeys(
                ("sparse_weight", "sparse_epochs", "sparse_pre_rate", "sparse_head_rate"), "sparse None"
            )
        return idle

    def _compress(
        self, network: nn.Module, batches: Batches, validation: Batches | None, checkpoint: Checkpoint | None
    ) -> ASNetwork:
        there = OnDevice(batches, device_of(network))
        example, _ = first_batch(there)
        graph = capture(network, example)
        halves = cut(graph, self.layer, example)
        check_precision(graph, "an ASNet")
        wanted = self._samples_wanted(halves.features)
        kept = find_directions(graph, self.layer, batches, kind=self.directions, rank=self.rank, samples=self.samples)
        found = self._fitted_head(draw_samples(halves, kept.vectors, there, wanted))
        like = next(found.module.parameters())
        head = capture(found.module, like.new_zeros(2, *halves.shape))
        name = free_name(halves.pre, HEAD)
        fitted = compose(halves.pre, head, name)
        parts = Parts(halves, head, f"{name}.")
        train = partial(
            recovered, teacher=network, batches=batches, of=f"cut at {self.layer}", validation=validation,
            checkpoint=checkpoint, seed=self.seed,
        )  # fmt: skip
        tuned, training = train(fitted, tuning=self._tuning(parts.prefix), epochs=self.epochs)
        epochs = self.sparse_epochs if self.sparse else 0
        small, thinned = train(tuned, tuning=self._thinning(parts.prefix), epochs=epochs, name="sparse-training")
        before = cost(network, example.shape[1:], example.dtype)
        pre = cost(halves.pre, example.shape[1:], example.dtype)
        after = cost(head, halves.shape, like.dtype)
        return ASNetwork(
            network=small,
            fitted=fitted,
            tuned=tuned,
            original=before,
            overall=pre + after,
            layer=halves.point.label,
            features=halves.features,
            method=METHODS[self.directions, self.head],
            rank=found.rank,
            order=found.order,
            terms=found.terms,
            pre=pre,
            head=after,
            captured_heldout=kept.captured_heldout,
            samples_fit=found.samples,
            residual=found.residual,
            residual_heldout=found.residual_heldout,
            variance=found.variance,
            bounds=found.bounds,
            message=self._message(found),
            training=training,
            sparse=self._sparsified(small, parts, example, thinned),
        )

    def _tuning(self, new: str) -> ByDistillation:
        return ByDistillation(beta=self.beta, pre_rate=self.pre_rate, head_rate=self.head_rate, new=new)

    def _thinning(self, new: str) -> ByDistillation:
        return ByDistillation(
            beta=self.beta,
            pre_rate=self.sparse_pre_rate,
            head_rate=self.sparse_head_rate,
            new=new,
            penalty=None if self.sparse is None else penalty_named(self.sparse, self.sparse_weight),
        )

    @property
    def _fit(self) -> Fit:
        fits: dict[FitName, Fit] = {
            "least-squares": LeastSquares(ridge=self.ridge),
            "ridge": Ridge(),
            "sparse": Sparse(),
            "d-optimal": DOptimal(ridge=self.ridge),
        }
        return fits[self.fit]

    def _samples_wanted(self, features: int) -> int:
        """How many samples are to determine the coefficients.

        Raises:
            InputError: more directions than features, or more samples of all features than memory is meant to hold.
        """
        if self.directions == "all":
            most = max(1, MOST_VALUES // features)
            if self.samples_fit is not None and self.samples_fit > most:
                raise InputError(
                    f"samples_fit must be at most {most} with all {features} features in memory, got {self.samples_fit}"
                )
            return self.samples_fit or min(SAMPLES_AT_LEAST, most)
        if self.rank > features:
            raise InputError(f"rank must be at most the {features} features at the cut, got {self.rank}")
        order = 1 if self.head == "logistic" else self.order
        return self.samples_fit or max(SAMPLES_PER_TERM * number_of_terms(self.rank, order), SAMPLES_AT_LEAST)

    def _fitted_head(self, drawn: Drawn) -> Head:
        if self.head == "logistic":
            return fit_logistic(drawn)
        return fit_expansion(drawn, order=self.order, fit=self._fit, basis=self.basis)

    def _message(self, found: Head) -> str:
        """What was built if it is not an ASNet, how many samples determined the coefficients, what the fit said."""
        if self.head == "logistic":
            told = f"fitted to the labels of {found.samples} samples"
        else:
            is_few = found.samples < ADVISABLE * found.terms
            each = f"{found.samples / found.terms:.1f} a coefficient"
            told = f"fitted on {'only ' if is_few else ''}{found.samples} samples, {each}"
            told += f" where {ADVISABLE} are advisable" if is_few else ""
        method = METHODS[self.directions, self.head]
        named = "" if method == "AS + PCE" else f"{method}: "
        return f"{named}{told}{f': {found.chosen}' if found.chosen else ''}"

    def _sparsified(
        self, small: GraphNetwork, parts: Parts, example: torch.Tensor, training: History | None
    ) -> Sparsified | None:
        """The accounts of a network that was made sparse; None where it was not."""
        if training is None:
            return None
        pre, head = parts.of(small)
        return sparsified(
            small,
            pre=nonzero_cost(pre, tuple(example.shape[1:]), example.dtype),
            head=nonzero_cost(head, parts.halves.shape, next(head.parameters()).dtype),
            penalty=f"{self.sparse} x {self.sparse_weight:g}",
            training=training,
        )


@dataclass(frozen=True)
class Parts:
    """The two parts of an ASNet: the pre-model, and the new layers, whose names in the whole have a prefix."""

    halves: Cut
    head: GraphNetwork
    prefix: str

    def of(self, network: GraphNetwork) -> tuple[GraphNetwork, GraphNetwork]:
        """The parts of a whole of the same structure, with its tensors."""
        tensors = tensors_of(network)
        own = {name.removeprefix(self.prefix): value for name, value in tensors.items() if name.startswith(self.prefix)}
        return assemble(tensors, self.halves.pre.graph), assemble(own, self.head.graph)
