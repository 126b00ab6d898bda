from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from corank.defend import Course, Natural, Watch
from corank.defend.watching import WatchedEpoch, Watcher
from corank.errors import InputError
from corank.linalg import information_bounds
from corank.train import EpochEnd, EpochRow


def network() -> nn.Sequential:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(nn.Flatten(), nn.Linear(16, 12), nn.Tanh(), nn.Linear(12, 3))


def validation() -> list[tuple[Tensor, Tensor]]:
    chance = torch.Generator().manual_seed(1)
    x = torch.rand(60, 1, 4, 4, generator=chance)
    return list(zip(x.split(25), network()(x).argmax(1).split(25), strict=True))


def watcher(made: nn.Module, folder: Path | None = None, **options: Any) -> Watcher:
    every: Any = ("weights", "information", "variance-ratios")
    watch = Watch(**{"quantities": every, "radius": 0.1, "images": 40, "samples": 50, **options})
    return Watcher(watch, lambda: made, validation(), (0.0, 1.0), folder)


def end(epoch: int, made: nn.Module) -> EpochEnd:
    row = EpochRow(epoch=epoch, loss=1.0, accuracy=None, learning_rate=0.1, seconds=1.0)
    return EpochEnd(epoch=epoch, network=made, row=row)


def test_what_is_seen_is_what_an_independent_computation_finds() -> None:
    made = network()
    seen = watcher(made)
    seen.before()
    row = seen.watched(0).rows[0]
    assert row.clean_accuracy == 1.0
    assert row.fooled == pytest.approx(1 - row.robust_accuracy)
    weight = made[1].weight.detach().double()
    values = torch.linalg.svdvals(weight)
    assert row.weights[0].effective_rank == pytest.approx(float(values.sum() / weight.norm()))
    assert row.weights[0].effective_sparsity == pytest.approx(float(weight.abs().sum() / weight.norm()))
    assert row.weights[0].stable_rank == pytest.approx(float((weight.norm() / values[0]) ** 2))
    x, y = (torch.cat(column)[:50] for column in zip(*validation(), strict=True))
    h = made[:3](x).detach()
    expected = information_bounds(h, 0.1, y)
    assert row.information[0].input_high == pytest.approx(expected.upper, rel=1e-5)
    assert row.information[0].label_low == pytest.approx(expected.label_lower, rel=1e-5)
    squares = torch.linalg.svdvals(h.double()).square()
    assert row.variance_ratios[0].shares[2] == pytest.approx(float(squares[:5].sum() / squares.sum()), rel=1e-5)


def test_a_matrix_that_became_zero_has_no_rank() -> None:
    made = network()
    made[1].weight.data.zero_()
    seen = watcher(made, quantities=("weights",))
    seen.before()
    assert seen.watched(0).rows[0].weights[0].effective_rank == 0.0


def test_it_knows_what_was_seen_before_an_interruption_and_no_later_epoch(tmp_path: Path) -> None:
    made = network()
    first = watcher(made, tmp_path)
    first.before()
    for epoch in (1, 2):
        first(end(epoch, made))
    again = watcher(made, tmp_path)
    again.before()
    assert again.watched(2) == first.watched(2)
    assert [row.epoch for row in again.watched(1).rows] == [0, 1]
    (tmp_path / "watched.json").write_text(json.dumps([{"epoch": 1}]))
    with pytest.raises(InputError, match=r"watched\.json' is damaged .*: delete"):
        watcher(made, tmp_path)


def test_what_was_seen_before_any_epoch_ended_is_seen_anew(tmp_path: Path) -> None:
    def rows(folder: Path, radius: float) -> tuple[WatchedEpoch, ...]:
        found = Natural().defend(
            network(), validation(), Course(epochs=1), watch=Watch(radius=radius), validation=validation(),
            checkpoint=folder,
        )  # fmt: skip
        assert found.watched is not None
        return found.watched.rows

    watcher(network(), tmp_path, radius=0.9).before()  # of other options, and interrupted
    assert rows(tmp_path, 0.01) == rows(tmp_path / "fresh", 0.01)
    assert rows(tmp_path / "wide", 0.9)[0] != rows(tmp_path / "fresh", 0.01)[0]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"quantities": ("weight",)}, "what is watched must be of weights, information, variance-ratios, got 'weight'"),
        ({"radius": 0.0}, "radius must be positive and finite, got 0.0"),
        ({"norm": "l3"}, "norm must be one of l2, linf, got 'l3'"),
        ({"images": 0}, "images must be at least 1, got 0"),
        ({"samples": -1}, "samples must be at least 1, got -1"),
        ({"steps": 0}, "steps must be at least 1, got 0"),
    ],
)
def test_an_option_out_of_range_is_refused(options: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        Watch(**options)
