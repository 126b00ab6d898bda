"""ASNet: cut a network, keep the active directions there, and let a polynomial finish the work.

The network after the cut is replaced by a linear map onto the active subspace and a polynomial chaos expansion of
the outputs in these few variables (Cui et al. 2020, Alg. 3.1). The expansion is fitted by least squares to the
network's own logits in orthonormal Hermite polynomials of whitened variables; whitening then folds into the
linear map and the coefficients, so that nothing but these two matrices is stored. Distillation fine-tunes the
whole, with a step size of its own for the new layers.
"""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass, field
from typing import ClassVar, final

import torch
from torch import nn

from corank.compress.base import Compressed, Compressor
from corank.compress.chaos import fit_expansion
from corank.errors import InputError
from corank.linalg import number_of_terms
from corank.measure import ActiveLayer, ActiveSubspace, Batches, OnDevice, first_batch
from corank.network import Cost, GraphNetwork, Layer, capture, compose, cost, cut, free_name
from corank.result import Scalar
from corank.train import Cosine, Distillation, History, fit
from corank.train.evaluate import device_of

HEAD = "asnet"
SAMPLES_PER_TERM = 10
SAMPLES_AT_LEAST = 4096
ENOUGH_PER_TERM = 5


@dataclass(frozen=True, kw_only=True)
class ASNetwork(Compressed):
    """A network that was cut and finished by a polynomial.

    Attributes:
        network: pre-model, subspace layer and polynomial as one graph.
        fitted: the same before fine-tuning.
        layer: where the cut lies.
        features: of one sample there.
        rank: directions kept.
        order: of the polynomial.
        terms: its number of basis functions.
        pre: the cost of the pre-model.
        head: the cost of the subspace layer and the polynomial.
        captured_heldout: share of held-out gradient energy in the directions.
        samples_fit: how many samples determined the coefficients.
        residual: `delta*`, the mean squared distance to the network's logits over these samples (eq. 3.13).
        residual_heldout: the same over samples that took no part in the fit; null where there were none.
        variance: the mean squared distance of the logits from their mean, to compare the residuals with.
        message: what the reader should know.
        training: the fine-tuning, epoch by epoch; null without.
    """

    fitted: nn.Module = field(metadata={"json": False}, repr=False)
    layer: str
    features: int
    rank: int
    order: int
    terms: int
    pre: Cost
    head: Cost
    captured_heldout: float
    samples_fit: int
    residual: float
    residual_heldout: float
    variance: float
    message: str
    training: History | None

    def row(self) -> dict[str, Scalar]:
        """The cut, its cost and how well the polynomial fits."""
        return {
            "layer": self.layer, "features": self.features, "rank": self.rank, "order": self.order,
            **super().row(), "residual": self.residual, "residual held-out": self.residual_heldout,
        }  # fmt: skip


@final
@dataclass(frozen=True, kw_only=True)
class ASNet(Compressor):
    """Cut at a layer, project on the active subspace, finish by a polynomial, fine-tune by distillation.

    Args:
        layer: where to cut: a name or the number of a convolution.
        rank: directions that are kept.
        order: of the polynomial; 1 is a linear read-out.
        samples: gradients that determine the directions; None takes all data.
        epochs: of fine-tuning; 0 leaves the fit as it is (paper: 50).
        beta: weight of the teacher's probabilities against the labels (paper: 0.1).
        pre_rate: step size of the pre-model (paper: 1e-4 for VGG-19, 1e-3 for ResNet).
        head_rate: step size of the new layers (paper: 1e-5).
        ridge: of the least squares, relative to the mean square of a basis function.
        seed: of fine-tuning.

    Raises:
        InputError: an option out of its range.

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
    rank: int = 50
    order: int = 2
    samples: int | None = None
    epochs: int = 5
    beta: float = 0.1
    pre_rate: float = 1e-4
    head_rate: float = 1e-5
    ridge: float = 1e-8
    seed: int = 0

    def __post_init__(self) -> None:
        for name, least in (("rank", 1), ("order", 0), ("epochs", 0), ("ridge", 0)):
            if not least <= getattr(self, name) < math.inf:
                raise InputError(f"{name} must be at least {least} and finite, got {getattr(self, name)}")
        for name in ("pre_rate", "head_rate"):
            if not 0 < getattr(self, name) < math.inf:
                raise InputError(f"{name} must be positive and finite, got {getattr(self, name)}")
        if not 0 <= self.beta <= 1:
            raise InputError(f"beta must lie between 0 and 1, got {self.beta}")
        if self.samples is not None and self.samples < 1:
            raise InputError(f"samples must be at least 1, got {self.samples}")

    def compress(self, network: nn.Module, batches: Batches) -> ASNetwork:
        """Build the ASNet of a network; see `Compressor.compress`.

        Raises:
            InputError: a place that cannot be cut, more directions than features, or too few samples.
        """
        result = super().compress(network, batches)
        assert isinstance(result, ASNetwork)
        return result

    def _compress(self, network: nn.Module, batches: Batches) -> ASNetwork:
        there = OnDevice(batches, device_of(network))
        example, _ = first_batch(there)
        graph = capture(network, example)
        halves = cut(graph, self.layer, example)
        if self.rank > halves.features:
            raise InputError(f"rank must be at most the {halves.features} features at the cut, got {self.rank}")
        found = self._active_subspace(graph, batches)
        terms = number_of_terms(self.rank, self.order)
        wanted = max(SAMPLES_PER_TERM * terms, SAMPLES_AT_LEAST)
        expansion = fit_expansion(halves, found.directions, there, order=self.order, ridge=self.ridge, samples=wanted)
        head = capture(expansion.module(), found.directions.new_zeros(2, *halves.shape))
        name = free_name(halves.pre, HEAD)
        fitted = compose(halves.pre, head, name)
        tuned, training = self._fine_tune(network, fitted, f"{name}.", batches)
        before = cost(network, example.shape[1:], example.dtype)
        pre = cost(halves.pre, example.shape[1:], example.dtype)
        after = cost(head, halves.shape, found.directions.dtype)
        return ASNetwork(
            network=tuned,
            fitted=fitted,
            original=before,
            overall=pre + after,
            layer=halves.point.label,
            features=halves.features,
            rank=self.rank,
            order=self.order,
            terms=terms,
            pre=pre,
            head=after,
            captured_heldout=found.captured_heldout,
            samples_fit=expansion.samples,
            residual=expansion.residual,
            residual_heldout=expansion.residual_heldout,
            variance=expansion.variance,
            message=_advice(expansion.samples, terms),
            training=training,
        )

    def _active_subspace(self, graph: GraphNetwork, batches: Batches) -> ActiveLayer:
        _check_precision(graph)
        measure = ActiveSubspace(layer=self.layer, rank=self.rank, samples=self.samples)
        found = measure.measure(graph, batches).layers[0]
        if len(found.directions) < self.rank:
            raise InputError(
                f"rank {self.rank} needs as many directions with gradients, the {found.samples} samples have "
                f"{len(found.directions)}: lower the rank or give more samples"
            )
        return found

    def _fine_tune(
        self, teacher: nn.Module, fitted: GraphNetwork, prefix: str, batches: Batches
    ) -> tuple[GraphNetwork, History | None]:
        """A fine-tuned copy, the new layers, named by their prefix, with their own step size."""
        if self.epochs == 0:
            return fitted, None
        student = copy.deepcopy(fitted)
        groups = [
            {"params": [v for name, v in student.named_parameters() if name.startswith(prefix) is new], "lr": rate}
            for new, rate in ((False, self.pre_rate), (True, self.head_rate))
        ]
        history = fit(
            student,
            batches,
            epochs=self.epochs,
            optimiser=torch.optim.Adam,
            objective=Distillation(teacher=teacher, beta=self.beta),
            parameters=[group for group in groups if group["params"]],
            schedule=Cosine(),
            seed=self.seed,
            label=f"fine-tuning, cut at {self.layer}",
        )
        return student, history


def _check_precision(network: nn.Module) -> None:
    for name, parameter in network.named_parameters():
        if parameter.dtype not in (torch.float32, torch.float64):
            raise InputError(
                f"an ASNet needs a network in torch.float32 or torch.float64, got {parameter.dtype} in {name}: "
                "convert it by network.float()"
            )


def _advice(samples: int, terms: int) -> str:
    if samples >= ENOUGH_PER_TERM * terms:
        return f"fitted on {samples} samples, {samples / terms:.1f} a coefficient"
    return (
        f"fitted on only {samples} samples, {samples / terms:.1f} a coefficient where {ENOUGH_PER_TERM} are advisable: "
        "expect overfitting, or lower the rank"
    )
