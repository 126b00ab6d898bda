"""Linear classifiers, whose distances and angles are known exactly; the path integral; and what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from corank.errors import InputError
from corank.measure import FeatureCompression, Pairs, feature_compression, nearest_pairs
from tests.contracts.methods import Snapshot, lively

DATA = torch.float64


class Linear(nn.Module):
    """Logits of a linear map with offsets."""

    def __init__(self, classes: int = 3, features: int = 6, seed: int = 0) -> None:
        super().__init__()
        chance = torch.Generator().manual_seed(seed)
        self.weight = nn.Parameter(torch.randn(classes, features, generator=chance, dtype=DATA))
        self.bias = nn.Parameter(torch.randn(classes, generator=chance, dtype=DATA))

    def forward(self, x: Tensor) -> Tensor:
        return functional.linear(x.flatten(1), self.weight, self.bias)


def smooth(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Flatten(), nn.Linear(6, 30), nn.Tanh(), nn.Linear(30, 3)).double()


def pairs_of(network: nn.Module, count: int = 60, seed: int = 1) -> Pairs:
    """Random inputs of the classes that the network says, beside the nearest that it calls otherwise."""
    chance = torch.Generator().manual_seed(seed)
    x = torch.randn(count, 2, 3, generator=chance, dtype=DATA)
    with torch.no_grad():
        y = network(x).argmax(1)
    return nearest_pairs(x, y, [(x, y)])


def test_a_linear_classifier_has_exact_answers() -> None:
    network = Linear()
    pairs = pairs_of(network)
    found = feature_compression(network, pairs, points=5)
    assert len(found.pairs) == found.inputs == 60
    weight, bias = network.weight.detach(), network.bias.detach()
    for row in found.pairs:
        x, end = pairs.starts[row.input].flatten(), pairs.ends[row.input].flatten()
        normal, offset = weight[row.label] - weight[row.other], bias[row.label] - bias[row.other]
        to_plane = float((normal @ x + offset).abs() / normal.norm())
        cosine = float(normal @ (end - x) / normal.norm() / (end - x).norm())
        assert (row.L, row.end) == (pytest.approx(float((end - x).norm())), int(pairs.end_indices[row.input]))  # type: ignore[index]
        assert row.cosines == pytest.approx([cosine] * 5, abs=1e-6)
        assert row.rho == pytest.approx(abs(cosine), abs=1e-6)
        for guess in (row.predicted, -row.M_b, row.first_order, row.tangent_distance):
            assert guess == pytest.approx(to_plane, abs=1e-6)
        both = to_plane - float((normal @ end + offset) / normal.norm())
        assert pytest.approx(-both * 5 / 4, abs=1e-6) == row.M  # five equal weights where four steps are
        assert row.path_integral == pytest.approx(row.change, abs=1e-6)
    assert found.largest_integral_error < 1e-12


def test_with_opposite_margins_all_measures_are_the_cosine_and_the_printed_one_is_twice_it() -> None:
    """methods: |cos theta| = |M_b| / (L/2) = Q / (L/2) where g(x') = -g(x), and the printed M gives twice that."""
    network = Linear(classes=2)
    with torch.no_grad():
        network.bias.zero_()
    x = torch.randn(8, 6, dtype=DATA)
    with torch.no_grad():
        y = network(x).argmax(1)
    found = feature_compression(network, Pairs(starts=x, ends=-x, start_classes=y, end_classes=1 - y), points=1001)
    for row in found.pairs:
        assert abs(row.M_b) / (row.L / 2) == pytest.approx(abs(row.cosine), abs=1e-6)
        assert abs(row.M) / (row.L / 2) == pytest.approx(2 * abs(row.cosine) * 1001 / 1000, abs=1e-6)
        assert row.boundary == pytest.approx(0.5, abs=1e-9)


def test_the_path_integral_is_the_change_of_the_logit_difference() -> None:
    """The trapezoid rule has an error of the second order; a smooth network, so that there is one."""
    network = smooth()
    pairs = pairs_of(network)
    errors = [feature_compression(network, pairs, points=points).largest_integral_error for points in (26, 51, 1001)]
    assert errors[2] < 1e-4
    assert 3 < errors[0] / errors[1] < 5


def test_the_prediction_is_the_first_order_guess_once_the_points_are_fine() -> None:
    network = smooth()
    for row in feature_compression(network, pairs_of(network), points=2001).pairs:
        assert row.predicted == pytest.approx(row.first_order, rel=1e-3)


def test_gradients_and_angles_are_those_of_one_point_at_a_time() -> None:
    network, points = smooth(2), 7
    pairs = pairs_of(network)
    found = feature_compression(network, pairs, points=points, batch_size=19)
    for row in found.pairs[:10]:
        start, end = pairs.starts[row.input], pairs.ends[row.input]
        for place, alpha in enumerate(found.alphas):
            x = (start + alpha * (end - start))[None].requires_grad_()
            logits = network(x)[0]
            (gradient,) = torch.autograd.grad(logits[row.label] - logits[row.other], x)
            cosine = functional.cosine_similarity(gradient.flatten(), (end - start).flatten(), dim=0)
            assert row.cosines[place] == pytest.approx(float(cosine), abs=1e-9)
            assert row.gradient_norms[place] == pytest.approx(float(gradient.norm()), rel=1e-9)
    one_path_at_a_time = feature_compression(network, pairs, points=points, batch_size=1)
    for one, other in zip(found.pairs, one_path_at_a_time.pairs, strict=True):
        assert one.cosines == pytest.approx(other.cosines, abs=1e-9)


def test_only_pairs_that_the_network_tells_apart_are_kept() -> None:
    network = Linear(classes=2)
    pairs = pairs_of(network, 40)
    at_start, at_end = torch.arange(40) < 5, (torch.arange(40) >= 5) & (torch.arange(40) < 12)
    wrong = Pairs(
        starts=torch.where(at_start[:, None, None], pairs.ends, pairs.starts),
        ends=torch.where((at_end | at_start)[:, None, None], pairs.starts + 1e-9, pairs.ends),
        start_classes=pairs.start_classes,
        end_classes=pairs.end_classes,
    )
    found = feature_compression(network, wrong)
    assert (found.inputs, found.wrong_at_start, found.wrong_at_end, found.flat) == (40, 5, 7, 0)
    assert [row.input for row in found.pairs] == list(range(12, 40))
    assert all(row.end is None and row.margin > 0 > row.margin_end for row in found.pairs)


class Flat(nn.Module):
    """The logits of two classes, of which the input below zero has no say."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([1 - functional.relu(x), functional.relu(x)], 1)


def test_an_input_without_a_gradient_is_counted() -> None:
    found = feature_compression(
        Flat(),
        Pairs(
            starts=torch.tensor([[-1.0], [0.25]]), ends=torch.tensor([[1.0], [1.0]]),
            start_classes=torch.tensor([0, 0]), end_classes=torch.tensor([1, 1]),
        ),
    )  # fmt: skip
    assert (found.flat, [row.input for row in found.pairs]) == (1, [1])


def test_classes_are_summed_up() -> None:
    network = Linear()
    found = feature_compression(network, pairs_of(network))
    for of_class in found.classes:
        own = [row for row in found.pairs if row.label == of_class.label]
        assert of_class.pairs == len(own)
        assert of_class.mean_abs_cosine == pytest.approx(sum(abs(row.cosine) for row in own) / len(own))
    assert sum(of_class.pairs for of_class in found.classes) == len(found.pairs)
    made = found.to_dict()
    assert json.loads(json.dumps(made, allow_nan=False)) == made


@pytest.mark.parametrize("context", [torch.no_grad, torch.enable_grad])
def test_the_network_comes_back_as_it_was(context: Callable[[], torch.no_grad]) -> None:
    network = lively()
    before = Snapshot.of(network)
    x, y = torch.rand(50, 1, 4, 4), torch.arange(50) % 4
    with context():
        found = feature_compression(network, nearest_pairs(x, y, [(x, y)]), bounds=(0.0, 1.0))
    assert isinstance(found, FeatureCompression)
    assert Snapshot.of(network) == before


class Made(nn.Module):
    """Logits by a function."""

    def __init__(self, make: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.make = make

    def forward(self, x: Tensor) -> Tensor:
        return self.make(x)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda x: x[:, :2] * 0 + 1, "the logits do not depend on the input"),
        (lambda x: torch.ones(len(x), 2), "no gradient reaches the input"),
        (lambda x: torch.stack([x.sum(1).sqrt(), 1 - x.sum(1)], 1), "gradients .* at alpha 0 of pair 0"),
        (lambda x: x[:, :2] / 0, "logits of the network must be finite"),
        (lambda x: x[:, :2], r"no pair has g\(x\) > 0 > g\(x'\): of 2, 2 inputs .* and 2 end points"),
        (lambda x: x[:, :1], "below the network's 1, got 1"),
        (lambda x: x.sum(1), r"logits must be \(22, C\)"),
        (lambda x: x @ torch.ones(7, 2), "does not take samples"),
    ],
)  # fmt: skip
def test_networks_without_an_answer_are_refused(make: Callable[[Tensor], Tensor], words: str) -> None:
    pairs = Pairs(
        starts=torch.zeros(2, 3), ends=torch.tensor([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]),
        start_classes=torch.zeros(2, dtype=torch.int64), end_classes=torch.ones(2, dtype=torch.int64),
    )  # fmt: skip
    with pytest.raises(InputError, match=words) as caught:
        feature_compression(Made(make), pairs)
    assert "\n" not in str(caught.value)


def test_options_out_of_range_are_refused() -> None:
    network = Linear()
    pairs = pairs_of(network)
    for options, words in [
        ({"points": 1}, "points must be at least 2, got 1"),
        ({"batch_size": 0}, "batch_size must be at least 1, got 0"),
        ({"bounds": (0.0, 1.0)}, r"pixels must lie in \[0, 1\]"),
    ]:
        with pytest.raises(InputError, match=words):
            feature_compression(network, pairs, **options)  # type: ignore[arg-type]
