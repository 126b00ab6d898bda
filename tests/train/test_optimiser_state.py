from __future__ import annotations

import json

import pytest
import torch
from torch import Tensor, nn, optim

from corank.errors import InputError
from corank.train.optimiser_state import load_optimiser, optimiser_state

# Sparse gradients are what SparseAdam needs; every other optimiser of torch is here by being found.
FOUND = [
    item
    for item in vars(optim).values()
    if isinstance(item, type) and issubclass(item, optim.Optimizer) and item not in (optim.Optimizer, optim.SparseAdam)
]


def stepped(kind: type[optim.Optimizer], steps: int) -> tuple[nn.Module, optim.Optimizer]:
    torch.manual_seed(0)
    network = nn.Linear(4, 3, bias=False)  # Muon takes matrices only
    optimiser = kind(network.parameters(), lr=0.01)
    step_on(network, optimiser, steps)
    return network, optimiser


def step_on(network: nn.Module, optimiser: optim.Optimizer, steps: int) -> None:
    for step in range(steps):

        def loss(scale: float = step + 1.0) -> Tensor:
            optimiser.zero_grad()
            value = (network(torch.full((1, 4), scale)) ** 2).sum()
            value.backward()
            return value

        loss()
        optimiser.step(loss)


def test_there_are_optimisers_to_test() -> None:
    assert {optim.SGD, optim.Adam, optim.LBFGS} < set(FOUND)


@pytest.mark.parametrize("kind", FOUND, ids=lambda kind: kind.__name__)
def test_every_optimiser_goes_on_as_if_never_stored(kind: type[optim.Optimizer]) -> None:
    network, optimiser = stepped(kind, 3)
    encoded, tensors = optimiser_state(optimiser)
    stored = json.loads(json.dumps(encoded)), {name: tensor.clone() for name, tensor in tensors.items()}

    other, fresh = stepped(kind, 0)
    other.load_state_dict(network.state_dict())
    assert load_optimiser(fresh, *stored) == ""
    for each in ((network, optimiser), (other, fresh)):
        step_on(*each, 2)
    assert torch.equal(other.weight, network.weight)
    assert repr(fresh.state_dict()) == repr(optimiser.state_dict())


def test_groups_that_differ_are_said() -> None:
    _, optimiser = stepped(optim.SGD, 1)
    encoded, tensors = optimiser_state(optimiser)
    wider = optim.SGD(nn.Linear(2, 2).parameters(), lr=0.1)
    assert load_optimiser(wider, encoded, tensors) == "the parameter groups had [1] tensors there and have [2] here"


def test_a_state_without_a_plain_form_is_refused() -> None:
    network, optimiser = stepped(optim.SGD, 1)
    optimiser.state[network.weight]["odd"] = object()
    with pytest.raises(InputError, match="state/0/odd: object is no plain value"):
        optimiser_state(optimiser)
