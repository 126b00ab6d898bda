"""What is built follows from the forecasts, and a network without anything to keep is left alone."""

from __future__ import annotations

import math

import pytest

from corank.compress import CutForecast, CutForecasts, LegalCut
from corank.experiment.choice import best_at, choose, nothing_to_keep
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
    *cuts: CutForecast, accuracy: float = 0.9, commonest: float = 0.1, apart: int = 400, held: float = 0.9
) -> CutForecasts:
    """Of 400 samples; `held` is the share of held-out energy in all ten directions of every place."""
    return CutForecasts(
        network=WHOLE, accuracy=accuracy, commonest=commonest, beyond_commonest=round(400 * (accuracy - commonest)),
        apart=apart, samples=1000, samples_judging=400,
        places=tuple(
            LegalCut(layer=layer, pre=cost_of(1), features=64, directions=10, captured_heldout=held)
            for layer in dict.fromkeys(cut.layer for cut in cuts)
        ),
        cuts=cuts,
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
    assert built(found, fine_tuned=False, tolerance=0.02) == ["c"]


def test_a_place_is_built_once_with_its_best_rank_on_the_front() -> None:
    found = forecasts(row("a", 100, 0.88, rank=5), row("a", 110, 0.89, rank=9), row("a", 120, 0.885, rank=12))
    assert [(cut.layer, cut.rank) for cut in choose(found, tolerance=0.01, fine_tuned=True, most=3).cuts] == [("a", 9)]


def test_among_many_places_both_ends_and_the_middle_are_built() -> None:
    found = forecasts(*(row(f"l{k}", 2**k, 0.87 + k / 1000) for k in range(1, 10)))
    assert built(found) == ["l1", "l5", "l9"]
    assert built(found, most=1) == ["l1"]
    assert built(found, most=2) == ["l1", "l9"]
    assert built(found, most=20) == [f"l{k}" for k in range(1, 10)]


def test_the_cheapest_is_the_first_whatever_the_rank_that_won() -> None:
    """A place that comes back on the front with more directions stands where these stand."""
    found = forecasts(row("a", 100, 0.87, 1), row("b", 200, 0.88), row("a", 300, 0.9, 50))
    assert built(found) == ["b", "a"]
    assert built(found, most=1) == ["b"]


def test_a_network_that_guesses_has_nothing_to_keep() -> None:
    found = forecasts(row("a", 100, 0.11), accuracy=0.12, apart=80, held=0.2)
    reason = nothing_to_keep(found)
    assert "right on 12.0" in reason
    assert "not clearly better than always naming the commonest class" in reason
    assert "its spectrum is flat: at a the leading 10 of 64 directions hold 20" in reason
    steep = forecasts(row("a", 100, 0.11), accuracy=0.12, apart=80, held=0.6)
    assert nothing_to_keep(steep).endswith("nothing to keep")


def test_random_weights_have_nothing_to_keep_however_lucky_they_are() -> None:
    lucky = forecasts(row("a", 100, 0.7), accuracy=0.9, commonest=0.5)
    assert nothing_to_keep(lucky) == ""
    assert "random weights" in nothing_to_keep(lucky, random_weights=True)
    assert "random weights" in nothing_to_keep(forecasts(), random_weights=True)


@pytest.mark.parametrize(
    ("accuracy", "commonest", "apart", "learnt"),
    [
        (1.0, 0.9, 40, True),  # 40 wins of 40, though the commonest class is right nine times in ten
        (0.95, 0.9, 20, True),  # 20 of 20
        (0.92, 0.9, 8, True),  # 8 of 8: 0.4 %
        (0.915, 0.9, 6, False),  # 6 of 6: 1.6 %
        (0.92, 0.9, 100, False),  # 54 of 100
        (0.5, 0.5, 200, False),
    ],
)
def test_to_have_learnt_is_to_beat_the_commonest_class_beyond_luck(
    accuracy: float, commonest: float, apart: int, learnt: bool
) -> None:
    found = forecasts(row("a", 100, 0.1), accuracy=accuracy, commonest=commonest, apart=apart)
    assert (nothing_to_keep(found) == "") == learnt


@pytest.mark.parametrize(("held", "flat"), [(0.3, True), (0.8, False)])
def test_where_too_much_would_be_lost_nothing_is_built(held: float, flat: bool) -> None:
    found = forecasts(row("a", 100, 0.5, rank=9), row("b", 200, 0.6, rank=7), held=held)
    chosen = choose(found, tolerance=0.01, fine_tuned=True, most=3)
    assert chosen.cuts == ()
    assert "after b with 7 directions, is forecast to lose 30.0 points" in chosen.reason
    assert (f"the leading 10 of 64 directions hold {100 * held:.1f}" in chosen.reason) == flat
    assert ("spectrum is flat" in chosen.reason) == flat
    assert "more samples" not in chosen.reason
    few = forecasts(row("b", 200, 0.6, rank=7), held=0.8)
    assert "would want more samples" in choose(few, tolerance=0.01, fine_tuned=True, most=3).reason


def test_gradients_that_no_held_out_sample_has_are_not_called_flat() -> None:
    found = forecasts(row("a", 100, 0.5), held=math.nan)
    assert "flat" not in choose(found, tolerance=0.01, fine_tuned=True, most=3).reason
    assert "flat" not in nothing_to_keep(found, random_weights=True)


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
    assert "more coefficients than the samples determine" in choose(few, tolerance=0.01, fine_tuned=True, most=3).reason


def test_the_best_rank_of_a_place_is_the_smallest_that_is_as_good_as_any() -> None:
    found = forecasts(row("a", 1, 0.7, 2), row("a", 2, 0.896, 5), row("a", 3, 0.9, 9), row("b", 9, 0.95, 3))
    ranks = {tolerance: best_at(found, "a", tolerance) for tolerance in (0.0, 0.007, 0.01)}
    assert {tolerance: found.rank for tolerance, found in ranks.items() if found} == {0.0: 9, 0.007: 9, 0.01: 5}
    assert best_at(found, "c", 0.01) is None
