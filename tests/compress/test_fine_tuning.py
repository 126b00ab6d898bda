"""Both trainings of an ASNet: by distillation, and sparse."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from corank.compress import ASNetwork, Sparsified
from corank.compress.asnet import HEAD
from corank.network import GraphNetwork, cost, evaluation_mode, load_graph, save_graph
from corank.train import Distillation

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
