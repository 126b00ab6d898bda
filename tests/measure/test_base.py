from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

import pytest
import torch
from torch import Tensor, nn

from corank.errors import InputError
from corank.measure import Batches, Measure, Measurement, OnDevice, first_batch, first_that_fits, taking
from corank.result import Scalar

CPU = torch.device("cpu")
GOOD = (torch.zeros(3, 2), torch.tensor([0, 1, 0]))


@dataclass(frozen=True, kw_only=True)
class Sum(Measurement):
    total: float

    def row(self) -> dict[str, Scalar]:
        return {"total": self.total}


@final
@dataclass(frozen=True, kw_only=True)
class Careless(Measure):
    """Adds up a parameter, and on the way does to the network what it is told."""

    spoil: bool = False
    fail: bool = False

    def _measure(self, network: nn.Module, batches: Batches) -> Sum:
        if self.spoil:
            network.weight.data.add_(1)
        if self.fail:
            raise InputError("rank must be at least 1, got 0")
        return Sum(total=float(sum(x.sum() for x, _ in batches)))


def test_a_careful_measure_gets_the_batches() -> None:
    found = Careless().measure(nn.Linear(2, 2), [(torch.ones(3, 2), torch.zeros(3)), GOOD])
    assert found.row() == {"total": 6.0}


@pytest.mark.parametrize("fail", [False, True])
def test_no_measure_changes_the_network_unnoticed(fail: bool) -> None:
    with pytest.raises(AssertionError, match="changed the caller's network: values of weight"):
        Careless(spoil=True, fail=fail).measure(nn.Linear(2, 2), [GOOD])


def test_a_users_mistake_comes_through() -> None:
    with pytest.raises(InputError, match="got 0"):
        Careless(fail=True).measure(nn.Linear(2, 2), [GOOD])


@pytest.mark.parametrize(
    ("batch", "named"),
    [
        (torch.zeros(3, 2), "pair of tensors, inputs and labels, got Tensor"),
        ((torch.zeros(3, 2),), "got Tensor"),
        ((*GOOD, torch.zeros(3)), "got Tensor, Tensor, Tensor"),
        ((torch.zeros(3, 2), [0, 1, 0]), "got Tensor, list"),
        ({"x": GOOD[0], "y": GOOD[1]}, "its labels under 'labels', got x, y"),
        ((torch.zeros(3, 2), torch.zeros(2)), r"shapes \(3, 2\) and \(2,\)"),
        ((torch.zeros(2), torch.tensor(1)), r"shapes \(2,\) and \(\)"),
        ((torch.tensor(1.0), torch.tensor(1)), r"shapes \(\) and \(\)"),
        ((torch.tensor([[0.0, 1.0], [0.0, float("nan")], [1.0, 1.0]]), GOOD[1]), "sample 1 of batch 2 is not finite"),
        ((torch.tensor([[float("inf")]]), torch.tensor([0])), "sample 0 of batch 2 is not finite"),
    ],
)
def test_a_batch_of_another_form_is_refused_by_its_number(batch: Any, named: str) -> None:
    with pytest.raises(InputError, match=named) as caught:
        list(OnDevice([GOOD, GOOD, batch], CPU))
    assert "batch 2" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "x", [torch.zeros(0, 2), torch.arange(3), torch.ones(2, 2, dtype=torch.bfloat16), torch.ones(4, 1, 1, 1)]
)
def test_inputs_of_any_kind_and_size_pass(x: Tensor) -> None:
    ((same, _),) = OnDevice([(x, torch.zeros(len(x), 2))], CPU)
    assert same is x


def test_data_can_be_gone_through_again() -> None:
    there = OnDevice([GOOD], CPU)
    assert len(list(there)) == len(list(there)) == 1


@pytest.mark.parametrize("once", [iter([GOOD]), (batch for batch in [GOOD])])
def test_what_could_be_gone_through_only_once_is_refused(once: Any) -> None:
    with pytest.raises(InputError, match=r"re-iterable, got a (list_iter|gener)ator"):
        OnDevice(once, CPU)


def test_the_first_batch_is_the_first() -> None:
    empty = (torch.zeros(0, 2), torch.zeros(0))
    x, y = first_batch([empty, GOOD, (torch.ones(1, 2), torch.zeros(1))])
    assert x is GOOD[0]
    assert y is GOOD[1]
    for nothing in ([], [empty], [empty, empty]):
        with pytest.raises(InputError, match="no batch with a sample"):
            first_batch(nothing)


def test_a_network_is_asked_whether_it_takes_the_data() -> None:
    network = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    assert first_that_fits(network, [GOOD]) is GOOD[0]
    assert network.training
    assert network[1].num_batches_tracked == 0
    with pytest.raises(InputError, match=r"does not take samples of shape \(3,\) of torch.float32, .* cannot be multi"):
        first_that_fits(network, [(torch.zeros(1, 3), torch.zeros(1))])
    with pytest.raises(InputError, match=r"one line$"):
        first_that_fits(Strange(), [GOOD])


class Strange(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        raise OSError("one line\nand another")


def test_a_failure_is_the_batchs_only_where_the_batch_differs() -> None:
    net = nn.Linear(2, 2)
    wider, finer = torch.zeros(4, 3), torch.zeros(4, 2, dtype=torch.float64)
    named = r"batch 7 have shape \(3,\) of torch.float32 where .* have \(2,\)"
    with pytest.raises(InputError, match=named), taking(7, wider, GOOD[0]):
        net(wider)
    with pytest.raises(InputError, match=r"batch 7 .*float64 where"), taking(7, finer, GOOD[0]):
        net(finer)
    with pytest.raises(RuntimeError, match="other reason"), taking(7, torch.zeros(5, 2), GOOD[0]):
        raise RuntimeError("other reason")
    with taking(7, torch.zeros(4, 3), GOOD[0]):
        pass  # a network that takes both is welcome to
