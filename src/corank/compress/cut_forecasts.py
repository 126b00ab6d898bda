"""What every cut would cost and how well it would work, foretold before any is built.

The active subspaces of all layers are known from one measuring pass. One more forward pass takes some training samples
to their active variables at every legal cut and fits, for all ranks at once, the polynomial that would finish the
network there (Cui et al. 2020, Active Subspace of Neural Networks, sec. 3.3 to 3.5); samples that neither fitted nor
trained anything judge it. A build has more samples than the forecast: its residuals are smaller by the share of noise
that fewer samples a coefficient add, and so are the residuals of the forecast made before they judge.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from corank.compress.asnet import SAMPLES_AT_LEAST, SAMPLES_PER_TERM
from corank.errors import InputError
from corank.linalg import HermiteBasis, StreamingLeastSquares, StreamingMoments, multi_indices, number_of_terms
from corank.measure import ActiveLayer, Batches, OnDevice, first_batch
from corank.measure.heldout import AT_MOST as HELD_OUT_AT_MOST
from corank.measure.heldout import EVERY as HELD_OUT_EVERY
from corank.measure.labelling import check_labels
from corank.network import Cost, Layers, Reader, capture, cost, cut
from corank.result import Result, Scalar
from corank.train.evaluate import device_of

RANKS = (1, 2, 3, 5, 7, 10, 15, 20, 25, 35, 50, 75, 100)
RIDGE = 1e-8
FORECAST_SAMPLES_PER_TERM = 3
LEAST_SAMPLES_PER_TERM = 1.5
MOST_TERMS = 3000  # of a polynomial that is fitted at every place: their squares are kept, and solved in seconds
JUDGING_SAMPLES = 5000
CHUNK = 1024
GUARD = 1e-10  # of a variance that others explain, relative to their mean


@dataclass(frozen=True, kw_only=True)
class CutForecast(Result):
    """What an ASNet of one cut and one rank would be, before fine-tuning.

    Attributes:
        layer: where the cut lies.
        index: its number among the convolutions; None where it ends none.
        features: of one sample there.
        rank: directions kept.
        order: of the polynomial.
        pre: the cost of the part up to the cut.
        head: of the subspace layer and the polynomial.
        captured_heldout: share of held-out gradient energy in the directions.
        samples_fit: how many samples the build would determine its coefficients from.
        explained: share of the logits' variance that the polynomial explains on the judging samples; below 0 where
            their mean does better.
        agreement: share of the judging samples that it would put into the network's own class.
        accuracy: on the judging samples.
    """

    layer: str
    index: int | None
    features: int
    rank: int
    order: int
    pre: Cost
    head: Cost
    captured_heldout: float
    samples_fit: int
    explained: float
    agreement: float
    accuracy: float

    @property
    def overall(self) -> Cost:
        """The cost of the whole cut network."""
        return self.pre + self.head

    def row(self) -> dict[str, Scalar]:
        """The cut, its cost, and how well it would work."""
        return {
            "layer": self.layer, "rank": self.rank, **self.overall.row(),
            "captured held-out": self.captured_heldout, "explained": self.explained, "agreement": self.agreement,
            "accuracy": self.accuracy,
        }  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class LegalCut(Result):
    """A layer that everything flows through.

    Attributes:
        layer: the point.
        pre: the cost of what is in front of it.
        features: of one sample there.
        directions: that were measured.
        captured_heldout: share of held-out gradient energy in all of these; not a number without such gradients.
    """

    layer: str
    pre: Cost
    features: int
    directions: int
    captured_heldout: float

    def row(self) -> dict[str, Scalar]:
        """The layer and the cost of what is in front of it."""
        return {"layer": self.layer, **self.pre.row()}


@dataclass(frozen=True, kw_only=True)
class CutForecasts(Result):
    """The forecasts of every legal cut and rank, with what they are compared with.

    Attributes:
        network: its cost.
        accuracy: of the network itself, on the judging samples.
        commonest: the share of the judging samples that are of the commonest class.
        beyond_commonest: of how many judging samples more the network is right than wrong, of those where it and the
            commonest class are not right or wrong alike.
        apart: how many such samples there are.
        samples: that the polynomials were fitted to.
        samples_judging: that judged them.
        places: the layers where a cut is legal.
        cuts: the forecasts, place by place, ranks ascending.
    """

    network: Cost
    accuracy: float
    commonest: float
    beyond_commonest: int
    apart: int
    samples: int
    samples_judging: int
    places: tuple[LegalCut, ...]
    cuts: tuple[CutForecast, ...]

    @property
    def front(self) -> tuple[CutForecast, ...]:
        """The Pareto front: cuts smaller than the network that no other beats in multiply-adds and accuracy.

        Cheapest first, so that accuracy ascends; of two that are equal in both, the one that stores less.
        """
        front: list[CutForecast] = []
        smaller = [row for row in self.cuts if _is_smaller(row.overall, self.network)]
        for row in sorted(smaller, key=lambda row: (row.overall.multiply_adds, -row.accuracy, row.overall.parameters)):
            if not front or row.accuracy > front[-1].accuracy:
                front.append(row)
        return tuple(front)

    def row(self) -> dict[str, Scalar]:
        """How many cuts, and the accuracy to compare them with."""
        return {
            "places": len(self.places), "forecasts": len(self.cuts),
            "accuracy": self.accuracy, "samples": self.samples, "judging": self.samples_judging,
        }  # fmt: skip


def forecast_cuts(
    network: nn.Module,
    layers: Sequence[ActiveLayer],
    batches: Batches,
    judging: Batches,
    *,
    order: int = 2,
    ranks: Sequence[int] = RANKS,
    available: int | None = None,
) -> CutForecasts:
    """Cost and fidelity of cutting at each of the layers with each of the ranks.

    Args:
        network: any network that can be captured; it stays as it is.
        layers: with their active directions; those where no cut is legal are left out.
        batches: training batches, in random order.
        judging: batches that took no part in training, such as a validation split; at most 5,000 samples are read.
        order: of the polynomial.
        ranks: that are of interest; one above a layer's directions becomes their number, one with fewer than three
            samples for two coefficients, or with more than 3,000 of these, is left out.
        available: how many samples `batches` hold; counted if not given.

    Raises:
        InputError: no judging sample, an order or a rank out of range, or data that do not fit.

    Example:
        >>> from corank.measure import ActiveSubspace
        >>> _ = torch.manual_seed(0)
        >>> net = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3))
        >>> data = [(torch.randn(32, 6), torch.randint(3, (32,))) for _ in range(10)]
        >>> found = forecast_cuts(net, ActiveSubspace(layer="1", rank=8).measure(net, data).layers, data, data, order=1)
        >>> [(row.rank, round(row.explained, 2)) for row in found.cuts]  # what all logits share has no gradient
        [(1, 0.77), (2, 0.9)]
    """
    if order < 0:
        raise InputError(f"order must be at least 0, got {order}")
    if not ranks or min(ranks) < 1:
        raise InputError(f"ranks must be at least 1 each, got {tuple(ranks)}")
    example = first_batch(batches)[0].to(device_of(network))
    places = _legal(network, layers, example)
    count = sum(len(y) for _, y in batches) if available is None else available
    usable = count - min(count // HELD_OUT_EVERY, HELD_OUT_AT_MOST)
    wanted = {place.found.layer: _affordable(place.found, ranks, order, usable) for place in places}
    most_terms = max((number_of_terms(k, order) for ranks in wanted.values() for k in ranks), default=1)
    fitting = max(SAMPLES_AT_LEAST, FORECAST_SAMPLES_PER_TERM * most_terms)
    seen = _read(network, places, batches, fitting)
    unseen = _read(network, places, judging, JUDGING_SAMPLES)
    cuts = [
        forecast
        for place in places
        for forecast in _forecasts(place, wanted[place.found.layer], order, seen, unseen, usable)
    ]
    right = unseen.logits.argmax(1) == unseen.labels
    common = unseen.labels == unseen.labels.bincount().argmax()
    return CutForecasts(
        network=cost(network, example.shape[1:], example.dtype),
        accuracy=_share(right),
        commonest=_share(common),
        beyond_commonest=int(right.sum()) - int(common.sum()),
        apart=int((right != common).sum()),
        samples=len(seen.labels),
        samples_judging=len(unseen.labels),
        places=tuple(_legal_cut(place) for place in places),
        cuts=tuple(cuts),
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class _Place:
    """A legal cut: the directions there, and the cost of what is in front of it."""

    found: ActiveLayer
    pre: Cost


def _legal_cut(place: _Place) -> LegalCut:
    found = place.found
    return LegalCut(
        layer=found.layer, pre=place.pre, features=found.width, directions=len(found.directions),
        captured_heldout=_captured(found, len(found.directions)),
    )  # fmt: skip


def _captured(found: ActiveLayer, rank: int) -> float:
    """The share of held-out gradient energy in the first directions, where there is any such energy."""
    shares = found.captured_heldout_by_rank
    return shares[rank - 1] if shares else math.nan


@dataclass(frozen=True, kw_only=True, eq=False)
class _Seen:
    """Samples at every place: `(m, k)` active variables by layer, and logits `(m, C)`, in float64; labels `(m,)`."""

    variables: dict[str, Tensor]
    logits: Tensor
    labels: Tensor


def _legal(network: nn.Module, layers: Sequence[ActiveLayer], example: Tensor) -> list[_Place]:
    graph = capture(network, example)
    points = Layers(graph, example.shape[1:], example.dtype)
    legal = {node.name for node in points.legal_cuts}
    return [
        _Place(found=found, pre=cost(cut(graph, found.layer, example).pre, example.shape[1:], example.dtype))
        for found in layers
        if points.resolve(found.layer)[0].node in legal
    ]


def _affordable(found: ActiveLayer, ranks: Sequence[int], order: int, usable: int) -> list[int]:
    most = len(found.directions)
    largest = min(MOST_TERMS, usable / LEAST_SAMPLES_PER_TERM)
    enough = [k for k in {min(k, most) for k in ranks} if number_of_terms(k, order) <= largest]
    return sorted(enough)


def _read(network: nn.Module, places: Sequence[_Place], batches: Batches, count: int) -> _Seen:
    """One forward pass over at most so many samples."""
    there = OnDevice(batches, device_of(network))
    example, _ = first_batch(there)
    layers = [place.found.layer for place in places]
    reader = Reader(network, layers, example, through=not layers)  # without any place the logits still are of interest
    variables: dict[str, list[Tensor]] = {place.found.layer: [] for place in places}
    logits, labels = [], []
    left = count
    for x, y in there:
        reading = reader.read(x[:left])
        for place in places:
            directions = place.found.directions
            features = reading.activations[place.found.layer].flatten(1).to(directions)
            variables[place.found.layer].append((features @ directions.T).double())
        check_labels(y, reading.logits.shape[1])
        if not bool(torch.isfinite(reading.logits).all()):
            raise InputError("the outputs of the network must be finite, some are not: forecasts need its logits")
        logits.append(reading.logits.double())
        labels.append(y[:left])
        left -= len(labels[-1])
        if left <= 0:
            break
    return _Seen(
        variables={layer: torch.cat(parts) for layer, parts in variables.items()},
        logits=torch.cat(logits),
        labels=torch.cat(labels),
    )


def _forecasts(
    place: _Place, ranks: Sequence[int], order: int, seen: _Seen, unseen: _Seen, usable: int
) -> Iterator[CutForecast]:
    """The forecasts of one place; all ranks share the sums of the largest, whose basis contains theirs."""
    if not ranks:
        return
    found = place.found
    basis = HermiteBasis(max(ranks), order)
    z, judged = (part.variables[found.layer][:, : max(ranks)] for part in (seen, unseen))
    white = _Whitened(z)
    system = StreamingLeastSquares(basis.terms, seen.logits.shape[1], device=z.device)
    for points, targets in zip(torch.split(z, CHUNK), torch.split(seen.logits, CHUNK), strict=True):
        system.update(basis.evaluate(white(points)), targets)
    values = basis.evaluate(white(judged))
    spread = (unseen.logits - unseen.logits.mean(0)).square().sum()
    last_variable = functional.pad(multi_indices(max(ranks), order), (1, 0)).amax(1).to(z.device)
    for rank in ranks:
        columns = (last_variable <= rank).nonzero().flatten()
        coefficients = system.restricted(columns).solve(RIDGE)
        samples_fit = min(usable, max(SAMPLES_PER_TERM * len(columns), SAMPLES_AT_LEAST))
        shrunk = math.sqrt(_with_noise(len(columns), samples_fit) / _with_noise(len(columns), len(z)))
        residual = (values[:, columns] @ coefficients - unseen.logits) * shrunk
        classes = (unseen.logits + residual).argmax(1)
        head = _head_cost(found, rank, len(columns), unseen.logits.shape[1])
        yield CutForecast(
            layer=found.layer,
            index=found.index,
            features=found.width,
            rank=rank,
            order=order,
            pre=place.pre,
            head=head,
            captured_heldout=_captured(found, rank),
            samples_fit=samples_fit,
            explained=1 - float(residual.square().sum() / spread) if spread else math.nan,
            agreement=_share(classes == unseen.logits.argmax(1)),
            accuracy=_share(classes == unseen.labels),
        )


class _Whitened:
    """Variables made uncorrelated one after the other, so that the first k of them depend on the first k alone."""

    def __init__(self, z: Tensor) -> None:
        moments = StreamingMoments(z.shape[1], device=z.device).update(z)
        self._mean = moments.mean
        covariance = moments.covariance
        guard = float(GUARD * covariance.diagonal().mean()) or 1.0
        self._factor = torch.linalg.cholesky(covariance + guard * torch.eye(len(covariance)).to(covariance))

    def __call__(self, z: Tensor) -> Tensor:
        white: Tensor = torch.linalg.solve_triangular(self._factor, (z - self._mean).T, upper=False).T
        return white


def _is_smaller(one: Cost, other: Cost) -> bool:
    """Whether a network stores no more and computes less."""
    return one.storage_bytes <= other.storage_bytes and one.multiply_adds < other.multiply_adds


def _with_noise(terms: int, samples: int) -> float:
    """The expected squared residual of new samples relative to that of a fit to infinitely many."""
    return 1 + terms / max(samples - terms - 1, 1)


def _head_cost(found: ActiveLayer, rank: int, terms: int, classes: int) -> Cost:
    """A matrix to the variables, and a coefficient a basis function and class (Tables 2 to 5)."""
    numbers = rank * found.width + classes * terms
    return Cost(parameters=numbers, storage_bytes=numbers * found.directions.element_size(), multiply_adds=numbers)


def _share(right: Tensor) -> float:
    return float(right.double().mean())
