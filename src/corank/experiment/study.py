"""The study of a network: measure every layer, cut at three places, fine-tune briefly, say what came of it.

It answers for a user's own network what the papers answer for theirs: which directions each layer uses, where it
can be cut, what the cut network costs and how well it works. Ranks and the recommendation are chosen from
the measurement and on the validation split.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from corank.compress import ASNet
from corank.errors import InputError
from corank.experiment.compressing import Accuracies, Evaluated, accuracies, asnetwork, compress_and_evaluate
from corank.linalg import number_of_terms
from corank.measure import ActiveLayer, ActiveSubspaces, Survey, Surveyed
from corank.measure.heldout import EVERY as HELD_OUT_EVERY
from corank.network import Cost, Layer, Layers, capture, cost, cut
from corank.result import Result, Scalar
from corank.train.evaluate import device_of
from corank.zoo.data import Batches, Dataset

PLACES = (0.25, 0.5, 0.75)
SAMPLES_PER_TERM = 5
LARGEST_RANK = 50
HELD_OUT_SHARE = 0.95


@dataclass(frozen=True, kw_only=True)
class CutPlace(Result):
    """A hidden layer of the study: may it be cut, and what is in front of it.

    Attributes:
        layer: the point.
        index: its number among the convolutions.
        is_legal: whether everything flows through it.
        pre: the cost of what is in front of it; None where no cut is legal.
    """

    layer: str
    index: int | None
    is_legal: bool
    pre: Cost | None

    def row(self) -> dict[str, Scalar]:
        """The layer and the multiply-adds in front of it."""
        millions = self.pre.multiply_adds_millions if self.pre else None
        return {"layer": self.layer, "cut": self.is_legal, "multiply-adds in front (millions)": millions}


@dataclass(frozen=True, kw_only=True)
class StudyResult(Result):
    """Everything that a study found.

    Attributes:
        network: its name.
        data: the name of the data set.
        original: its accuracy.
        cost: its cost.
        measured: what was measured at all hidden layers.
        places: which of these layers may be cut.
        cuts: the cut networks, evaluated, in order of depth.
        recommendation: the layer of the recommended cut; None if none is worth it.
        reason: why.
        tolerance: the loss of validation accuracy that a recommended cut may have.
    """

    network: str
    data: str
    original: Accuracies
    cost: Cost
    measured: Surveyed
    places: tuple[CutPlace, ...]
    cuts: tuple[Evaluated, ...]
    recommendation: str | None
    reason: str
    tolerance: float

    @property
    def active(self) -> ActiveSubspaces:
        """The active subspaces of all hidden layers."""
        return _active(self.measured)

    def row(self) -> dict[str, Scalar]:
        """Network, data, accuracy, recommendation."""
        return {
            "network": self.network, "data": self.data, "test accuracy": self.original.test,
            "layers measured": len(self.active.layers), "cuts": len(self.cuts),
            "recommended cut": self.recommendation,
        }  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Study:
    """What is studied and how thoroughly.

    Args:
        layer: where to cut, one place or several; empty chooses three by their share of the multiply-adds.
        rank: directions kept at every cut; None takes those that carry 95 % of the gradient energy, of held-out
            samples too, as far as the data allow.
        order: of the polynomial.
        samples: gradients in the sketches; None takes all there are.
        sketch_size: rows of the sketches; None takes four times the 50 directions that are kept of each layer.
        measure_seconds: of measuring, after which no further samples are taken; None for no limit.
        fit_samples: training samples that are used at all; None takes all.
        epochs: of fine-tuning.
        pre_rate: step size of the pre-model.
        head_rate: step size of the new layers.
        batch_size: of measuring and fine-tuning.
        tolerance: the loss of validation accuracy that a recommended cut may have.
        seed: of every random draw.

    Raises:
        InputError: an option out of its range.
    """

    layer: Layer | tuple[Layer, ...] = ()
    rank: int | None = None
    order: int = 2
    samples: int | None = 4096
    sketch_size: int | None = None
    measure_seconds: float | None = 60.0
    fit_samples: int | None = None
    epochs: int = 5
    pre_rate: float = 1e-4
    head_rate: float = 1e-4
    batch_size: int = 64
    tolerance: float = 0.01
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.tolerance < 1:
            raise InputError(f"tolerance must lie between 0 and 1, got {self.tolerance}")
        if self.measure_seconds is not None and not 0 < self.measure_seconds < math.inf:
            raise InputError(f"measure_seconds must be positive, got {self.measure_seconds}")
        for name in ("fit_samples", "batch_size"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise InputError(f"{name} must be at least 1, got {value}")
        self._asnet(layer=1, rank=1 if self.rank is None else self.rank)
        self._measure()

    @property
    def _asked(self) -> tuple[Layer, ...]:
        return self.layer if isinstance(self.layer, tuple) else (self.layer,)

    def check(self, network: nn.Module, dataset: Dataset) -> None:
        """Refuse at once what would fail only after training and measuring.

        Raises:
            InputError: a network without hidden layers or that cannot be captured, a layer that cannot be cut,
                a rank above its features, an order with more coefficients than there are samples.
        """
        example = _example(network, dataset)
        graph = capture(network, example)
        if not Layers(graph, example.shape[1:], example.dtype).hidden:
            raise InputError("the network has no hidden layer with weights: there is nothing to measure or cut")
        for layer in self._asked:
            halves = cut(graph, layer, example)
            if self.rank is not None and self.rank > halves.features:
                raise InputError(f"rank must be at most the {halves.features} features at {layer!r}, got {self.rank}")
        samples = min(len(dataset.train), self.fit_samples or len(dataset.train))
        if number_of_terms(self.rank or 1, self.order) > samples:
            raise InputError(
                f"order {self.order} in {self.rank or 1} variables has more coefficients than the {samples} training "
                "samples determine: lower the order or the rank"
            )

    def run(
        self,
        name: str,
        network: nn.Module,
        dataset: Dataset,
        *,
        report: Callable[[str], None] = lambda stage: None,
        keep: Callable[[Evaluated, ASNet], None] = lambda found, compressor: None,
    ) -> StudyResult:
        """Study a trained network.

        Args:
            name: of the network, for the results.
            network: in the pixel space of the data.
            dataset: measured and fine-tuned on its training split, chosen by its validation split.
            report: told of every stage as it begins.
            keep: given every cut network as it is finished, with the options that made it.

        Raises:
            InputError: the network cannot be measured or cut with this data and these options.
        """
        batches = Batches(dataset.train, self.batch_size, shuffle=True, seed=self.seed, limit=self.fit_samples)
        report("accuracy of the network")
        original = accuracies(network, dataset)
        report("measuring all hidden layers")
        survey = self._measure().measure(network, batches)
        measured = _active(survey)
        example = _example(network, dataset)
        places = _places(network, measured, example)
        whole = cost(network, dataset.shape)
        cuts = []
        for layer in self._chosen(network, example, places, whole):
            report(f"cut at {layer}")
            compressor = self._compressor(layer, measured, batches.samples)
            cuts.append(compress_and_evaluate(network, compressor, batches, dataset, original=original))
            keep(cuts[-1], compressor)
        recommendation, reason = recommend(cuts, self.tolerance)
        return StudyResult(
            network=name, data=dataset.name, original=original, cost=whole, measured=survey, places=places,
            cuts=tuple(cuts), recommendation=recommendation, reason=reason, tolerance=self.tolerance,
        )  # fmt: skip

    def _chosen(self, network: nn.Module, example: Tensor, places: Sequence[CutPlace], whole: Cost) -> Sequence[Layer]:
        """The layers to cut at: those asked for, or the legal ones nearest to the wanted shares of the work."""
        if self._asked:
            graph = capture(network, example)
            return list(dict.fromkeys(cut(graph, layer, example).point.label for layer in self._asked))
        legal = [place for place in places if place.pre is not None]
        chosen: list[CutPlace] = []
        for share in PLACES:
            left = [place for place in legal if place not in chosen]
            if left:
                chosen.append(min(left, key=lambda place: abs(_share(place, whole) - share)))
        return [place.layer for place in places if place in chosen]

    def _compressor(self, layer: Layer, measured: ActiveSubspaces, samples: int) -> ASNet:
        found = next((row for row in measured.layers if row.layer == layer), None)
        if self.rank is None:
            return self._asnet(layer, self._rank(found, samples))
        if found is None or self._asked:
            return self._asnet(layer, self.rank)
        has_all = len(found.directions) < LARGEST_RANK
        return self._asnet(layer, min(self.rank, len(found.directions) if has_all else found.width))

    def _measure(self) -> Survey:
        return Survey(
            layer="*", rank=LARGEST_RANK, samples=self.samples, sketch_size=self.sketch_size,
            budget_seconds=self.measure_seconds, seed=self.seed,
        )  # fmt: skip

    def _asnet(self, layer: Layer, rank: int) -> ASNet:
        return ASNet(
            layer=layer,
            rank=rank,
            order=self.order,
            samples=self.samples,
            epochs=self.epochs,
            pre_rate=self.pre_rate,
            head_rate=self.head_rate,
            seed=self.seed,
        )

    def _rank(self, found: ActiveLayer | None, samples: int) -> int:
        """The directions that carry the energy of the sketch and of held-out gradients, as far as the data allow."""
        usable = int(samples * (1 - 1 / HELD_OUT_EVERY))
        most = LARGEST_RANK
        while most > 1 and SAMPLES_PER_TERM * number_of_terms(most, self.order) > usable:
            most -= 1
        if found is None:
            return most
        most = min(most, len(found.directions))
        reached = [k for k, share in enumerate(found.captured_heldout_by_rank, 1) if share >= HELD_OUT_SHARE]
        return min(most, max(found.active_neurons.energy.high or most, reached[0] if reached else most))


def recommend(cuts: Sequence[Evaluated], tolerance: float) -> tuple[str | None, str]:
    """The fastest cut whose validation accuracy is within the tolerance, or none, and why."""
    if not cuts:
        return None, "data flows around every hidden layer, so there is no place where the network can be cut"
    good = [found for found in cuts if _is_good(found, tolerance)]
    if not good:
        return None, (
            f"no cut keeps the validation accuracy within {100 * tolerance:g} points and is clearly faster and no "
            "larger: keep the network as it is"
        )
    best = max(good, key=lambda found: found.speedup)
    compressed = asnetwork(best)
    change = 100 * (best.tuned.validation - best.original.validation)
    changed = (
        f"changes the validation accuracy by {change:+.1f} points"
        if abs(change) >= 0.05
        else ("leaves the validation accuracy as it is")
    )
    return compressed.layer, (
        f"cutting after {compressed.layer} makes one sample {best.speedup:.1f} times faster and the network "
        f"{compressed.storage_ratio:.1f} times smaller, and {changed}"
    )


def _is_good(found: Evaluated, tolerance: float) -> bool:
    """Accurate within the tolerance, not larger, and faster beyond the spread of the single measurements."""
    is_accurate = found.tuned.validation >= found.original.validation - tolerance
    is_faster = found.latency[0].high_ms < found.latency_original[0].low_ms
    return is_accurate and is_faster and found.compressed.storage_ratio >= 1


def _active(survey: Surveyed) -> ActiveSubspaces:
    """The active subspaces that a study cannot do without.

    Raises:
        InputError: there are none, with the reason.
    """
    if survey.active is None:
        raise InputError(next(skip.reason for skip in survey.skipped if skip.measure == "active-subspace"))
    return survey.active


def _example(network: nn.Module, dataset: Dataset) -> Tensor:
    """Two images where the network is."""
    images, _ = next(iter(Batches(dataset.train, 2)))
    return images.to(device_of(network))


def _places(network: nn.Module, measured: ActiveSubspaces, example: Tensor) -> tuple[CutPlace, ...]:
    """Which of the measured layers may be cut, with the cost of what is in front of them."""
    graph = capture(network, example)
    layers = Layers(graph, example.shape[1:], example.dtype)
    legal = {node.name for node in layers.legal_cuts}
    places = []
    for row in measured.layers:
        (point,) = layers.resolve(row.layer)
        is_legal = point.node in legal
        pre = cost(cut(graph, row.layer, example).pre, example.shape[1:], example.dtype) if is_legal else None
        places.append(CutPlace(layer=row.layer, index=row.index, is_legal=is_legal, pre=pre))
    return tuple(places)


def _share(place: CutPlace, whole: Cost) -> float:
    assert place.pre is not None
    return place.pre.multiply_adds / whole.multiply_adds
