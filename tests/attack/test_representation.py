from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from corank.attack.representation import displacements
from corank.attack.victim import CHUNK
from corank.errors import InputError
from corank.network.guard import unchanged


def network_of() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(inplace=True), nn.Flatten(), nn.Linear(64, 10), nn.ReLU(),
        nn.Linear(10, 3),
    )  # fmt: skip


def relative(before: Tensor, after: Tensor) -> Tensor:
    return torch.stack(
        [(a - b).double().norm() ** 2 / b.double().norm() ** 2 for a, b in zip(after, before, strict=True)]
    )


def test_distances_agree_with_a_direct_computation() -> None:
    network, images = network_of(), torch.rand(CHUNK + 7, 1, 6, 6)
    perturbed = images + 0.1 * torch.randn_like(images)
    with unchanged(network):
        found = displacements(network, images, perturbed, layers=["0", "4"])
    network.eval()
    torch.testing.assert_close(found.inputs.distances, relative(images, perturbed), rtol=1e-6, atol=0)
    assert [each.layer for each in found.layers] == ["0", "4"]
    for each, end in zip(found.layers, (1, 5), strict=True):
        with torch.no_grad():
            expected = relative(network[:end](images), network[:end](perturbed))
        torch.testing.assert_close(each.distances, expected, rtol=1e-4, atol=0)  # single precision, squared
        assert each.mean == pytest.approx(float(expected.mean()), rel=1e-4)
        assert each.median == pytest.approx(float(expected.quantile(0.5)), rel=1e-4)
        gains = expected / found.inputs.distances
        assert each.gain == pytest.approx(float(gains.median()), rel=1e-4)
        assert each.samples == len(images)


def test_a_linear_layer_without_bias_moves_as_much_as_inputs_that_are_stretched() -> None:
    network, images = nn.Sequential(nn.Linear(6, 4, bias=False), nn.ReLU(), nn.Linear(4, 2)), torch.randn(20, 6)
    found = displacements(network, images, 1.3 * images, layers="0")
    expected = torch.full((20,), 0.3**2, dtype=torch.float64)
    torch.testing.assert_close(found.layers[0].distances, expected, rtol=1e-5, atol=0)
    assert found.layers[0].gain == pytest.approx(1.0, rel=1e-5)


def test_samples_without_a_representation_are_left_out_and_counted() -> None:
    network, images = nn.Sequential(nn.Linear(3, 4, bias=False), nn.ReLU(), nn.Linear(4, 2)), torch.rand(5, 3)
    images[1] = 0
    found = displacements(network, images, images + 1, layers="0")
    assert found.inputs.samples == found.layers[0].samples == 4
    assert math.isnan(float(found.layers[0].distances[1]))
    assert math.isfinite(found.layers[0].mean)


def test_inputs_that_are_not_moved_have_no_gain() -> None:
    images = torch.rand(5, 1, 6, 6)
    found = displacements(network_of(), images, images, layers="4")
    assert found.inputs.mean == found.layers[0].mean == 0
    assert found.layers[0].gain is None


def test_every_hidden_layer_is_read_behind_its_activation_where_none_is_named() -> None:
    images = torch.rand(5, 1, 6, 6)
    assert [each.layer for each in displacements(network_of(), images, images + 0.1).layers] == ["2", "5"]


@pytest.mark.parametrize(
    ("images", "perturbed", "layers", "said"),
    [
        (torch.rand(0, 6), torch.rand(0, 6), "0", "of one shape, got"),
        (torch.rand(3, 6), torch.rand(2, 6), "0", "of one shape, got"),
        (torch.rand(3, 6), torch.full((3, 6), math.nan), "0", "must be finite"),
        (torch.rand(3, 6), torch.rand(3, 6), "nowhere", "nowhere"),
        (torch.zeros(3, 6), torch.rand(3, 6), "0", "zero for all 3 samples"),
    ],
)
def test_what_cannot_be_compared_is_refused(images: Tensor, perturbed: Tensor, layers: str, said: str) -> None:
    network = nn.Sequential(nn.Linear(6, 4), nn.ReLU(), nn.Linear(4, 2))
    with pytest.raises(InputError, match=said):
        displacements(network, images, perturbed, layers=layers)
