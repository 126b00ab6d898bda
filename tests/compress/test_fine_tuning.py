"""Both trainings of an ASNet: by distillation, and sparse."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from corank.compress import ASNetwork, Sparsified
from corank.compress.asnet import HEAD
from corank.compress.fine_tuning import ByDistillation, ByLabels, Tuning, recovered
from corank.errors import InputError
from corank.network import GraphNetwork, cost, evaluation_mode, load_graph, save_graph
from corank.train import Checkpoint, Distillation, History, Plateau, accuracy

from .plane import data, net, small, untuned


def distance(network: nn.Module, teacher: nn.Module, beta: float) -> float:
    objective = Distillation(teacher=teacher, beta=beta)
    with torch.no_grad(), evaluation_mode(network), evaluation_mode(teacher):
        return sum(float(objective(network, x, y)) for x, y in data()) / len(data())


@pytest.mark.parametrize("beta", [0.0, 0.1, 1.0])
def test_fine_tuning_lowers_the_distillation_loss(beta: float) -> None:
    made = small(rank=2, order=1, beta=beta, epochs=3, pre_rate=1e-3, head_rate=1e-3)
    before, after = distance(made.fitted, net(), beta), distance(made.network, net(), beta)
    assert after < before - 1e-3
    assert made.training is not None
    assert len(made.training.rows) == 3
    assert made.training.rows[-1].loss < made.training.rows[0].loss


def test_beta_weighs_the_teacher_against_the_labels() -> None:
    """Each student is the better of the two at what it was asked for."""
    by_labels, by_teacher = (
        small(rank=2, order=1, beta=beta, epochs=4, pre_rate=1e-2, head_rate=1e-2).network for beta in (0.0, 1.0)
    )
    assert distance(by_teacher, net(), 1.0) < distance(by_labels, net(), 1.0)
    assert distance(by_labels, net(), 0.0) < distance(by_teacher, net(), 0.0)


def moved(one: nn.Module, other: nn.Module) -> tuple[float, float]:
    """How far the largest step took a parameter of the pre-model and of the new layers."""
    before, after = dict(one.named_parameters()), dict(other.named_parameters())
    steps = {name: float((after[name] - before[name]).detach().abs().max()) for name in before}
    new = [step for name, step in steps.items() if name.startswith(HEAD)]
    old = [step for name, step in steps.items() if not name.startswith(HEAD)]
    return max(old), max(new)


def test_the_two_parts_have_step_sizes_of_their_own() -> None:
    """Adam's steps are at most about the rate, so a rate of 1e-12 moves nothing within float32."""
    made = small(pre_rate=1e-2, head_rate=1e-12)
    pre, head = moved(made.fitted, made.network)
    assert pre > 1e-3
    assert head < 1e-9
    made = small(pre_rate=1e-12, head_rate=1e-2)
    pre, head = moved(made.fitted, made.network)
    assert pre < 1e-9
    assert head > 1e-3


def test_no_epochs_leave_the_fit_as_it_is() -> None:
    assert untuned().network is untuned().fitted
    assert untuned().training is None
    assert untuned().to_dict()["training"] is None


@cache
def thinned(penalty: str, weight: float = 0.5) -> ASNetwork:
    rates = {"sparse_pre_rate": 0.02, "sparse_head_rate": 0.02, "sparse_epochs": 3}
    return small(rank=4, pre_rate=1e-3, sparse=penalty, sparse_weight=weight, **rates)


def accounts(made: ASNetwork) -> Sparsified:
    assert made.sparse is not None
    return made.sparse


def nonzeros(network: nn.Module, is_new: bool) -> int:
    values = [value for name, value in network.named_parameters() if name.startswith(HEAD) is is_new]
    return sum(int((value != 0).sum()) for value in values)


@pytest.mark.parametrize("penalty", ["l1", "group-lasso", "nuclear-norm"])
def test_sparse_training_counts_what_is_left_of_both_parts(penalty: str) -> None:
    made = thinned(penalty)
    found = accounts(made)
    assert found.pre.parameters == nonzeros(made.network, False)
    assert found.head.parameters == nonzeros(made.network, True)
    assert found.overall.storage_bytes == 4 * (found.pre.parameters + found.head.parameters)
    assert {weight.name for weight in found.weights} == {"0", f"{HEAD}.subspace", f"{HEAD}.coefficients"}
    # linear maps only, so that every nonzero of a matrix is one multiply-add
    assert found.overall.multiply_adds == sum(weight.nonzeros for weight in found.weights)
    assert found.penalty == f"{penalty} x 0.5"
    assert len(found.training.rows) == 3
    row = made.row()
    assert row["zeros"] == found.zeros
    assert made.to_dict()["sparse"]["overall"]["parameters"] == found.overall.parameters
    # what is returned is dense in memory, and is counted as such
    assert made.overall == cost(made.network, (2,)) == untuned().overall


def test_each_penalty_brings_its_own_structure() -> None:
    dense = accounts(thinned("l1", 0.0))
    assert dense.zeros == 0
    assert all(weight.rank == min(weight.rows, weight.columns) for weight in dense.weights)
    zeros, columns, low = (
        accounts(thinned(name, weight)) for name, weight in (("l1", 0.5), ("group-lasso", 0.5), ("nuclear-norm", 2.0))
    )
    assert 0.1 < zeros.zeros < 1
    assert any(weight.nonzeros < weight.rows_left * weight.columns_left for weight in zeros.weights)
    assert any(weight.columns_left < weight.columns for weight in columns.weights)
    assert all(weight.nonzeros == weight.rows * weight.columns_left for weight in columns.weights)
    assert low.zeros < 0.05
    assert any(weight.rank < min(weight.rows, weight.columns) for weight in low.weights)
    assert low.factored_bytes < low.overall.storage_bytes


def test_more_weight_leaves_fewer_numbers() -> None:
    found = [accounts(thinned("l1", weight)).overall.parameters for weight in (0.0, 0.1, 0.5, 2.0)]
    assert found == sorted(found, reverse=True)
    assert found[-1] < 0.5 * found[0]


def test_the_networks_before_sparse_training_are_kept() -> None:
    made, dense = thinned("l1"), small(rank=4, pre_rate=1e-3)
    assert dense.tuned is dense.network
    assert dense.sparse is None
    assert dense.to_dict()["sparse"] is None
    for kept, expected in ((made.fitted, dense.fitted), (made.tuned, dense.network)):
        assert all(torch.equal(*pair) for pair in zip(kept.parameters(), expected.parameters(), strict=True))
    assert made.tuned is not made.network


def test_the_sparse_training_has_step_sizes_of_its_own_for_both_parts() -> None:
    """Plain gradient steps: the threshold alone would move a weight by rate times weight times steps."""
    for rates, moves in (((1e-2, 1e-12), (True, False)), ((1e-12, 1e-2), (False, True))):
        pre_rate, head_rate = rates
        made = small(
            epochs=0, sparse="l1", sparse_epochs=1, sparse_weight=0.1, sparse_pre_rate=pre_rate,
            sparse_head_rate=head_rate,
        )  # fmt: skip
        distances = moved(made.fitted, made.network)
        assert made.tuned is made.fitted
        for distance, is_moving in zip(distances, moves, strict=True):
            assert distance > 1e-3 if is_moving else distance < 1e-7


def test_a_sparse_network_saves_and_loads_with_its_zeros(tmp_path: Path) -> None:
    made = thinned("l1").network
    assert isinstance(made, GraphNetwork)
    save_graph(made, tmp_path)
    again = load_graph(tmp_path)
    assert all(torch.equal(*pair) for pair in zip(made.parameters(), again.parameters(), strict=True))


def test_fine_tuning_leaves_the_fit_behind_as_it_was() -> None:
    tuned = small(pre_rate=1e-2, head_rate=1e-2)
    for name, value in untuned().fitted.named_parameters():
        assert torch.equal(value, dict(tuned.fitted.named_parameters())[name])


def test_one_seed_gives_one_result() -> None:
    def numbers(seed: int) -> Tensor:
        made = small(seed=seed, pre_rate=1e-3)
        return torch.cat([value.detach().flatten() for value in made.network.parameters()])

    with torch.random.fork_rng():
        torch.manual_seed(99)
        first = numbers(0)
        torch.randn(7)
        again = numbers(0)
    assert torch.equal(first, again)


def test_seeds_differ_where_there_is_noise() -> None:
    def numbers(seed: int) -> Tensor:
        made = small(layer="2", seed=seed, pre_rate=1e-3)  # the dropout before the cut stays in the network
        return torch.cat([value.detach().flatten() for value in made.network.parameters()])

    assert not torch.equal(numbers(0), numbers(1))


# What all compressors recover by


def student() -> nn.Sequential:
    torch.manual_seed(3)
    return nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 12), nn.BatchNorm1d(12), nn.ReLU(), nn.Linear(12, 3))


DISTILLED, LABELLED = ByDistillation(beta=0.3, pre_rate=1e-2, head_rate=1e-3, new="4."), ByLabels(learning_rate=0.1)


def tuned(tuning: Tuning, **options: Any) -> tuple[nn.Sequential, History]:
    made, history = recovered(student(), net(), data(), tuning, **{"epochs": 2, "validation": data()[:5], **options})
    assert history is not None
    return made, history


def same(one: nn.Module, other: nn.Module) -> bool:
    first, second = one.state_dict(), other.state_dict()
    return all(torch.equal(first[name], second[name]) for name in first)


def test_learning_labels_is_the_loop_of_the_thesis() -> None:
    """Momentum 0.9, weight decay 1e-4, cross-entropy of the labels alone; no accuracy halves the rate so soon."""
    plain = student().train()
    optimiser = torch.optim.SGD(plain.parameters(), lr=1e-2, momentum=0.9, weight_decay=1e-4)
    for _ in range(2):
        for x, y in data():
            optimiser.zero_grad()
            nn.functional.cross_entropy(plain(x), y).backward()
            optimiser.step()
    assert same(tuned(ByLabels())[0], plain)


def test_distilling_is_adam_with_two_rates_that_fall_as_half_a_cosine() -> None:
    """Without batch norm, before which a bias has a gradient of rounding alone, which Adam turns into whole steps."""
    torch.manual_seed(3)
    plain, teacher, done = nn.Sequential(nn.Linear(2, 12), nn.ReLU(), nn.Linear(12, 3)), net(), 0
    made, _ = recovered(plain, teacher, data(), replace(DISTILLED, new="2."), epochs=2)
    optimiser = torch.optim.Adam([{"params": plain[0].parameters()}, {"params": plain[2].parameters()}])
    for _ in range(2):
        for x, y in data():
            for group, rate in zip(optimiser.param_groups, (1e-2, 1e-3), strict=True):
                group["lr"] = rate * (1 + math.cos(math.pi * (done + 0.5) / (2 * len(data())))) / 2
            optimiser.zero_grad()
            with torch.no_grad():
                probabilities = 0.3 * teacher(x).softmax(1) + 0.7 * nn.functional.one_hot(y, 3)
            (-(probabilities * plain(x).log_softmax(1)).sum(1).mean()).backward()
            optimiser.step()
            done += 1
    for value, expected in zip(made.parameters(), plain.parameters(), strict=True):
        assert torch.allclose(value, expected, atol=1e-5)


@pytest.mark.parametrize("tuning", [DISTILLED, LABELLED])
def test_the_student_stays_and_its_trained_copy_is_that_of_the_last_epoch(tuning: Tuning) -> None:
    before = student()
    made, history = recovered(before, net(), data(), tuning, epochs=3, validation=data()[:5])
    assert same(before, student())
    assert history is not None
    assert [row.epoch for row in history.rows] == [1, 2, 3]
    assert history.rows[-1].validation_accuracy == accuracy(made, data()[:5])
    assert history.rows[-1].loss < history.rows[0].loss
    assert recovered(before, net(), data(), tuning, epochs=0) == (before, None)


def test_the_rate_of_learning_labels_follows_the_validation_accuracy() -> None:
    schedule = Plateau(patience=1)
    _, history = tuned(replace(LABELLED, schedule=schedule), epochs=8)
    found = [row.validation_accuracy or 0.0 for row in history.rows]
    assert [row.learning_rate for row in history.rows] == [
        0.1 * schedule.factor_after(found[:epoch]) for epoch in range(8)
    ]
    assert history.rows[-1].learning_rate < 0.1
    with pytest.raises(InputError, match="follows the validation accuracy: give validation batches") as caught:
        recovered(student(), net(), data(), LABELLED, epochs=1)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("tuning", [DISTILLED, replace(LABELLED, schedule=Plateau(patience=1))])
def test_a_recovery_that_was_stopped_goes_on_to_the_same_bits(
    tuning: Tuning, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, expected = tuned(tuning, epochs=6)
    save = Checkpoint.save

    def stop(self: Checkpoint, *rest: Any) -> None:
        save(self, *rest)
        if len(rest[2].rows) == 4:
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Checkpoint, "save", stop)
        with pytest.raises(KeyboardInterrupt):
            tuned(tuning, epochs=6, checkpoint=Checkpoint(tmp_path), name="second")
    assert [path.name for path in tmp_path.glob("second/*")] == ["epoch-4"]
    made, history = tuned(tuning, epochs=6, checkpoint=Checkpoint(tmp_path), name="second")
    assert same(made, whole)
    assert [replace(row, seconds=0) for row in history.rows] == [replace(row, seconds=0) for row in expected.rows]
