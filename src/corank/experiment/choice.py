"""Which cuts are worth building, chosen from forecasts, and which of those built is worth having, and why.

Forecasts are made of every legal cut and rank. The few that are built lie on the Pareto front of multiply-adds and
accuracy, within what fine-tuning can be expected to win back. The choice among those built is made on the validation
split.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from corank.compress import CutForecast, CutForecasts, LegalCut
from corank.experiment.evaluated import Evaluated, asnetwork
from corank.experiment.words import counted, points
from corank.report.format import percent

REMAINS = 0.25
"""Share of a loss of accuracy that fine-tuning may be hoped to leave (Cui et al. 2020, Table 1: 0 to 46 %)."""
CHANCE = 0.01
"""Below this probability of doing so by luck a network is better than always naming the commonest class."""
NO_PLACE = "data flows around every hidden layer, so there is no place where the network can be cut"
NO_POLYNOMIAL = (
    "no polynomial of so many directions can be forecast: it has more coefficients than the samples determine, or more "
    "than 3,000; lower the rank or the order, or name the layer"
)
FLAT = 0.5
"""Below this share of the held-out gradient energy in all measured directions, a spectrum is called flat."""


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """The cuts to build, cheapest first, or none and why not."""

    cuts: tuple[CutForecast, ...]
    reason: str


def choose(forecasts: CutForecasts, *, tolerance: float, fine_tuned: bool, most: int) -> Chosen:
    """The few cuts on the Pareto front that are worth building.

    Args:
        forecasts: of every legal cut and rank.
        tolerance: the loss of accuracy that a cut may have in the end.
        fine_tuned: whether the cuts will be; then four times the tolerance may be lost before.
        most: how many cuts to build at most; among more, the cheapest, the dearest and those evenly between.
    """
    if not forecasts.places:
        return Chosen(cuts=(), reason=NO_PLACE)
    if not forecasts.cuts:
        return Chosen(cuts=(), reason=NO_POLYNOMIAL)
    front = forecasts.front
    if not front:
        return Chosen(cuts=(), reason="no cut would be smaller and cheaper than the network: keep it as it is")
    reach = tolerance / REMAINS if fine_tuned else tolerance
    within = [row for row in front if row.accuracy >= forecasts.accuracy - reach]
    if not within:
        return Chosen(cuts=(), reason=_too_much_lost(front[-1], forecasts, reach))
    best_of_layer = {row.layer: row for row in within}.values()  # accuracy ascends along the front
    worth_it = sorted(best_of_layer, key=lambda row: row.overall.multiply_adds)
    places = len({row.layer for row in front})
    cuts = tuple(_spread(worth_it, most))
    return Chosen(
        cuts=cuts,
        reason=f"{len(cuts)} of {counted(places, 'place')} on the front of multiply-adds and accuracy; "
        f"{counted(len(worth_it), 'place')} would lose no more than {100 * reach:g} points before fine-tuning",
    )


def best_at(forecasts: CutForecasts, layer: str, tolerance: float) -> CutForecast | None:
    """The smallest rank at a layer whose forecast is within half the tolerance of that layer's best; None for none."""
    there = [row for row in forecasts.cuts if row.layer == layer]
    if not there:
        return None
    best = max(row.accuracy for row in there)
    return next(row for row in there if row.accuracy >= best - tolerance / 2)


def nothing_to_keep(forecasts: CutForecasts, *, random_weights: bool = False) -> str:
    """Why no cut of a network that has learnt nothing is worth building; empty where it has.

    It has learnt nothing if its weights are random, or if it is not clearly better than always naming the commonest
    class: a sign test on the samples where one of both is right.

    Args:
        forecasts: of the network.
        random_weights: whether its weights are known to be random.
    """
    from scipy.stats import binom  # imported here: it takes a second to import

    wins = (forecasts.apart + forecasts.beyond_commonest) // 2
    luck = float(binom.sf(wins - 1, forecasts.apart, 0.5))
    if not random_weights and luck < CHANCE:
        return ""
    said = (
        "the network has random weights"
        if random_weights
        else f"the network is right on {percent(forecasts.accuracy)} of the validation samples, not clearly better "
        f"than always naming the commonest class ({percent(forecasts.commonest)})"
    )
    flattest = min(forecasts.places, key=_held_share, default=None)
    flat = f"; {_spread_out(flattest)}" if flattest and _held_share(flattest) < FLAT else ""
    return f"{said}, so that a cut has nothing to keep{flat}"


def recommend(cuts: Sequence[Evaluated], tolerance: float) -> tuple[str | None, str]:
    """The fastest cut whose validation accuracy is within the tolerance, or none, and why.

    Args:
        cuts: those built, at least one.
        tolerance: the loss of validation accuracy that is accepted.
    """
    good = [found for found in cuts if _is_good(found, tolerance)]
    if not good:
        return None, _why_none(cuts, tolerance)
    best = max(good, key=lambda found: found.speedup)
    compressed = asnetwork(best)
    change = 100 * (best.tuned.validation - best.original.validation)
    changed = (
        f"changes the validation accuracy by {change:+.1f} points"
        if abs(change) >= 0.05
        else "leaves the validation accuracy as it is"
    )
    return compressed.layer, (
        f"cutting after {compressed.layer} makes one sample {best.speedup:.1f} times faster and the network "
        f"{compressed.storage_ratio:.1f} times smaller, and {changed}"
    )


def _is_good(found: Evaluated, tolerance: float) -> bool:
    """Accurate within the tolerance, not larger, and faster beyond the spread of the single measurements."""
    is_faster = found.latency[0].high_ms < found.latency_original[0].low_ms
    return is_faster and _is_accurate_and_small(found, tolerance)


def _is_accurate_and_small(found: Evaluated, tolerance: float) -> bool:
    is_accurate = found.tuned.validation >= found.original.validation - tolerance
    return is_accurate and found.compressed.storage_ratio >= 1


def _why_none(cuts: Sequence[Evaluated], tolerance: float) -> str:
    """What speaks against every cut; one that lacks speed alone is named, for it may still be wanted for its size."""
    small = [found for found in cuts if _is_accurate_and_small(found, tolerance)]
    if not small:
        return (
            f"no cut keeps the validation accuracy within {points(tolerance)} and is no larger: keep the "
            "network as it is"
        )
    best = max(small, key=lambda found: found.compressed.storage_ratio)
    times = (best.latency[0], best.latency_original[0])
    cut, original = (f"{time.low_ms:.3g} to {time.high_ms:.3g} ms" for time in times)
    return (
        f"cutting after {asnetwork(best).layer} makes the network {best.compressed.storage_ratio:.1f} times smaller "
        f"and keeps the validation accuracy within {points(tolerance)}, but one sample is not clearly faster: "
        f"half of the passes took {cut}, of the original {original}; keep the network as it is, or measure on a quiet "
        "machine"
    )


def _spread(front: Sequence[CutForecast], most: int) -> Sequence[CutForecast]:
    """At most so many: those nearest to evenly spaced multiply-adds on a log scale, both ends among them."""
    if len(front) <= most:
        return front
    logs = [math.log(row.overall.multiply_adds) for row in front]
    if most == 1:
        return [front[0]]
    targets = [logs[0] + (logs[-1] - logs[0]) * step / (most - 1) for step in range(most)]
    nearest = {min(range(len(front)), key=lambda place: abs(logs[place] - target)) for target in targets}
    return [front[place] for place in sorted(nearest)]


def _too_much_lost(best: CutForecast, forecasts: CutForecasts, reach: float) -> str:
    lost = 100 * (forecasts.accuracy - best.accuracy)
    place = next(place for place in forecasts.places if place.layer == best.layer)
    if _held_share(place) < FLAT:
        why = f"; {_spread_out(place)}"
    elif best.rank < place.directions and best.rank == max(row.rank for row in forecasts.cuts):
        why = "; a polynomial of more directions would want more samples"
    else:
        why = ""
    return (
        f"even the best cut, after {best.layer} with {counted(best.rank, 'direction')}, is forecast to lose "
        f"{lost:.1f} points of validation accuracy before fine-tuning, more than the {100 * reach:g} that are worth a "
        f"trial{why}: keep the network as it is"
    )


def _spread_out(place: LegalCut) -> str:
    return (
        f"its spectrum is flat: at {place.layer} the leading {place.directions} of {place.features:,} directions hold "
        f"{percent(place.captured_heldout)} of the gradient energy of held-out samples"
    )


def _held_share(place: LegalCut) -> float:
    """The share of held-out energy, or 1 where it is not known."""
    return 1.0 if math.isnan(place.captured_heldout) else place.captured_heldout
