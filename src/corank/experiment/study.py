"""The study of a network: measure every layer, forecast every cut, build the few worth it, say what came of it.

It answers for a user's own network what the papers answer for theirs: which directions each layer uses, where it
can be cut, what the cut network costs and how well it works. Places and ranks are chosen from forecasts, the
recommendation on the validation split.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

from torch import Tensor, nn

from corank.compress import RANKS, ASNet, CutForecast, CutForecasts, forecast_cuts
from corank.compress.fits import ADVISABLE
from corank.errors import InputError
from corank.experiment.choice import best_at, choose, nothing_to_keep, recommend
from corank.experiment.compressing import EVALUATION_BATCH, accuracies, compress_and_evaluate
from corank.experiment.evaluated import Accuracies, Evaluated, asnetwork
from corank.experiment.fragility.fragility import Fragility
from corank.experiment.reduced_cuts import ReducedCuts, reduce_cuts
from corank.experiment.study_attacks import NoAttacks, StudyAttacks, attack_studied
from corank.experiment.study_fragility import fragility_studied
from corank.experiment.words import counted
from corank.linalg import number_of_terms
from corank.measure import ActiveSubspaces, Survey, Surveyed
from corank.measure.heldout import EVERY as HELD_OUT_EVERY
from corank.network import Cost, Layer, Layers, capture, cut
from corank.result import Result, Scalar
from corank.train import Checkpoint
from corank.train.evaluate import device_of
from corank.zoo.data import Batches, Dataset

LARGEST_RANK = 50


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
        forecasts: of every legal cut and rank, made before any was built.
        choice: why these cuts were built, or none.
        cuts: the cut networks, evaluated; cheapest first, or as they were asked for.
        recommendation: the layer of the recommended cut; None if none is worth it.
        reason: why.
        reduced: reduced-order networks of the legal cuts, without any training.
        attacks: what one vector does to the network and what it withstands, or why that is not known; None where it
            was not asked for.
        fragility: how little fools it, foretold and found, and why; or why that is not known; None without attacks.
        tolerance: the loss of validation accuracy that a recommended cut may have.
    """

    network: str
    data: str
    original: Accuracies
    cost: Cost
    measured: Surveyed
    places: tuple[CutPlace, ...]
    forecasts: CutForecasts
    choice: str
    cuts: tuple[Evaluated, ...]
    recommendation: str | None
    reason: str
    reduced: ReducedCuts
    attacks: StudyAttacks | NoAttacks | None
    fragility: Fragility | NoAttacks | None
    tolerance: float

    @property
    def active(self) -> ActiveSubspaces:
        """The active subspaces of all hidden layers."""
        return _active(self.measured)

    def forecast_of(self, found: Evaluated) -> CutForecast | None:
        """What was forecast of a cut; None where nothing was."""
        made = asnetwork(found)
        rows = (row for row in self.forecasts.cuts if (row.layer, row.rank) == (made.layer, made.rank))
        return next(rows, None)

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
        layer: where to cut, one place or several; empty builds the few on the Pareto front of the forecasts.
        rank: directions kept at every cut; None chooses by the forecasts, among ranks up to 50 that the samples
            determine.
        order: of the polynomial.
        samples: gradients in the sketches; None takes all there are.
        sketch_size: rows of the sketches; None takes four times the 50 directions that are kept of each layer.
        measure_seconds: of measuring, after which no further samples are taken, and of reducing, after which no
            further reduced-order network is made; None for no limit.
        fit_samples: training samples that are used at all; None takes all.
        epochs: of fine-tuning.
        pre_rate: step size of the pre-model.
        head_rate: step size of the new layers.
        batch_size: of measuring and fine-tuning.
        tolerance: the loss of validation accuracy that a recommended cut may have.
        most_cuts: how many places the forecasts may choose.
        attack_images: test images that are attacked one by one and diagnosed; 0 leaves all attacks out.
        attack_radius: by which every pixel may be changed; None takes a tenth of the data's range.
        attack_seconds: beyond which, by an estimate beforehand, attacks are left out; None for no limit.
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
    most_cuts: int = 3
    attack_images: int = 100
    attack_radius: float | None = None
    attack_seconds: float | None = 300.0
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.tolerance < 1:
            raise InputError(f"tolerance must lie between 0 and 1, got {self.tolerance}")
        for name in ("measure_seconds", "attack_radius", "attack_seconds"):
            value = getattr(self, name)
            if value is not None and not 0 < value < math.inf:
                raise InputError(f"{name} must be positive and finite, got {value}")
        if self.attack_images < 0:
            raise InputError(f"attack_images must be at least 0, got {self.attack_images}")
        for name in ("fit_samples", "batch_size", "most_cuts"):
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
        random_weights: bool = False,
        checkpoint: Checkpoint | None = None,
        foretold: Callable[[CutForecasts], None] = lambda forecasts: None,
        keep: Callable[[Evaluated, ASNet], None] = lambda found, compressor: None,
    ) -> StudyResult:
        """Study a trained network.

        Args:
            name: of the network, for the results.
            network: in the pixel space of the data.
            dataset: measured and fine-tuned on its training split, chosen by its validation split.
            report: told of every stage as it begins.
            random_weights: whether the network's weights are random; then it is measured, but no cut is built.
            checkpoint: where the trainings of the cuts keep their last epoch, a folder a cut, and go on from.
            foretold: given the forecasts of all cuts before any is built.
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
        report("forecasting every cut")
        forecasts = forecast_cuts(
            network, measured.layers, batches, Batches(dataset.validation, EVALUATION_BATCH), order=self.order,
            ranks=self._ranks(batches.samples), available=batches.samples,
        )  # fmt: skip
        foretold(forecasts)
        example = _example(network, dataset)
        builds = self._chosen(capture(network, example), example, forecasts, random_weights)
        cuts = []
        for layer, rank in builds.cuts:
            report(f"cut at {layer}, {rank} directions")
            compressor = self._asnet(layer, rank)
            kept = _own_folder(checkpoint, layer, rank) if checkpoint else None
            cuts.append(
                compress_and_evaluate(network, compressor, batches, dataset, original=original, checkpoint=kept)
            )
            keep(cuts[-1], compressor)
        recommendation, reason = recommend(cuts, self.tolerance) if cuts else (None, builds.reason)
        reduced = ReducedCuts()
        if not nothing_to_keep(forecasts, random_weights=random_weights):
            reduced = self._reduced(network, dataset, batches, original, forecasts, report)
        attacks = self._attacks(name, network, dataset, report, random_weights=random_weights)
        fragility = fragility_studied(
            network, dataset, attacks, images=self.attack_images, seed=self.seed, report=report
        )
        return StudyResult(
            network=name, data=dataset.name, original=original, cost=forecasts.network, measured=survey,
            places=_places(measured, forecasts), forecasts=forecasts, choice=builds.reason, cuts=tuple(cuts),
            recommendation=recommendation, reason=reason, reduced=reduced, attacks=attacks,
            fragility=fragility, tolerance=self.tolerance,
        )  # fmt: skip

    def _reduced(
        self,
        network: nn.Module,
        dataset: Dataset,
        batches: Batches,
        original: Accuracies,
        forecasts: CutForecasts,
        report: Callable[[str], None],
    ) -> ReducedCuts:
        """A reduced-order network after every place where the network may be cut."""
        report(f"reducing at {counted(len(forecasts.places), 'place')}")
        return reduce_cuts(
            network, [place.layer for place in forecasts.places], batches, dataset, original=original,
            tolerance=self.tolerance, seconds=self.measure_seconds,
        )  # fmt: skip

    def _attacks(
        self,
        name: str,
        network: nn.Module,
        dataset: Dataset,
        report: Callable[[str], None],
        *,
        random_weights: bool,
    ) -> StudyAttacks | NoAttacks | None:
        if not self.attack_images:
            return None
        if random_weights:
            return NoAttacks(reason="the network has random weights")
        return attack_studied(
            name, network, dataset, images=self.attack_images, radius=self.attack_radius, seconds=self.attack_seconds,
            seed=self.seed, report=report,
        )  # fmt: skip

    def _ranks(self, samples: int) -> tuple[int, ...]:
        """The ranks that are forecast: the one asked for, or those that the samples determine well."""
        if self.rank is not None:
            return (self.rank,)
        most = samples * (1 - 1 / HELD_OUT_EVERY) / ADVISABLE
        enough = [k for k in RANKS if k <= LARGEST_RANK and number_of_terms(k, self.order) <= most]
        return tuple(enough) or (1,)

    def _chosen(self, graph: nn.Module, example: Tensor, forecasts: CutForecasts, random_weights: bool) -> Builds:
        """What is built: places asked for, each with its best rank, or those that the forecasts recommend, or none."""
        if forecasts.places and (reason := nothing_to_keep(forecasts, random_weights=random_weights)):
            return Builds((), reason)
        if not self._asked:
            chosen = choose(forecasts, tolerance=self.tolerance, fine_tuned=self.epochs > 0, most=self.most_cuts)
            return Builds(tuple((row.layer, row.rank) for row in chosen.cuts), chosen.reason)
        labels = dict.fromkeys(cut(graph, layer, example).point.label for layer in self._asked)
        best = {layer: best_at(forecasts, layer, self.tolerance) for layer in labels}
        ranks = {layer: self.rank or (found.rank if found else 1) for layer, found in best.items()}
        return Builds(tuple(ranks.items()), "the places to cut at were asked for")

    def _measure(self) -> Survey:
        return Survey(
            layer=("*", *self._asked), rank=max(LARGEST_RANK, self.rank or 0), samples=self.samples,
            sketch_size=self.sketch_size, budget_seconds=self.measure_seconds, seed=self.seed,
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


class Builds(NamedTuple):
    """Layers and ranks to build, and why these."""

    cuts: tuple[tuple[Layer, int], ...]
    reason: str


def _own_folder(checkpoint: Checkpoint, layer: Layer, rank: int) -> Checkpoint:
    """The part of a checkpoint that belongs to one cut."""
    return replace(checkpoint, folder=checkpoint.folder / f"{layer}-{rank}".replace("/", "_"))


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


def _places(measured: ActiveSubspaces, forecasts: CutForecasts) -> tuple[CutPlace, ...]:
    """Which of the measured layers may be cut, with the cost of what is in front of them."""
    legal = {place.layer: place.pre for place in forecasts.places}
    return tuple(
        CutPlace(layer=row.layer, index=row.index, is_legal=row.layer in legal, pre=legal.get(row.layer))
        for row in measured.layers
    )
