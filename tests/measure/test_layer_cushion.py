from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from corank.errors import InputError
from corank.measure import CushionLayer, LayerCushion, LayerCushions
from corank.measure.observing import Passed
from corank.network import weighted_layers

from .by_hand import normal


def measured(network: nn.Module, x: Tensor, batch: int = 7) -> LayerCushions:
    labels = torch.zeros(len(x)).long()
    return LayerCushion().measure(network, list(zip(x.split(batch), labels.split(batch), strict=True)))


def concluded(ratios: Tensor, weight: Tensor | None = None) -> CushionLayer:
    """The cushion from given ratios of a linear layer whose matrix has norm 2."""
    network = nn.Sequential(nn.Linear(4, 1))
    network[0].weight.data = torch.ones(1, 4) if weight is None else weight
    passed = Passed(
        samples=len(ratios), samples_heldout=0, loss="", layout="", precision="32-true", skipped=(),
        through={"0": ratios}, weighted={"0": weighted_layers(network)[0]}, input_shapes={"0": (4,)}, unwatched=(),
    )  # fmt: skip
    return LayerCushion().conclude([], passed).layers[0]


def unrolled(layer: nn.Conv2d, shape: tuple[int, ...]) -> Tensor:
    """The matrix of the linear map that a convolution applies, a column an input."""
    basis = torch.eye(int(np.prod(shape)), dtype=layer.weight.dtype).reshape(-1, *shape)
    with torch.no_grad():
        return functional.conv2d(
            basis, layer.weight, None, layer.stride, layer.padding, layer.dilation, layer.groups
        ).flatten(1).T  # fmt: skip


@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv2d(3, 4, 3, padding=1),
        nn.Conv2d(3, 6, 3, stride=2, groups=3),
        nn.Conv2d(3, 2, (3, 2), padding=(2, 0), dilation=2, bias=False),
    ],
)
def test_a_convolution_is_the_matrix_that_it_applies(layer: nn.Conv2d) -> None:
    torch.manual_seed(1)
    layer = layer.double()
    layer.reset_parameters()
    x = normal(30, 3, 6, 5) + 0.3
    head = nn.Linear(layer(x).flatten(1).shape[1], 2).double()
    first, second = measured(nn.Sequential(layer, nn.ReLU(), nn.Flatten(), head), x).layers
    matrix = unrolled(layer, (3, 6, 5))
    before = x.flatten(1)
    gains = (before @ matrix.T).norm(dim=1) / before.norm(dim=1)
    exact = gains / torch.linalg.matrix_norm(matrix)
    assert first.quantiles == pytest.approx(np.quantile(exact, [0, 0.05, 0.25, 0.5, 0.75, 0.95, 1]).tolist())
    assert first.cushion == pytest.approx(float(exact.min()))
    assert first.median == first.quantiles[3]
    assert first.cushion_kernel == pytest.approx(float(gains.min() / layer.weight.detach().norm()))
    assert (first.layer, first.kind, first.samples) == ("0", "convolution", 30)
    hidden = torch.relu(layer(x)).flatten(1)
    of_head = (hidden @ head.weight.T).norm(dim=1) / hidden.norm(dim=1) / head.weight.norm()
    of_head = of_head.detach()
    assert (second.layer, second.kind) == ("3", "linear")
    assert second.cushion == second.cushion_kernel == pytest.approx(float(of_head.min()))


def test_inputs_along_a_singular_vector_give_its_share_of_the_norm() -> None:
    weight = normal(5, 8)
    _, values, right = torch.linalg.svd(weight, full_matrices=False)
    network = nn.Sequential(nn.Linear(8, 5), nn.ReLU(), nn.Linear(5, 2)).double()
    network[0].weight.data = weight
    found = measured(network, right * torch.tensor([[1.0], [-2], [30], [0.4], [5]])).layers[0]
    exact = values / weight.norm()
    assert (found.quantiles[-1], found.cushion) == pytest.approx((float(exact[0]), float(exact[-1])))
    assert found.median == pytest.approx(float(exact[2]))


def test_the_histogram_counts_every_sample_between_the_extremes() -> None:
    ratios = normal(500).abs() + 0.1
    found = concluded(ratios)
    counts, edges = np.histogram((ratios / 2).numpy(), bins=len(found.counts))
    assert found.counts == tuple(counts.tolist())
    assert found.edges == pytest.approx(edges.tolist())
    assert (found.edges[0], found.edges[-1]) == pytest.approx((found.cushion, found.quantiles[-1]))
    assert sum(found.counts) == found.samples == 500


@pytest.mark.parametrize("value", [0.0, 1.0, 1.0 + 1e-13])
def test_equal_ratios_have_a_histogram_too(value: float) -> None:
    found = concluded(torch.tensor([value, 1.0 if value else 0.0], dtype=torch.float64))
    assert sum(found.counts) == 2
    assert found.edges[0] == 0.0
    assert found.edges[-1] == pytest.approx(1.0)
    assert found.cushion == pytest.approx(value / 2)


def test_samples_whose_input_is_zero_are_left_out_and_counted() -> None:
    network = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 2))
    network[0].bias.data = torch.tensor([-1.0, -1.0, -1.0])
    network[0].weight.data = torch.eye(3, 2)
    x = torch.tensor([[3.0, 0.0], [0.0, 0.5], [0.0, 0.0], [-1.0, 2.0]])
    first, second = measured(network, x, batch=4).layers
    assert (first.samples, first.samples_left_out) == (3, 1)
    assert (second.samples, second.samples_left_out) == (2, 2)
    assert second.quantiles[0] > 0


def test_a_layer_without_a_ratio_is_listed_and_one_without_any_is_refused() -> None:
    network = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 2))
    network[2].weight.data.zero_()
    network[0].bias.data.fill_(1.0)
    found = measured(network, torch.ones(4, 2))
    assert [layer.layer for layer in found.layers] == ["0"]
    assert [(skip.layer, skip.reason) for skip in found.skipped] == [("2", "the weights of layer '2' are all zero")]
    with pytest.raises(InputError, match="zero for all 4 samples"):
        concluded(torch.full((4,), torch.nan))


def test_a_shared_layer_has_a_cushion_for_every_call() -> None:
    class Shared(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = nn.Linear(3, 3)

        def forward(self, x: Tensor) -> Tensor:
            return self.body(torch.tanh(self.body(x)))

    torch.manual_seed(0)
    network, x = Shared().double(), normal(20, 3)
    found = {layer.layer: layer for layer in measured(network, x).layers}
    weight = network.body.weight.detach()
    inputs = {"body@0": x, "body@1": torch.tanh(network.body(x)).detach()}
    assert set(found) == set(inputs)
    for name, phi in inputs.items():
        exact = (phi @ weight.T).norm(dim=1) / phi.norm(dim=1) / weight.norm()
        assert found[name].cushion == pytest.approx(float(exact.min()))
