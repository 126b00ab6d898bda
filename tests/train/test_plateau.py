"""The step size that follows the validation accuracy, and the fits that use it."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from corank.errors import InputError
from corank.train import Checkpoint, EpochRow, History, Plateau, accuracy, fit

Data = list[tuple[Tensor, Tensor]]
sgd = partial(torch.optim.SGD, lr=0.2, momentum=0.9)


@pytest.mark.parametrize("patience", [1, 2, 10])
def test_it_is_the_rule_of_torch_with_one_epoch_less_of_patience(patience: int) -> None:
    """Torch waits until more than its patience have gone by; accuracies in tenths make ties, which are no progress."""
    chance = torch.Generator().manual_seed(patience)
    accuracies = (torch.randint(11, (80,), generator=chance) / 10).tolist()
    optimiser = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    known = torch.optim.lr_scheduler.ReduceLROnPlateau(
        optimiser, mode="max", factor=0.5, patience=patience - 1, threshold=0.0, threshold_mode="abs", eps=0.0
    )
    for done, value in enumerate(accuracies, start=1):
        known.step(value)
        assert Plateau(patience=patience).factor_after(accuracies[:done]) == optimiser.param_groups[0]["lr"]
    assert optimiser.param_groups[0]["lr"] < 1


def test_it_halves_after_the_tenth_epoch_without_progress_and_not_before() -> None:
    rule, best = Plateau(), [0.5, 0.7]
    assert [rule.factor_after([*best, *[0.7] * waited]) for waited in (0, 9, 10, 19, 20)] == [1, 1, 0.5, 0.5, 0.25]
    assert rule.factor_after([*best, *[0.6] * 9, 0.71, *[0.6] * 9]) == 1, "progress starts the count anew"
    assert rule.factor_after([*best, *[0.6] * 10, *[0.65] * 10]) == 0.25, "better than the last is not the best"


def test_it_reads_the_validation_accuracies_of_a_history() -> None:
    row = EpochRow(epoch=1, loss=1.0, accuracy=0.1, learning_rate=1.0, seconds=1.0, validation_accuracy=0.5)
    rows = [replace(row, epoch=place + 1, accuracy=place / 10) for place in range(4)]
    assert Plateau(patience=3).next_factor(rows) == 0.5
    assert Plateau(patience=3).next_factor([replace(row, validation_accuracy=None)] * 4) == 1


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"patience": 0}, "patience must be at least 1, got 0"),
        ({"factor": 1.0}, "factor must be strictly between 0 and 1, got 1.0"),
        ({"factor": 0.0}, "factor must be strictly between 0 and 1, got 0.0"),
    ],
)
def test_options_out_of_range_are_refused(options: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        Plateau(**options)


# In a training


def data(seed: int, samples: int = 40) -> Data:
    chance = torch.Generator().manual_seed(seed)
    x = torch.randn(samples, 5, generator=chance)
    y = (x[:, 0] + torch.randn(samples, generator=chance) > 0).long()
    return list(zip(x.split(12), y.split(12), strict=True))


def net() -> nn.Sequential:
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(5, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.3), nn.Linear(8, 2))


EPOCHS, RULE = 12, Plateau(patience=2)


def fitted(network: nn.Module, **options: Any) -> History:
    settings: dict[str, Any] = {"optimiser": sgd, "schedule": RULE, "validation": data(2), "epochs": EPOCHS, **options}
    return fit(network, data(1), **settings)


def test_the_rates_of_a_training_are_those_of_the_rule_on_its_own_history() -> None:
    history = fitted(net())
    found = [row.validation_accuracy for row in history.rows]
    assert [row.learning_rate for row in history.rows] == [
        0.2 * RULE.factor_after(found[:epoch])
        for epoch in range(EPOCHS)  # type: ignore[arg-type]
    ]
    assert history.rows[-1].learning_rate < 0.2 / 2, "data on which the accuracy stops rising, twice"
    assert history.row()["validation accuracy"] == found[-1]


def test_the_validation_accuracy_is_that_of_the_network_after_the_epoch() -> None:
    network, seen = net(), []
    history = fitted(network, callbacks=[lambda end: seen.append(accuracy(end.network, data(2)))])
    assert [row.validation_accuracy for row in history.rows] == seen
    assert len(set(seen)) > 3
    assert seen[-1] == accuracy(network, data(2)), "the network of the last epoch is kept, not of the best"
    assert max(seen) > seen[-1], "data on which the last epoch is not the best"


def test_validation_changes_no_bit_of_a_training_that_does_not_follow_it_and_draws_no_chance() -> None:
    networks, drawn = [net(), net()], DataLoader([pair for x, y in data(2) for pair in zip(x, y, strict=True)], 8, True)
    for network, validation in zip(networks, (None, drawn), strict=True):
        before = torch.get_rng_state()
        fit(network, data(1), epochs=3, optimiser=sgd, validation=validation)
        assert torch.equal(torch.get_rng_state(), before)
    one, other = (network.state_dict() for network in networks)
    assert all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("stopped", range(1, EPOCHS))
def test_stopped_after_any_epoch_it_goes_on_to_the_same_bits(tmp_path: Path, stopped: int) -> None:
    def interrupt(end: Any) -> None:
        if end.epoch == stopped + 1:
            raise KeyboardInterrupt

    whole, resumed = net(), net()
    expected = fitted(whole)
    with pytest.raises(KeyboardInterrupt):
        fitted(net(), checkpoint=tmp_path, callbacks=[interrupt])
    assert Checkpoint(tmp_path).latest() == tmp_path / f"epoch-{stopped}"
    found = fitted(resumed, checkpoint=tmp_path)
    assert [replace(row, seconds=0) for row in found.rows] == [replace(row, seconds=0) for row in expected.rows]
    one, other = whole.state_dict(), resumed.state_dict()
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_another_rule_or_none_is_another_training(tmp_path: Path) -> None:
    fitted(net(), checkpoint=tmp_path, epochs=2)
    with pytest.raises(InputError, match=r"fit.schedule was Plateau\(patience=2"):
        fitted(net(), checkpoint=tmp_path, epochs=2, schedule=Plateau(patience=3))
    fit(net(), data(1), epochs=2, optimiser=sgd, checkpoint=tmp_path / "plain")
    with pytest.raises(InputError, match=r"fit.validation was absent there and is True here"):
        fit(net(), data(1), epochs=2, optimiser=sgd, checkpoint=tmp_path / "plain", validation=data(2))


@pytest.mark.parametrize(
    ("validation", "said"),
    [
        (None, "needs validation batches, got none: give some"),
        (iter(data(2)), "validation batches must be re-iterable"),
        ([], "there are no validation batches"),
    ],
)
def test_validation_batches_that_cannot_be_used_are_refused(validation: Any, said: str) -> None:
    with pytest.raises(InputError, match=said) as caught:
        fitted(net(), validation=validation)
    assert "\n" not in str(caught.value)
