from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from corank.errors import InputError
from corank.measure import ActiveLayer, ActiveSubspace
from corank.network import Normalised

from ..network.architectures import build
from .oracle import Data, exact

ANY_LAYERS = ("1", "3", "7")  # after a convolution, a pooling, a linear layer


def net(dtype: torch.dtype = torch.float32) -> nn.Sequential:
    """A convolutional network of three classes whose layers have 144, 36 and 10 features."""
    torch.manual_seed(5)
    made = nn.Sequential(
        nn.Conv2d(2, 4, 3, padding=1), nn.ReLU(), nn.Tanh(), nn.MaxPool2d(2), nn.Flatten(), nn.Dropout(0.3),
        nn.Linear(36, 10), nn.ReLU(inplace=True), nn.Linear(10, 3),
    )  # fmt: skip
    return made.to(dtype)


def data(batches: int = 8, size: int = 20, dtype: torch.dtype = torch.float32) -> Data:
    chance = torch.Generator().manual_seed(1)
    return [
        (torch.randn(size, 2, 6, 6, generator=chance).to(dtype), torch.randint(3, (size,), generator=chance))
        for _ in range(batches)
    ]


def measured(network: nn.Module, batches: Any, layer: Any = "1", **options: Any) -> ActiveLayer:
    return ActiveSubspace(layer=layer, **options).measure(network, batches).layers[0]


@pytest.mark.parametrize("layer", ANY_LAYERS)
@pytest.mark.parametrize(
    ("dtype", "rounding"),
    [(torch.float64, 1e-12), (torch.float32, 1e-5), (torch.bfloat16, 0.05), (torch.float16, 0.01)],
)
def test_it_is_the_eigendecomposition_of_the_gradient_covariance(
    layer: str, dtype: torch.dtype, rounding: float
) -> None:
    network, batches = net(dtype), data(dtype=dtype)
    expected = exact(network, int(layer), batches)
    found = measured(network, batches, layer, rank=6, sketch_size=200)
    values = torch.tensor(found.eigenvalues, dtype=torch.float64)
    assert (found.width, found.samples) == (expected.gradients.shape[1], 128)
    torch.testing.assert_close(values, expected.eigenvalues[: len(values)], rtol=0, atol=rounding * float(values[0]))
    assert found.uncertainty <= rounding * values[0]  # exact, for there are more rows in the sketch than features
    trace = float(expected.covariance.trace())
    assert math.isclose(found.mean_squared_gradient, trace, rel_tol=rounding)
    assert math.isclose(found.captured, float(values.sum()) / trace, rel_tol=rounding)
    # Davis and Kahan: a subspace turns by at most twice the perturbation over the gap below it
    rank = int((values[:-1] - values[1:]).argmax()) + 1
    gap = float(values[rank - 1] - values[rank]) / float(values[0])
    ours, theirs = found.directions[:rank].double().T, expected.eigenvectors[:, :rank]
    assert torch.linalg.matrix_norm(ours @ ours.T - theirs @ theirs.T, 2) <= 2 * rounding / gap


def test_a_narrow_layer_is_measured_exactly() -> None:
    """Its gradients fill all directions, and yet the sketch, with one row more than features, takes nothing away."""
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 4)).double()
    chance = torch.Generator().manual_seed(0)
    batches = [(torch.randn(50, 2, generator=chance).double(), torch.randint(4, (50,), generator=chance))]
    expected = exact(network, 1, batches).eigenvalues
    assert expected[2] > 1e-3 * expected[0]
    found = measured(network, batches, "1", rank=3)
    assert found.eigenvalues == pytest.approx(expected.tolist(), rel=1e-10)
    assert found.uncertainty <= 1e-12 * expected[0]
    assert found.captured == pytest.approx(1.0)


def test_directions_are_orthonormal_and_no_more_than_wanted() -> None:
    for rank in (1, 50):
        directions = measured(net(), data(), rank=rank).directions
        assert len(directions) == rank
        torch.testing.assert_close(directions @ directions.T, torch.eye(rank), atol=1e-5, rtol=0)


def test_no_more_directions_are_given_than_the_gradients_span() -> None:
    found = measured(net(torch.float64), data(dtype=torch.float64), "7", rank=10)
    assert len(found.directions) == len(found.eigenvalues) == 2  # three probabilities always add up to one


def test_directions_carry_the_leading_eigenvalues() -> None:
    """Lemma 2.2: along V_1 the mean squared gradient is the sum of its eigenvalues, along the others of theirs."""
    batches = data(dtype=torch.float64)
    expected = exact(net(torch.float64), 1, batches)
    for rank in (1, 4, 9):
        found = measured(net(torch.float64), batches, rank=rank, sketch_size=200)
        along = (expected.gradients @ found.directions.T).square().sum(1).mean()
        across = expected.gradients.square().sum(1).mean() - along
        assert math.isclose(float(along), sum(found.eigenvalues), rel_tol=1e-10)
        assert math.isclose(float(across), float(expected.eigenvalues[rank:].sum()), rel_tol=1e-10)


def test_a_linear_function_has_one_active_direction() -> None:
    """Example 4.1: f = a^T x - b on the unit square with a = (1, -1), b = 1, in the form of a loss.

    The cross entropy of (f - 1000, 0) with the first label is 1000 - f to the last bit, so the gradient is -a, the
    covariance a a^T, its eigenvalue 2 and the direction a / sqrt(2); the principal component (1, 1) takes no part.
    """
    network = nn.Sequential(nn.ReLU(), nn.Linear(2, 2)).double()
    network[1].weight.data = torch.tensor([[1.0, -1.0], [0.0, 0.0]], dtype=torch.float64)
    network[1].bias.data = torch.tensor([-1.0 - 1000.0, 0.0], dtype=torch.float64)
    square = torch.rand(100, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    found = measured(network, [(square, torch.zeros(100, dtype=torch.long))], "0", rank=2)
    assert found.eigenvalues == pytest.approx((2.0,), rel=1e-15)
    assert (found.mean_squared_gradient, found.captured, found.captured_heldout) == pytest.approx((2.0, 1.0, 1.0))
    assert str(found.active_neurons.energy) == str(found.active_neurons.norm) == "1"
    (direction,) = found.directions
    torch.testing.assert_close(
        direction * direction[0].sign(), torch.tensor([0.5, -0.5], dtype=torch.float64).mul(2**0.5)
    )
    assert abs(float(direction.sum())) < 1e-15


def count(values: Tensor, share: float) -> int:
    return int((values.cumsum(0) < share * (1 - 1e-12) * values.sum()).sum()) + 1


@pytest.mark.parametrize("layer", ANY_LAYERS)
@pytest.mark.parametrize("size", [2, 4, 9, 30])
def test_certified_intervals_hold_the_exact_counts(layer: str, size: int) -> None:
    batches = data(batches=12, dtype=torch.float64)
    expected = exact(net(torch.float64), int(layer), batches).eigenvalues
    for epsilon in (0.01, 0.1, 0.5):
        found = measured(net(torch.float64), batches, layer, rank=1, sketch_size=size, epsilon=epsilon)
        energy, norm = found.active_neurons.energy, found.active_neurons.norm
        by_energy, by_norm = count(expected, 1 - epsilon), count(expected[:size], (1 - epsilon) ** 2)
        assert energy.low is not None
        assert energy.low <= by_energy <= (math.inf if energy.high is None else energy.high)
        assert norm.low is not None
        assert norm.high is not None
        assert norm.low <= by_norm <= norm.high
        rounding = 1e-12 * float(expected[0])
        assert found.eigenvalues[0] - rounding <= expected[0] <= found.eigenvalues[0] + found.uncertainty + rounding


def test_intervals_close_as_the_sketch_grows() -> None:
    batches = data(batches=12)
    found = [measured(net(), batches, rank=1, sketch_size=size) for size in (2, 8, 40, 200)]
    uncertain = [layer.uncertainty / layer.mean_squared_gradient for layer in found]
    assert uncertain == sorted(uncertain, reverse=True)
    assert uncertain[0] > 0.01 > 1e-5 > uncertain[-1]
    ends = [(layer.active_neurons.energy.low, layer.active_neurons.energy.high) for layer in found]
    assert ends[0][1] is None
    assert ends[-1][0] == ends[-1][1]


class Counted(nn.Module):
    """Counts how often the network runs on batches larger than the pair that shows whether samples mix."""

    def __init__(self, network: nn.Sequential) -> None:
        super().__init__()
        self.network = network
        self.runs: list[int] = []
        network[0].register_forward_hook(lambda module, inputs, output: self._count(inputs[0]))

    def _count(self, x: Tensor) -> None:
        if type(x) is Tensor and len(x) > 2:
            self.runs.append(len(x))

    def forward(self, x: Tensor) -> Tensor:
        return self.network(x)


def test_all_layers_come_from_one_pass() -> None:
    counted = Counted(net())
    names = tuple(f"network.{layer}" for layer in ANY_LAYERS)
    ActiveSubspace(layer=names, rank=3).measure(counted, data())
    assert counted.runs.count(16) == len(data())  # the samples of the sketch
    assert counted.runs[-2:] == [20, 12]  # those held out, in batches as large as the given ones


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_layers_together_are_each_layer_alone(dtype: torch.dtype) -> None:
    network, batches = net(dtype), data(dtype=dtype)
    together = ActiveSubspace(layer=("7", 1, "3"), rank=4).measure(network, batches)
    assert [layer.layer for layer in together.layers] == ["7", "1", "3"]
    for layer in together.layers:
        alone = measured(network, batches, layer.layer, rank=4)
        assert alone.to_dict() == layer.to_dict()
        assert torch.equal(alone.directions, layer.directions)


def test_every_hidden_layer_with_weights_is_measured_by_default() -> None:
    found = ActiveSubspace(rank=3).measure(net(), data())
    assert [(layer.layer, layer.index) for layer in found.layers] == [("1", 1), ("7", None)]


@pytest.mark.parametrize("layer", ANY_LAYERS)
def test_the_heldout_share_is_what_it_says(layer: str) -> None:
    batches = data(dtype=torch.float64)
    found = measured(net(torch.float64), batches, layer, rank=7)
    expected = exact(net(torch.float64), int(layer), batches)
    along = (expected.heldout @ found.directions.T).square().sum(0).cumsum(0) / expected.heldout.square().sum()
    torch.testing.assert_close(torch.tensor(found.captured_heldout_by_rank, dtype=torch.float64), along)
    assert found.captured_heldout == found.captured_heldout_by_rank[-1]
    assert len(found.captured_heldout_by_rank) == len(found.directions)


def test_heldout_samples_take_no_part() -> None:
    batches = data()
    x, y = batches[0]
    x = x.clone()
    x[4] = 100.0
    other = [(x, y), *batches[1:]]
    one, two = (measured(net(), given, rank=5) for given in (batches, other))
    assert one.eigenvalues == two.eigenvalues
    assert torch.equal(one.directions, two.directions)
    assert one.captured_heldout != two.captured_heldout


@pytest.mark.parametrize("size", [1, 3, 7, 160])
def test_the_size_of_the_batches_makes_no_difference(size: int) -> None:
    x, y = (torch.cat(parts) for parts in zip(*data(dtype=torch.float64), strict=True))
    again = list(zip(x.split(size), y.split(size), strict=True))
    expected = exact(net(torch.float64), 7, data(dtype=torch.float64))
    found = ActiveSubspace(layer="7", rank=2).measure(net(torch.float64), again)
    assert (found.samples, found.samples_heldout) == (len(expected.gradients), len(expected.heldout))
    values = torch.tensor(found.layers[0].eigenvalues, dtype=torch.float64)
    torch.testing.assert_close(values, expected.eigenvalues[:2])
    along = (expected.heldout @ found.layers[0].directions.T).square().sum() / expected.heldout.square().sum()
    assert found.layers[0].captured_heldout == pytest.approx(float(along))


class Drawn:
    """Batches that count how many of them were asked for."""

    def __init__(self, batches: Data) -> None:
        self.batches = batches
        self.drawn = 0

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        for batch in self.batches:
            self.drawn += 1
            yield batch


@pytest.mark.parametrize("samples", [1, 16, 37, 128, 1000])
def test_samples_limit_the_sketch_and_what_is_read(samples: int) -> None:
    drawn = Drawn(data(dtype=torch.float64))
    found = measured(net(torch.float64), drawn, rank=3, sketch_size=200, samples=samples)
    expected = exact(net(torch.float64), 1, drawn.batches, samples)
    assert found.samples == min(samples, 128) == len(expected.gradients)
    assert found.eigenvalues == pytest.approx(expected.eigenvalues[: len(found.eigenvalues)].tolist())
    assert (
        drawn.drawn == min(math.ceil(samples / 16), 8) + 2
    )  # a batch gives 16 to the sketch; two are looked at before


def test_without_heldout_samples_their_share_is_unknown() -> None:
    x, y = data()[0]
    found = ActiveSubspace(layer="1", rank=2).measure(net(), [(x[:4], y[:4])])
    assert (found.samples, found.samples_heldout) == (4, 0)
    assert math.isnan(found.layers[0].captured_heldout)
    assert found.to_dict()["layers"][0]["captured_heldout"] is None


@pytest.mark.parametrize("name", ["resnet", "text_transformer", "normalised", "in_place"])
def test_networks_of_any_kind_can_be_measured(name: str) -> None:
    architecture = build(name)
    batches = [(architecture.batch(size), torch.randint(2, (size,))) for size in (7, 8, 9)]
    found = ActiveSubspace(layer="*", rank=2).measure(architecture.network, batches)
    assert len(found.layers) >= 2
    assert all(0 < layer.captured_heldout <= 1 + 1e-6 for layer in found.layers)


def test_a_sketch_in_which_nothing_stands_out_is_refused() -> None:
    """Gradients that share their energy equally among more directions than the sketch has rows leave it empty."""
    with pytest.raises(InputError, match="layer '7' stands out of a sketch of 1 rows: give a larger sketch_size"):
        measured(net(), data(), "7", rank=1, sketch_size=1)


def test_a_normalising_wrapper_changes_names_and_values_of_nothing() -> None:
    inner, batches = net(), data()
    shifted = [(3.0 * x + 1.0, y) for x, y in batches]
    wrapped = Normalised(inner, mean=[1.0, 1.0], std=[3.0, 3.0])
    bare, through = measured(inner, batches, "3", rank=3), measured(wrapped, shifted, "3", rank=3)
    assert bare.layer == through.layer
    assert bare.eigenvalues == pytest.approx(through.eigenvalues, rel=1e-4)


def test_whole_numbers_of_any_type_are_labels() -> None:
    batches = data()
    reference = measured(net(), batches, rank=3)
    for dtype in (torch.uint8, torch.int32):
        assert measured(net(), [(x, y.to(dtype)) for x, y in batches], rank=3).eigenvalues == reference.eigenvalues


def spoilt(x: Tensor, y: Tensor) -> Data:
    """Good batches, and a last one that is not."""
    return [*data(batches=2), (x, y)]


X, Y = data(batches=1)[0]


@pytest.mark.parametrize(
    ("batches", "named"),
    [
        (spoilt(X, torch.full((20,), 3)), "batch 2: label 3 is outside 0 .. 2"),
        (spoilt(X, torch.where(torch.arange(20) == 7, -1, Y)), "batch 2: label -1 is outside 0 .. 2"),
        (spoilt(X, torch.where(torch.arange(20) == 4, 9, Y)), "batches 0 to 2: label 9 is outside 0 .. 2"),
        (spoilt(X, nn.functional.one_hot(Y, 3)), r"batch 2: labels .* torch.int64 of shape \(16, 3\)"),
        (spoilt(X, nn.functional.one_hot(Y, 3).float()), "batch 2: labels .* torch.float32"),
        (spoilt(X, Y.float()), r"batch 2: labels must be whole numbers .* torch.float32 of shape \(16,\)"),
        (spoilt(X, Y[:9]), r"batch 2 must be inputs .* \(20, 2, 6, 6\) and \(9,\)"),
        (spoilt(X[:, :1], Y), r"batch 2 have shape \(1, 6, 6\)"),
        (spoilt(X[:, :, :3], Y), r"batch 2 have shape \(2, 3, 6\)"),
        (spoilt(X.double(), Y), "batch 2 have .* torch.float64"),
        (spoilt(X / 0.0, Y), "sample 0 of batch 2 is not finite"),
        (spoilt(torch.where(torch.arange(20)[:, None, None, None] == 14, torch.nan, X), Y), "sample 14 of batch 2"),
        ([*spoilt(X, Y)[2:], X], "batch 1 must be a pair"),
        ([], "no batch"),
        ([(X[:0], Y[:0])], "no batch with a sample"),
        (iter(data()), "re-iterable, got a list_iterator"),
        ([(X[:, :1], Y)], r"does not take samples of shape \(1, 6, 6\) of torch.float32, .* expected input"),
        ([(X.double(), Y)], r"does not take samples of shape \(2, 6, 6\) of torch.float64"),
    ],
)
def test_data_that_cannot_be_used_are_named_in_one_line(batches: Any, named: str) -> None:
    with pytest.raises(InputError, match=named) as caught:
        measured(net(), batches, rank=2)
    assert "\n" not in str(caught.value)


def test_gradients_that_vanish_are_named_with_their_layer() -> None:
    network = net()
    nn.init.zeros_(network[8].weight)
    found = ActiveSubspace(layer=("7", "3"), rank=2).measure(dead(), data())
    assert [layer.layer for layer in found.layers] == ["7"]
    (skip,) = found.skipped
    assert skip.layer == "3"
    assert skip.reason == "the gradient at layer '3' is zero for all 128 samples"
    with pytest.raises(InputError, match="the gradient at layer '7' is zero for all 128 samples"):
        measured(network, data(), "7")


def dead() -> nn.Sequential:
    """Layer 3 is followed by units that are never active."""
    network = net()
    nn.init.constant_(network[6].bias, -1e4)
    return network


def test_a_gradient_that_is_not_finite_is_named_with_batch_and_layer() -> None:
    network = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 2))
    large = torch.full((5, 2), 1e38)
    nn.init.constant_(network[0].weight, 3.0)
    batches = [(torch.randn(5, 2), torch.zeros(5, dtype=torch.long)), (large, torch.ones(5, dtype=torch.long))]
    with pytest.raises(InputError, match="batch 1: the gradient at layer '1' is not finite"):
        measured(network, batches, "1", rank=1)


@pytest.mark.parametrize(
    ("layer", "named"),
    [
        ("conv9", "conv9"),
        ("11", "'11'"),
        (4, "layer 4"),
        (0, "layer 0"),
        ("8.*", r"8\.\*"),
        ((), "no layer"),
        ("", "''"),
    ],
)
def test_a_layer_that_is_not_there_is_named(layer: Any, named: str) -> None:
    with pytest.raises(InputError, match=named):
        measured(net(), data(), layer)


def test_outputs_that_are_not_logits_are_refused() -> None:
    with pytest.raises(InputError, match=r"logits \(B, classes\), got shape \(2, 4, 6, 6\)|\(16, 4, 6, 6\)"):
        measured(net()[:3], data(), "0")


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"rank": 0}, "rank must be at least 1, got 0"),
        ({"samples": 0}, "samples must be at least 1, got 0"),
        ({"rank": 5, "sketch_size": 4}, "sketch_size must be at least the rank 5, got 4"),
        ({"epsilon": 0.0}, "epsilon must lie between 0 and 1, got 0.0"),
        ({"epsilon": 1.0}, "got 1.0"),
        ({"epsilon": math.nan}, "got nan"),
    ],
)
def test_an_option_out_of_range_is_refused_at_once(options: dict[str, Any], named: str) -> None:
    with pytest.raises(InputError, match=named):
        ActiveSubspace(**options)


class OneDirectionEach(nn.Module):
    """The loss gradient at `hidden` is a multiple of the input: one-hot inputs give mutually orthogonal gradients."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden = nn.Linear(60, 60, bias=False)
        nn.init.zeros_(self.hidden.weight)
        self.last = nn.Linear(2, 2, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        alike = (self.hidden(x) * x).sum(1)
        return torch.stack([alike, -alike], 1) + 0 * self.last(x[:, :2])


def test_the_count_by_norm_is_among_all_rows_of_a_sketch_that_lost_directions() -> None:
    inputs = torch.eye(60)
    inputs[0] *= 3
    batches = [(inputs[i : i + 1], torch.tensor([0])) for i in range(25)]  # the sketch of 20 rows is full once
    found = ActiveSubspace(layer="hidden", rank=5, sketch_size=10).measure(OneDirectionEach(), batches).layers[0]
    exact_values = torch.tensor([81.0] + [1.0] * 9).cumsum(0)  # |g|^2 is proportional to |x|^4
    count = int((exact_values < 0.95**2 * exact_values[-1]).sum()) + 1
    norm = found.active_neurons.norm
    assert len(found.eigenvalues) < 5
    assert norm.low is not None
    assert norm.high is not None
    assert norm.low <= count <= norm.high
