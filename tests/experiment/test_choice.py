"""What is built follows from the forecasts, and a network without anything to keep is left alone."""

from __future__ import annotations

import pytest

from corank.compress import CutForecast, CutForecasts
from corank.compress.cut_forecasts import LegalCut
from corank.experiment.choice import best_at, choose, is_chance
from corank.network import Cost

WHOLE = Cost(parameters=1000, storage_bytes=4000, multiply_adds=1000)


def cost_of(multiply_adds: int, parameters: int = 100) -> Cost:
    return Cost(parameters=parameters, storage_bytes=4 * parameters, multiply_adds=multiply_adds)


def row(layer: str, multiply_adds: int, accuracy: float, rank: int = 5, held: float = 0.9) -> CutForecast:
    return CutForecast(
        layer=layer, index=None, features=64, rank=rank, order=2, pre=cost_of(multiply_adds),
        head=cost_of(0, 0), captured_heldout=held, samples_fit=500, explained=0.9, agreement=0.9, accuracy=accuracy,
    )  # fmt: skip


def forecasts(
    *cuts: CutForecast, accuracy: float = 0.9, commonest: float = 0.1, places: int | None = None
) -> CutForecasts:
    layers = dict.fromkeys(cut.layer for cut in cuts)
    return CutForecasts(
        network=WHOLE, accuracy=accuracy, commonest=commonest, samples=1000, samples_judging=400,
        places=tuple(LegalCut(layer=layer, pre=cost_of(1)) for layer in layers), cuts=cuts,
    )  # fmt: skip


def built(found: CutForecasts, *, tolerance: float = 0.01, fine_tuned: bool = True, most: int = 3) -> list[str]:
    return [cut.layer for cut in choose(found, tolerance=tolerance, fine_tuned=fine_tuned, most=most).cuts]


def test_only_the_front_is_built() -> None:
    found = forecasts(row("a", 100, 0.88), row("b", 200, 0.87), row("c", 300, 0.9))
    assert built(found) == ["a", "c"]


def test_what_fine_tuning_cannot_win_back_is_not_built() -> None:
    found = forecasts(row("a", 100, 0.855), row("b", 200, 0.865), row("c", 300, 0.895))
    assert built(found) == ["b", "c"]  # 3.5 points, not 4.5
    assert built(found, tolerance=0.02) == ["a", "b", "c"]
    assert built(found, fine_tuned=False) == ["c"]


def test_a_place_is_built_once_with_its_best_rank_on_the_front() -> None:
    found = forecasts(row("a", 100, 0.88, rank=5), row("a", 110, 0.89, rank=9), row("a", 120, 0.885, rank=12))
    assert [(cut.layer, cut.rank) for cut in choose(found, tolerance=0.01, fine_tuned=True, most=3).cuts] == [("a", 9)]


def test_among_many_places_both_ends_and_the_middle_are_built() -> None:
    found = forecasts(*(row(f"l{k}", 2**k, 0.87 + k / 1000) for k in range(1, 10)))
    assert built(found) == ["l1", "l5", "l9"]
    assert built(found, most=1) == ["l1"]
    assert built(found, most=2) == ["l1", "l9"]
    assert built(found, most=20) == [f"l{k}" for k in range(1, 10)]


def test_a_network_that_guesses_is_left_alone() -> None:
    found = forecasts(row("a", 100, 0.11, held=0.2), row("b", 200, 0.12, held=0.3), accuracy=0.12)
    chosen = choose(found, tolerance=0.01, fine_tuned=True, most=3)
    assert chosen.cuts == ()
    assert "no better than always naming the commonest class" in chosen.reason
    assert "its spectrum is flat" in chosen.reason
    assert "at a the leading 5 of 64 directions hold 20" in chosen.reason
    steep = forecasts(row("a", 100, 0.11, held=0.6), row("b", 200, 0.12, held=0.7), accuracy=0.12)
    assert choose(steep, tolerance=0.01, fine_tuned=True, most=3).reason.endswith("nothing to keep")


@pytest.mark.parametrize(("accuracy", "chance"), [(0.05, True), (0.1, True), (0.144, True), (0.146, False)])
def test_more_than_chance_is_three_standard_errors(accuracy: float, chance: bool) -> None:
    assert is_chance(forecasts(row("a", 100, 0.1), accuracy=accuracy)) == chance  # sqrt(0.1 x 0.9 / 400) = 0.015


@pytest.mark.parametrize(("held", "flat"), [(0.3, True), (0.8, False)])
def test_where_too_much_would_be_lost_nothing_is_built(held: float, flat: bool) -> None:
    found = forecasts(row("a", 100, 0.5), row("b", 200, 0.6, rank=7, held=held))
    chosen = choose(found, tolerance=0.01, fine_tuned=True, most=3)
    assert chosen.cuts == ()
    assert "after b, is forecast to lose 30.0 points" in chosen.reason
    assert f"the leading 7 of 64 directions hold {100 * held:.1f}" in chosen.reason
    assert ("spectrum is flat" in chosen.reason) == flat


def test_what_is_not_smaller_is_not_built() -> None:
    found = forecasts(row("a", 1000, 0.9), row("b", 2000, 0.95))
    chosen = choose(found, tolerance=0.01, fine_tuned=True, most=3)
    assert chosen.cuts == ()
    assert "no cut would be smaller and cheaper" in chosen.reason


def test_without_a_place_or_samples_the_reason_says_so() -> None:
    nowhere = choose(forecasts(), tolerance=0.01, fine_tuned=True, most=3)
    assert "no place where the network can be cut" in nowhere.reason
    one = forecasts(row("a", 1, 0.9))
    few = CutForecasts(**{**vars(one), "cuts": (), "samples": 3})
    assert "3 samples are too few" in choose(few, tolerance=0.01, fine_tuned=True, most=3).reason


def test_the_best_rank_of_a_place_is_the_smallest_that_is_as_good_as_any() -> None:
    found = forecasts(row("a", 1, 0.7, 2), row("a", 2, 0.896, 5), row("a", 3, 0.9, 9), row("b", 9, 0.95, 3))
    best = best_at(found, "a", 0.01)
    assert best is not None
    assert best.rank == 5
    assert best_at(found, "c", 0.01) is None
