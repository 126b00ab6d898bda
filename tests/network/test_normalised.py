from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from corank.errors import InputError
from corank.network import Normalised, unwrapped

FINITE = st.floats(-10, 10)


@given(channels=st.lists(st.tuples(FINITE, st.floats(0.01, 10)), min_size=1, max_size=4), rank=st.integers(2, 4))
def test_every_channel_is_shifted_and_scaled_by_its_own_numbers(channels: list[tuple[float, float]], rank: int) -> None:
    means, stds = zip(*channels, strict=True)
    x = torch.randn(3, len(channels), *[2] * (rank - 2), dtype=torch.float64)
    found = Normalised(nn.Identity(), means, stds).double()(x)
    for channel, (mean, std) in enumerate(channels):
        expected = (x[:, channel] - torch.tensor(mean).double()) / torch.tensor(std).double()
        assert torch.equal(found[:, channel], expected)


def test_mean_and_deviation_are_saved_with_the_network_and_are_not_trained() -> None:
    network = Normalised(nn.Linear(2, 3), [0.1, 0.2], [1.0, 2.0])
    assert set(network.state_dict()) == {"mean", "std", "network.weight", "network.bias"}
    assert {name for name, _ in network.named_parameters()} == {"network.weight", "network.bias"}
    assert unwrapped(network) is network.network
    assert unwrapped(network.network) is network.network


@pytest.mark.parametrize(
    ("mean", "std"),
    [([0.0], [1.0, 1.0]), ([0.0], [0.0]), ([0.0], [-1.0]), ([0.0, 0.0], [1.0, float("nan")]), ([], [])],
)
def test_wrong_statistics_are_refused(mean: list[float], std: list[float]) -> None:
    with pytest.raises(InputError, match="one mean and one positive std a channel, got"):
        Normalised(nn.Identity(), mean, std)


@pytest.mark.parametrize("shape", [(4, 1, 2, 2), (4, 3, 2, 2), (2,)])
def test_another_number_of_channels_is_refused_and_not_broadcast(shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match="expected a batch of inputs with 2 channels, got shape"):
        Normalised(nn.Identity(), [0.0, 0.0], [1.0, 1.0])(torch.zeros(shape))
