"""Zeros cost what a network without them would cost; ranks and counts of what is left."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from corank.compress.sparsity import nonzero_cost, sparsified, weights_left
from corank.network import GraphNetwork, capture, cost
from corank.train import EpochRow, History

from ..network.architectures import build


def graph(network: nn.Module, *shape: int) -> GraphNetwork:
    return capture(network.eval(), torch.zeros(2, *shape))


def convolutions(outputs: int, groups: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(4, outputs, 3, padding=1, stride=2, groups=groups), nn.ReLU(), nn.Flatten(), nn.Linear(9 * outputs, 3)
    )


def test_filters_of_zeros_cost_what_a_network_without_them_costs() -> None:
    wide, narrow = convolutions(6), convolutions(4)
    wide[0].weight.data[4:] = 0
    wide[0].bias.data[4:] = 0
    wide[3].weight.data[:, 9 * 4 :] = 0
    assert nonzero_cost(graph(wide, 4, 6, 6), (4, 6, 6)) == cost(graph(narrow, 4, 6, 6), (4, 6, 6))


def test_a_single_zero_saves_one_number_and_a_multiplication_at_each_position() -> None:
    network = convolutions(6, groups=2)
    dense = cost(network, (4, 6, 6))
    for place, positions in ((network[0].weight.data[1, 0, 1], 9), (network[3].weight.data[0], 1)):
        place[2] = 0
        found = nonzero_cost(graph(network, 4, 6, 6), (4, 6, 6))
        assert dense.parameters - found.parameters == 1
        assert dense.storage_bytes - found.storage_bytes == 4
        assert dense.multiply_adds - found.multiply_adds == positions
        place[2] = 1


def test_a_linear_map_of_tokens_counts_every_token() -> None:
    network = nn.Sequential(nn.Linear(5, 4), nn.Flatten(), nn.Linear(28, 2)).double()
    network[0].weight.data[1, 2] = 0
    whole = graph(network.float(), 7, 5)
    assert cost(network, (7, 5)).multiply_adds - nonzero_cost(whole, (7, 5)).multiply_adds == 7


@pytest.mark.parametrize("name", ["resnet", "vgg", "text_transformer", "vision_transformer", "functional"])
def test_without_zeros_any_network_costs_what_it_costs_and_with_zeros_alone_no_products_of_weights(name: str) -> None:
    architecture = build(name)
    x = architecture.batch(2)
    network = capture(architecture.network.eval(), x)
    for value in network.parameters():
        value.data[value == 0] = 1e-3  # biases start at zero
    assert nonzero_cost(network, tuple(x.shape[1:]), x.dtype) == cost(network, x.shape[1:], x.dtype)
    for value in network.parameters():
        value.data[:] = 0
    none = nonzero_cost(network, tuple(x.shape[1:]), x.dtype)
    assert none.parameters == none.storage_bytes == 0
    assert 0 <= none.multiply_adds < cost(network, x.shape[1:], x.dtype).multiply_adds
    if name in ("resnet", "vgg", "functional"):
        assert none.multiply_adds == 0  # no attention


def test_ranks_rows_and_columns_that_are_left() -> None:
    network = nn.Sequential(nn.Conv2d(2, 5, 2), nn.Flatten(), nn.Linear(20, 6))
    kernel = network[0].weight.data
    kernel[3] = 2 * kernel[1]
    kernel[4] = 0
    kernel[:, 1, 0, 0] = 0
    network[2].weight.data = torch.outer(torch.ones(6), torch.arange(20.0))
    conv, linear = weights_left(network)
    assert (conv.rows, conv.columns, conv.rows_left, conv.columns_left, conv.rank) == (5, 8, 4, 7, 3)
    assert conv.nonzeros == 4 * 7
    assert conv.numbers == 28  # 3 x 13 would be more
    assert (linear.rank, linear.nonzeros, linear.columns_left) == (1, 6 * 19, 19)
    assert linear.numbers == 26


def test_the_accounts_of_a_network() -> None:
    network = nn.Sequential(nn.Linear(20, 6), nn.Linear(6, 5))
    network[0].weight.data = torch.outer(torch.ones(6), torch.arange(20.0))
    network[1].weight.data[:, :3] = 0
    row = EpochRow(epoch=1, loss=0.5, accuracy=None, learning_rate=0.1, seconds=1.0)
    history = History(rows=(row,), converged=True, message="all 1 epochs done")
    pre, head = (nonzero_cost(graph(part, width), (width,)) for part, width in zip(network, (20, 6), strict=True))
    found = sparsified(graph(network, 20), pre, head, "l1 x 0.1", history)
    assert found.zeros == pytest.approx((6 + 15) / 150)
    assert found.overall == pre + head
    assert found.overall.parameters == 6 * 19 + 6 + 15 + 5
    assert found.factored_bytes == 4 * (26 + 6 + 15 + 5)
    assert found.row()["storage_mb of nonzeros"] == found.overall.storage_mb
    assert found.to_dict()["weights"][0]["rank"] == 1
