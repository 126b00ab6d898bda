from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from corank.errors import InputError
from corank.measure import WeightSpectra, WeightSpectrum

from .by_hand import normal


class Inner(nn.Module):
    """A grouped and a transposed convolution, an embedding, tied weights, and more rows than columns or less."""

    def __init__(self) -> None:
        super().__init__()
        self.grouped = nn.Conv2d(4, 6, 3, groups=2, padding=1)
        self.upward = nn.ConvTranspose2d(6, 3, 2)
        self.table = nn.Embedding(11, 5)
        self.wide = nn.Linear(75, 5)
        self.tied = nn.Linear(5, 11, bias=False)
        self.tied.weight = self.table.weight

    def forward(self, x: Tensor) -> Tensor:
        x = self.wide(self.upward(self.grouped(x)).flatten(1))
        return self.tied(x + self.table.weight.mean(0))


def inner() -> Inner:
    torch.manual_seed(0)
    return Inner()


def measured(network: nn.Module, *shape: int) -> WeightSpectra:
    return WeightSpectrum().measure(network, [(normal(3, *shape, dtype=torch.float32), torch.zeros(3).long())])


def linear(weight: Tensor) -> nn.Sequential:
    network = nn.Sequential(nn.Linear(weight.shape[1], weight.shape[0], dtype=weight.dtype))
    network[0].weight.data = weight
    return network


def test_every_matrix_has_the_singular_values_that_numpy_finds() -> None:
    network = inner()
    found = {layer.layer: layer for layer in measured(network, 4, 4, 4).layers}
    upward = network.upward.weight.transpose(0, 1)  # (out, in, height, width)
    matrices = {
        "grouped": network.grouped.weight, "upward": upward, "wide": network.wide.weight, "table": network.tied.weight,
    }  # fmt: skip
    assert set(found) == set(matrices)  # tied weights once
    for name, weight in matrices.items():
        exact = weight.detach().double().flatten(1).numpy()
        values = np.linalg.svd(exact, compute_uv=False)
        layer, frobenius = found[name], math.sqrt((exact**2).sum())
        assert (layer.rows, layer.columns) == exact.shape
        assert layer.singular_values == pytest.approx(values.tolist(), rel=1e-10)
        assert layer.effective_rank == pytest.approx(values.sum() / frobenius, rel=1e-10)
        assert layer.effective_sparsity == pytest.approx(np.abs(exact).sum() / frobenius, rel=1e-10)
        assert layer.stable_rank == pytest.approx((frobenius / values[0]) ** 2, rel=1e-10)
        assert layer.spectral_norm == pytest.approx(values[0], rel=1e-10)


def test_kinds_numbers_and_parameters_are_told() -> None:
    network = inner()
    found = measured(network, 4, 4, 4)
    assert [(layer.layer, layer.kind, layer.index, layer.parameters) for layer in found.layers] == [
        ("grouped", "convolution", 1, 6 * 2 * 9 + 6),
        ("upward", "transposed convolution", 2, 6 * 3 * 4 + 3),
        ("table", "embedding", None, 55),
        ("wide", "linear", None, 75 * 5 + 5),
    ]
    assert found.parameters == sum(parameter.numel() for parameter in network.parameters())
    assert found.row() == {"matrices": 4, "parameters": found.parameters}


def test_an_orthogonal_matrix_has_full_rank_and_a_product_of_vectors_rank_one() -> None:
    orthogonal = torch.linalg.qr(normal(9, 9))[0]
    layer = WeightSpectrum().measure(linear(orthogonal), [(normal(1, 9), torch.zeros(1).long())]).layers[0]
    assert (layer.effective_rank, layer.stable_rank, layer.spectral_norm) == pytest.approx((3, 9, 1))
    outer = torch.outer(torch.ones(4), torch.ones(9))
    layer = measured(linear(outer), 9).layers[0]
    assert (layer.effective_rank, layer.stable_rank, layer.spectral_norm) == pytest.approx((1, 1, 6))
    assert layer.effective_sparsity == pytest.approx(6)


@pytest.mark.parametrize(("spoil", "reason"), [(0.0, "zeros"), (math.nan, "finite"), (math.inf, "finite")])
def test_a_matrix_that_has_no_spectrum_is_listed_with_the_reason(spoil: float, reason: str) -> None:
    network: Any = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))
    network[0].weight.data *= spoil
    found = WeightSpectrum()._measure(network, [(torch.ones(2, 4), torch.zeros(2).long())])
    assert [layer.layer for layer in found.layers] == ["2"]
    assert [(skip.layer, skip.measure) for skip in found.skipped] == [("0", "weight-spectrum")]
    assert reason in found.skipped[0].reason


def test_a_network_without_weights_is_refused() -> None:
    with pytest.raises(InputError, match="no weight matrix"):
        measured(nn.Sequential(nn.Flatten(), nn.ReLU()), 4)
    with pytest.raises(InputError, match="zeros"):
        measured(linear(torch.zeros(2, 4)), 4)
