"""Results without a network behind them, of every shape that a figure may meet, and the browser."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from corank.attack.audit import Audited, Row
from corank.attack.budget import Budget
from corank.attack.evaluation import Evaluation
from corank.attack.ledger import Robustness
from corank.attack.shares import Shares, Step
from corank.attack.transfer import Transfer, TransferMatrix
from corank.attack.universal import Universal
from corank.compress import ReducedLayer, ReductionRound, RONetwork
from corank.compress.budget import Target
from corank.compress.budgeted import Budgeted
from corank.compress.race.candidate import Candidate
from corank.defend.watching import (
    DIRECTIONS,
    Watched,
    WatchedEpoch,
    WatchedInformation,
    WatchedRatios,
    WatchedWeights,
)
from corank.measure import (
    ActivationLayer,
    ActivationSpectra,
    ActiveLayer,
    ActiveNeurons,
    ActiveSubspaces,
    Bounds,
    CushionLayer,
    FeatureProbes,
    InformationLayer,
    LayerCushions,
    LayerInformation,
    ProbeLayer,
    WeightLayer,
    WeightSpectra,
)
from corank.network import Cost
from corank.result import Interval, Result
from corank.train import EpochRow, History
from tests.chromium import browser, open_page

__all__ = ["browser", "open_page"]

ENERGY, NORM = Interval(3, 5), Interval(2, 2)
HELD_OUT = 200
NAME = "features.{}"
Measured = Callable[..., ActiveSubspaces]


@pytest.fixture
def measured() -> Measured:
    """`measured(layers, directions, ...)` makes a result with geometric spectra."""
    return make


def scattered(place: int, classes: int = 10, samples: int = HELD_OUT) -> tuple[Tensor, Tensor]:
    """Points on a circle, each class at its angle and closer together the deeper the layer, and their classes."""
    chance = torch.Generator().manual_seed(place)
    labels = torch.arange(samples) % classes
    angle = 2 * math.pi * labels / classes
    centres = torch.stack([angle.cos(), angle.sin()], dim=1)
    return centres + torch.randn(samples, 2, generator=chance) / (2 + 2 * place), labels


def make(
    layers: int = 4,
    directions: int = 12,
    *,
    width: int = 512,
    decay: float = 0.6,
    uncertainty: float = 1e-3,
    energy: Interval = ENERGY,
    norm: Interval = NORM,
    held_out: bool = True,
    bootstrap: bool = True,
    classes: int = 10,
    name: str = NAME,
) -> ActiveSubspaces:
    def layer(place: int) -> ActiveLayer:
        eigenvalues = tuple(decay ** (k * (1 + place / layers)) for k in range(directions))
        trace = sum(eigenvalues) * 1.1
        captured = tuple(sum(eigenvalues[: k + 1]) / trace for k in range(directions)) if held_out else ()
        points, labels = scattered(place, classes) if held_out else (torch.zeros(0, 2), torch.zeros(0).long())
        return ActiveLayer(
            layer=name.format(place),
            index=place,
            width=width,
            samples=4096,
            sketch_size=2 * directions,
            active_neurons=ActiveNeurons(energy=energy, norm=norm),
            captured=0.9,
            captured_heldout=captured[-1] if captured else math.nan,
            captured_heldout_by_rank=captured,
            eigenvalues=eigenvalues,
            uncertainty=uncertainty,
            mean_squared_gradient=trace,
            layout="all features of a sample in one row",
            eigenvalues_low=tuple(0.8 * value for value in eigenvalues) if bootstrap else (),
            eigenvalues_high=tuple(1.3 * value for value in eigenvalues) if bootstrap else (),
            subspace_error=(0.1,) * directions if bootstrap else (),
            mean_squared_along=sum(eigenvalues),
            response=None,
            variables=points,
            variable_labels=labels,
            directions=torch.eye(directions, max(width, directions)),
        )

    return ActiveSubspaces(
        layers=tuple(layer(place) for place in range(layers)),
        rank=directions,
        epsilon=0.05,
        samples=4096,
        samples_heldout=1000 if held_out else 0,
        loss="cross entropy to the true labels, network in evaluation mode",
        layout="all features of a sample in one row",
        precision="32-true",
    )


def make_activations(
    layers: int = 4, directions: int = 12, *, classes: int = 10, known: bool = True, name: str = NAME
) -> ActivationSpectra:
    """Geometric spectra; where not `known`, all values and no points, as after a layer of zeros."""

    def layer(place: int) -> ActivationLayer:
        values = tuple(0.7 ** (k * (1 + place / layers)) if known else 0.0 for k in range(directions))
        total = 1.2 * sum(value**2 for value in values)
        ratios = tuple(sum(v**2 for v in values[: k + 1]) / total if total else math.nan for k in range(directions))
        points, labels = scattered(place, classes)
        return ActivationLayer(
            layer=name.format(place),
            index=place,
            width=512,
            samples=4096,
            singular_values=values,
            uncertainty=1e-3,
            mean_squared_activation=total,
            variance_ratios=ratios,
            directions_needed=ENERGY,
            captured_heldout_by_rank=ratios,
            class_variance_ratios=tuple(
                0.5 + 0.4 * place / layers + 0.005 * k if known else None for k in range(classes)
            ),
            components=points if known else torch.full((HELD_OUT, 2), math.nan),
            component_labels=labels,
            directions=torch.eye(directions, 512),
        )

    return ActivationSpectra(
        layers=tuple(layer(place) for place in range(layers)), centred=False, epsilon=0.05, samples=4096,
        samples_heldout=1000, layout="all features of a sample in one row",
    )  # fmt: skip


def make_weights(layers: int = 4, *, rest: int = 500, known: bool = True, name: str = NAME) -> WeightSpectra:
    def layer(place: int) -> WeightLayer:
        rows, columns = 64 * (1 + place % 4), 576
        return WeightLayer(
            layer=name.format(place),
            kind="convolution",
            index=place,
            rows=rows,
            columns=columns,
            parameters=rows * (columns + 1),
            effective_rank=rows**0.5 * 0.8 if known else math.nan,
            effective_sparsity=(rows * columns) ** 0.5 * 0.7,
            stable_rank=rows * 0.2 if known else math.nan,
            spectral_norm=2.0,
            singular_values=(2.0,) * rows,
        )

    found = tuple(layer(place) for place in range(layers))
    return WeightSpectra(layers=found, parameters=sum(one.parameters for one in found) + rest)


def make_cushions(layers: int = 4, *, least: float = 0.004, known: bool = True, name: str = NAME) -> LayerCushions:
    def layer(place: int) -> CushionLayer:
        deeper = 1 + place / layers
        quantiles = (least, *(0.02 * deeper, 0.03 * deeper, 0.04 * deeper, 0.05 * deeper, 0.08 * deeper, 0.2 * deeper))
        return CushionLayer(
            layer=name.format(place),
            kind="convolution",
            samples=4096,
            samples_left_out=0,
            cushion=quantiles[0],
            cushion_kernel=4 * quantiles[0],
            median=quantiles[3],
            quantiles=quantiles if known else (math.nan,) * 7,
            edges=(0.0, 0.1, 0.4),
            counts=(4000, 96),
        )

    return LayerCushions(layers=tuple(layer(place) for place in range(layers)), samples=4096)


def make_information(layers: int = 4, *, known: bool = True, name: str = NAME) -> LayerInformation:
    limit, entropy = math.log(1000), math.log(10)

    def layer(place: int) -> InformationLayer:
        gone = place / max(layers - 1, 1)
        low, high = (limit * (1 - 0.6 * gone) - 0.4 * gone, limit * (1 - 0.5 * gone))
        label = (entropy * (0.95 - 0.5 * gone), entropy * (1.02 - 0.3 * gone))
        return InformationLayer(
            layer=name.format(place),
            index=place,
            width=512,
            samples=1000,
            limit=limit,
            input=Bounds(low=low if known else math.nan, high=high, is_saturated=high > limit - math.log(2)),
            label=Bounds(low=label[0], high=label[1], is_saturated=False),
            label_entropy=entropy,
        )

    return LayerInformation(
        layers=tuple(layer(place) for place in range(layers)), noise_variance=0.1, samples=1000, label_entropy=entropy
    )


def make_probes(layers: int = 4, *, known: bool = True, name: str = NAME) -> FeatureProbes:
    def layer(place: int) -> ProbeLayer:
        deep = place / layers
        return ProbeLayer(
            layer=name.format(place),
            index=place,
            width=512,
            samples=1000,
            samples_left_out=0,
            rank=10,
            all_features=0.7 + 0.2 * deep if known else math.nan,
            active=0.6 + 0.3 * deep if known or place % 2 else math.nan,
            principal=0.4 + 0.4 * deep,
            network=0.93,
            chance=0.11,
            converged=True,
        )

    return FeatureProbes(layers=tuple(layer(place) for place in range(layers)), samples=1000, folds=5, ridge=1.0)


def make_history(epochs: int = 5, *, scores: bool = True, fall: float = 0.5) -> History:
    """A training whose loss falls by a factor an epoch; without `scores` its outputs are not those of classes."""
    rows = (
        EpochRow(
            epoch=1 + place,
            loss=2.3 * fall**place,
            accuracy=1 - 0.9 * 0.8**place if scores else None,
            learning_rate=0.1,
            seconds=1.5,
        )
        for place in range(epochs)
    )
    return History(rows=tuple(rows), converged=True, message=f"all {epochs} epochs done")


def make_cost(parameters: int, multiply_adds: int | None = None) -> Cost:
    """A cost in numbers of four bytes; a multiply-add a parameter where nothing else is said."""
    counted = parameters if multiply_adds is None else multiply_adds
    return Cost(parameters=parameters, storage_bytes=4 * parameters, multiply_adds=counted)


def make_reduction(
    layers: int = 4, *, known: bool = True, name: str = NAME, held_out: int = HELD_OUT, rounds: int = 1
) -> RONetwork:
    """A network whose deeper layers keep fewer directions and lose more; where not `known`, all values are zero."""

    def layer(place: int) -> ReducedLayer:
        features, rank, size = 512 >> min(place, 6), max(1, 100 // (1 + place)), 5.0 if known else 0.0
        projection = 0.02 * (1 + place) if known else 0.0
        projection = projection if held_out else math.nan
        constant = 1.5 + place / layers
        return ReducedLayer(
            layer=name.format(place),
            index=place if place % 2 else None,
            features=features,
            rank=min(rank, features),
            rows=min(rank + rank // 2, features),
            width=min(rank + rank // 2, features),
            singular_values=tuple(size / (1 + step) ** (1 + place / layers) for step in range(features)),
            energy=0.99,
            rank_energy=min(rank, features) if place else None,
            rank_vbmf=7,
            rank_gavish_donoho=5,
            has_noise_floor=bool(place % 2),
            constant=constant,
            constant_a_priori=30.0,
            projection_error=projection,
            interpolation_error=1.2 * projection,
            bound=constant * projection,
            bound_a_priori=30 * projection,
            propagated_error=1.6 * projection,
        )

    found = tuple(layer(place) for place in range(layers))
    ranks = tuple(one.rank for one in found)
    original, pre, head = make_cost(100_000, 4_000_000), make_cost(20_000, 1_000_000), make_cost(30_000)
    return RONetwork(
        network=nn.Identity(), original=original, overall=pre + head, layer=name.format("before"), layers=found,
        pre=pre, head=head, samples=4096, samples_heldout=held_out, agreement=0.97 if held_out else math.nan,
        message="bases from 4096 samples",
        rounds=tuple(
            ReductionRound(round=1 + number, overall=pre + head, ranks=ranks, agreement=0.97, validation_accuracy=None)
            for number in range(rounds)
        ),
    )  # fmt: skip


def make_candidate(method: str, share: float, accuracy: float, *, target: Target | None, **fields: Any) -> Candidate:
    """A network that takes a share of the one of `make_budgeted`."""
    cost = make_cost(int(100_000 * share), int(4_000_000 * share))
    timed = target is not None and target.quantity == "latency-ms"
    amount = 10 * share if timed else 0.0 if target is None else target.amount(cost)
    return Candidate(**{
        "method": method, "layer": None if method == "pruning" else "conv3", "sizes": (5, 9), "cost": cost,
        "latency_ms": 10 * share if timed else None, "reached": amount, "fits": share <= 1 / 3,
        "accuracy": accuracy, "agreement": accuracy + 0.01, **fields,
    })  # fmt: skip


def make_budgeted(
    *, target: str | None = "macs=3x", max_drop: float | None = None, best: float = 0.95, meets: bool = True
) -> Budgeted:
    """A search among two candidates a method, of which RON was chosen; the original, 10 ms, is right on 0.97."""
    asked = None if target is None else Target.parsed(target)
    methods = ("ASNet", "RON", "pruning", "pruning + ASNet", "pruning + RON")
    found = [
        make_candidate(method, share + 0.01 * place, accuracy - 0.05 * place, target=asked)
        for place, method in enumerate(methods)
        for share, accuracy in ((0.15, 0.8), (0.5, 0.94))
    ]
    chosen = make_candidate("RON", 0.3, best - 0.02, target=asked, trial_accuracy=best)
    original = make_cost(100_000, 4_000_000)
    whole = None if asked is None else 10.0 if asked.quantity == "latency-ms" else asked.amount(original)
    return Budgeted(
        network=nn.Identity(), original=original, overall=chosen.cost, target=asked, max_drop=max_drop,
        limit=None if asked is None or whole is None else asked.most(whole),
        reached=None if asked is None else chosen.reached,
        candidates=tuple(sorted([*found, chosen], key=lambda one: one.judged)), chosen=chosen,
        reason="RON after conv3 keeps most accuracy within the budget", meets=meets, accuracy_original=0.97,
        samples_judging=1000, search_seconds=2.5, measure_seconds=7.5,
    )  # fmt: skip


def make_universal(
    classes: int = 10, *, steps: int = 9, held_out: bool = True, target: int | None = None, gradients: int = 200
) -> Universal:
    """A search that fools ever more of 200 images, most of which end in the fourth class or in that aimed at."""
    sink = 3 % classes if target is None else target
    counts = [10 + 3 * label for label in range(classes)]
    counts[sink] += 400

    def shares(samples: int, fooled: float) -> Shares:
        into = tuple(count * samples // sum(counts) for count in counts)
        rest = samples - sum(into)
        return Shares(
            samples=samples, fooled=fooled, fooled_of_right=fooled - 0.01, errors=fooled + 0.02, errors_before=0.02,
            into=tuple(count + (rest if label == sink else 0) for label, count in enumerate(into)),
        )  # fmt: skip

    course = tuple(
        Step(
            gradients=gradients * place,
            forward=400 * place,
            seconds=0.3 * place,
            fooled=0.6 * place / max(steps - 1, 1),
        )
        for place in range(steps)
    )
    return Universal(
        method="auto", vector=torch.ones(1, 8, 8), budget=Budget(norm="l2", radius=8.0), bounds=None, target=target,
        train=shares(200, 0.6), heldout=shares(5000, 0.42) if held_out else None, steps=course, seconds=2.5,
        gradients=gradients * steps, forward=400 * steps, iterations=steps, converged=True, message="all steps done",
    )  # fmt: skip


def make_evaluation(attacks: int = 3, radii: int = 3, *, audited: bool = True, name: str = "attack {}") -> Evaluation:
    """Attacks that leave less the larger the radius, each less than the one before it; the audit the least."""
    grid = tuple(0.05 * (place + 1) for place in range(radii))

    def row(attack: str, radius: float, accuracy: float) -> Robustness:
        return Robustness(
            attack=attack, radius=radius, accuracy=accuracy, low=max(0.0, accuracy - 0.05),
            high=min(1.0, accuracy + 0.05), fooled=0.9 - accuracy, fooled_of_right=1 - accuracy / 0.9, attacked=180,
            seconds=2.0 * radius, gradients=4000, forward=400,
        )  # fmt: skip

    rows = [
        row(name.format(place), radius, 0.9 * (1 - radius) ** (1 + place))
        for place in range(attacks)
        for radius in grid
    ]
    audit = [row("audit", grid[0], 0.8 * (1 - grid[0]) ** attacks)] if audited else []
    worst = [row("worst", radius, 0.8 * (1 - radius) ** attacks) for radius in grid]
    return Evaluation(
        norm="linf", bounds=(0.0, 1.0), radii=grid, samples=200, accuracy=0.9,
        robust_accuracy=(row("clean", 0.0, 0.9), *rows, *audit, *worst), only_survivors=False,
        message="each attack was tried on all inputs", seconds=12.5, images=torch.zeros(200, 1, 2, 2),
        labels=torch.zeros(200).long(), distances={}, nearest=torch.zeros(200, 1, 2, 2),
    )  # fmt: skip


def make_audited(flagged: Collection[int] = (), not_run: Collection[int] = (14, 20)) -> Audited:
    """Twenty tests at values from a tenth to a half of the threshold; those flagged at three times of it."""

    def line(number: int) -> Row:
        below = number == 8
        times = 3.0 if number in flagged else 0.1 + 0.02 * number
        verdict: Any = "not run" if number in not_run else "flagged" if number in flagged else "passed"
        return Row(
            number=number, test=f"test {number}", measure="gain", threshold=None if number in not_run else 0.02,
            value=None if number in not_run else 0.02 / times if below else 0.02 * times,
            flagged_if="below" if below else "above", verdict=verdict, findings=(), measured={},
            note="only for others" if number in not_run else "",
        )  # fmt: skip

    return Audited(
        verdict="flagged" if flagged else "passed", norm="linf", radius=0.1, images=200, accuracy=0.9, under_attack=0.5,
        low=0.43, high=0.57, rows=tuple(map(line, range(1, 21))), standing=torch.zeros(200, dtype=torch.bool), seed=0,
        seconds=5.0, gradients=1000, forward=1000,
    )  # fmt: skip


def make_watched(
    epochs: int = 4, *, layers: int = 6, name: str = "fc{}", width: int = 20, activations: bool = True
) -> Watched:
    """Accuracies that rise, ranks and information that fall."""
    names = [name.format(place) for place in range(layers)]

    def row(epoch: int) -> WatchedEpoch:
        share = epoch / (epochs or 1)
        shares = tuple(1 - 0.5**count for count in DIRECTIONS if count <= width)
        return WatchedEpoch(
            epoch=epoch, clean_accuracy=0.1 + 0.8 * share, robust_accuracy=0.5 * share, fooled=1 - share,
            weights=tuple(
                WatchedWeights(layer=layer, effective_rank=4 - share, effective_sparsity=90 - 20 * share,
                               stable_rank=10 - 3 * share, spectral_norm=1.0)
                for layer in names
            ),
            information=tuple(
                WatchedInformation(layer=layer, input_low=4 - share, input_high=6 - share, label_low=0.0,
                                   label_high=2.0)
                for layer in names if activations
            ),
            variance_ratios=tuple(WatchedRatios(layer=layer, shares=shares) for layer in names if activations),
        )  # fmt: skip

    rows = tuple(row(epoch) for epoch in range(epochs + 1))
    return Watched(rows=rows, radius=0.05, norm="linf", steps=10, images=500)


def make_transfer(networks: int = 3, *, name: str = "runs/net{}") -> TransferMatrix:
    """Each network is fooled most by its own perturbation."""
    names = tuple(name.format(place) for place in range(networks))
    pairs = [(row, column) for row in range(networks) for column in range(networks)]
    shares = {(row, column): 0.7 if row == column else 0.1 + 0.05 * row + 0.01 * column for row, column in pairs}
    return TransferMatrix(
        networks=names,
        transfers=tuple(
            Transfer(attacked=names[row], source=names[column], samples=1000, fooled=shares[row, column], low=0.0,
                     high=1.0, fooled_of_right=shares[row, column], errors=0.5, errors_before=0.02)
            for row, column in pairs
        ),
        found=(make_universal(),) * networks,
    )  # fmt: skip


MAKERS: dict[str, Callable[..., Result]] = {
    "gradients": make,
    "activations": make_activations,
    "weights": make_weights,
    "cushions": make_cushions,
    "information": make_information,
    "probes": make_probes,
}
