from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from corank.errors import InputError
from corank.network import latencies
from corank.network.latency import MINIMUM_REPEATS, WARM_UP


class Watched(nn.Module):
    """Notes every call with its mode."""

    def __init__(self, name: str, calls: list[str]) -> None:
        super().__init__()
        self.name, self.calls = name, calls
        self.dropout = nn.Dropout()

    def forward(self, x: Tensor) -> Tensor:
        assert not self.training
        assert not self.dropout.training
        assert torch.is_inference_mode_enabled()
        self.calls.append(self.name)
        return x


def test_networks_take_turns_after_warming_up_and_get_their_modes_back() -> None:
    calls: list[str] = []
    networks = {name: Watched(name, calls) for name in "ab"}
    networks["a"].dropout.eval()
    found = latencies(networks, torch.zeros(3, 2), seconds=1e9, repeats=7)
    turns = ["a"] * 6 + ["b"] * 6 + ["a"] * 3 + ["b"] * 3  # the first call of each turn is not timed
    assert calls == ["a"] * WARM_UP + ["b"] * WARM_UP + turns
    assert [network.training for network in networks.values()] == [True, True]
    assert [network.dropout.training for network in networks.values()] == [False, True]
    for latency in found.values():
        assert 0 < latency.low_ms <= latency.median_ms <= latency.high_ms
        assert (latency.batch, latency.repeats, latency.device) == (3, 7, "cpu")
        assert latency.threads == torch.get_num_threads()


def test_few_calls_are_made_where_there_is_no_time() -> None:
    found = latencies({"a": nn.Identity()}, torch.zeros(1, 2), seconds=0.0)
    assert found["a"].repeats == MINIMUM_REPEATS
    assert set(found["a"].row()) >= {"median_ms", "low_ms", "high_ms", "threads", "batch"}


def test_modes_are_restored_after_an_error() -> None:
    network = nn.Sequential(nn.Linear(2, 2), nn.Dropout())
    with pytest.raises(RuntimeError):
        latencies({"a": network}, torch.zeros(1, 3))
    assert all(module.training for module in network.modules())


def test_a_number_of_calls_must_be_positive() -> None:
    with pytest.raises(InputError, match="repeats must be at least 1, got 0"):
        latencies({"a": nn.Identity()}, torch.zeros(1, 2), repeats=0)
