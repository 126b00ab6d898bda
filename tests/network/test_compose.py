from __future__ import annotations

import pytest
import torch
from torch import nn

from corank.errors import InputError
from corank.network import Layers, capture, compose, cut

from .architectures import build


def test_a_cut_network_is_put_together_again() -> None:
    architecture = build("normalised")
    halves = cut(architecture.network, 1, architecture.batch(2))
    whole = compose(halves.pre, halves.post, "tail")
    x = architecture.batch(5)
    assert torch.equal(whole(x), architecture.network(x))
    assert set(whole.state_dict()) == {
        *halves.pre.state_dict(),
        *(f"tail.{name}" for name in halves.post.state_dict()),
    }


def test_points_of_the_second_network_have_the_prefix_and_those_of_the_first_have_none() -> None:
    first = capture(nn.Sequential(nn.Linear(3, 4), nn.Tanh()), torch.zeros(2, 3))
    second = capture(nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 2)), torch.zeros(2, 4))
    layers = Layers(compose(first, second, "head"), (3,))
    assert [point.label for point in layers.hidden] == ["1", "head.1"]


def test_parameters_are_shared_with_both() -> None:
    first, second = (capture(nn.Linear(3, 3), torch.zeros(2, 3)) for _ in range(2))
    whole = compose(first, second, "head")
    assert {id(parameter) for parameter in whole.parameters()} == {
        id(parameter) for part in (first, second) for parameter in part.parameters()
    }


def test_the_batch_size_that_the_second_reads_is_that_of_the_first() -> None:
    architecture = build("batch_sizes")
    halves = cut(architecture.network, "view", architecture.batch(2))
    whole = compose(halves.pre, halves.post, "tail")
    for size in (1, 4):
        x = architecture.batch(size)
        assert torch.equal(whole(x), architecture.network(x))


@pytest.mark.parametrize(
    ("prefix", "message"),
    [("0", "the network already has a part named '0': rename it"), ("", "a part needs a name without dots, got ''"),
     ("a.b", "a part needs a name without dots, got 'a.b'")],
)  # fmt: skip
def test_the_prefix_must_be_a_new_name(prefix: str, message: str) -> None:
    graph = capture(nn.Sequential(nn.Linear(3, 3)), torch.zeros(2, 3))
    with pytest.raises(InputError, match=message):
        compose(graph, graph, prefix)
