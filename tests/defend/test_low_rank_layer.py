"""The factored virtual layer against the dense one of the paper, which is written out here."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from corank.defend import LowRankLayer
from corank.errors import InputError

WIDTH, BATCH = 60, 7


@dataclass
class Dense:
    """Algorithm 2 with the whole W: autograd gives every gradient, an eigendecomposition the projection."""

    rank: int
    every: int
    step_size: float
    weight: float
    norm_weight: float
    w: Tensor
    b: Tensor
    steps: int = 0

    def loss(self, a: Tensor) -> Tensor:
        distance = self.distance(a, self.w, self.b)
        return self.weight * distance + self.norm_weight * (1 - a.norm(dim=1)).abs().mean()

    @staticmethod
    def distance(a: Tensor, w: Tensor, b: Tensor) -> Tensor:
        symmetric = (w + w.T) / 2
        return ((a + b) @ symmetric - (a + b)).square().sum(1).mean()

    def step(self, a: Tensor) -> None:
        w, b = self.w.clone().requires_grad_(), self.b.clone().requires_grad_()
        by_w, by_b = torch.autograd.grad(self.distance(a, w, b), [w, b])
        x = a + self.b
        self.w = self.w - self.step_size / float(torch.linalg.eigvalsh((x.T @ x).detach() / len(a))[-1]) * by_w
        self.b = self.b - self.step_size * by_b / 2
        self.steps += 1
        if self.steps % self.every == 0:
            values, vectors = torch.linalg.eigh(self.w)
            self.w = vectors[:, -self.rank :] * values[-self.rank :].clamp(min=0) @ vectors[:, -self.rank :].T


def rebuilt(layer: LowRankLayer) -> Tensor:
    return layer.rows.T * layer.values @ layer.rows


def batches(count: int, dtype: torch.dtype, width: int = WIDTH, seed: int = 0) -> list[Tensor]:
    """Near a plane of five dimensions, off the origin."""
    chance = torch.Generator().manual_seed(seed)
    plane = torch.randn(5, width, generator=chance, dtype=torch.float64) / math.sqrt(width)
    made = [
        torch.randn(BATCH, 5, generator=chance, dtype=torch.float64) @ plane
        + 0.02 * torch.randn(BATCH, width, generator=chance, dtype=torch.float64)
        + 0.1
        for _ in range(count)
    ]
    return [a.to(dtype) for a in made]


def pair(dtype: torch.dtype, width: int = WIDTH, **options: Any) -> tuple[LowRankLayer, Dense]:
    settings = {"rank": 5, "every": 10, "step_size": 0.7, "weight": 0.8, "norm_weight": 0.3, **options}
    layer = LowRankLayer(width, **settings).to(dtype)
    layer.start(torch.cat(batches(6, dtype, width, seed=1)))
    return layer, Dense(**settings, w=rebuilt(layer).double(), b=layer.bias.double().clone())


@pytest.mark.parametrize("width", [WIDTH, 20])  # at 20 the factors would be larger than the matrix
@pytest.mark.parametrize(("dtype", "off"), [(torch.float64, 1e-9), (torch.float32, 1e-4)])
def test_it_agrees_with_the_dense_layer_over_fifty_steps(width: int, dtype: torch.dtype, off: float) -> None:
    layer, dense = pair(dtype, width)
    for number, a in enumerate(batches(50, dtype, width), start=1):
        given, wide = a.clone().requires_grad_(), a.double().requires_grad_()
        found, expected = layer(given), dense.loss(wide)
        torch.testing.assert_close(found.double(), expected, atol=off, rtol=off)
        gradient, right = torch.autograd.grad(found, given)[0], torch.autograd.grad(expected, wide)[0]
        torch.testing.assert_close(gradient.double(), right, atol=off, rtol=0)
        layer.project()
        dense.step(a.double())
        if number % 10 == 0:
            assert int(torch.linalg.matrix_rank(dense.w, rtol=1e-10)) == 5
            torch.testing.assert_close(rebuilt(layer).double(), dense.w, atol=10 * off, rtol=0)
    torch.testing.assert_close(layer.bias.double(), dense.b, atol=10 * off, rtol=0)


@pytest.mark.parametrize("projection", ["sketch", "nystrom"])
def test_its_rank_is_kept_by_every_projection_and_never_needs_a_square_matrix(projection: Any) -> None:
    layer = LowRankLayer(WIDTH, rank=5, every=3, projection=projection).double()
    for number, a in enumerate(batches(12, torch.float64), start=1):
        layer(a.requires_grad_())
        layer.project()
        held = 5 + BATCH * (number % 3)
        assert sum(len(block) for block in layer._current().blocks) == held
        if number % 3 == 0:
            assert int(torch.linalg.matrix_rank(rebuilt(layer), rtol=1e-9)) <= 5


def test_activations_are_drawn_to_the_subspace_and_to_length_one() -> None:
    torch.manual_seed(0)
    front = nn.Linear(6, WIDTH)
    layer = LowRankLayer(WIDTH, rank=2, weight=1.0, norm_weight=1.0)
    x = torch.randn(64, 6)

    def spread() -> tuple[float, float]:
        a = front(x).detach()
        values = torch.linalg.svdvals(a - a.mean(0)).square()
        return float(values[2:].sum() / values.sum()), float((1 - a.norm(dim=1)).abs().mean())

    before = spread()
    optimiser = torch.optim.SGD(front.parameters(), lr=0.1)
    for _ in range(200):
        optimiser.zero_grad()
        layer(front(x)).backward()
        optimiser.step()
        layer.project()
    outside, length = spread()
    assert outside < 0.05 * before[0]
    assert length < 0.2 * before[1]


def test_two_parts_of_a_batch_move_it_as_the_whole_does() -> None:
    whole, _ = pair(torch.float64)
    parts = copy.deepcopy(whole)
    a = torch.cat(batches(2, torch.float64))
    whole(a.requires_grad_())
    for part in a.detach().split(BATCH):
        parts(part.requires_grad_())
    whole.project(now=True)
    parts.project(now=True)
    torch.testing.assert_close(rebuilt(parts), rebuilt(whole))
    torch.testing.assert_close(parts.bias, whole.bias)


def test_evaluation_leaves_it_alone_and_a_saved_state_goes_on_where_it_was() -> None:
    layer, _ = pair(torch.float64)
    a, *rest = batches(4, torch.float64)
    layer(a.requires_grad_())
    layer.project(now=True)
    state = copy.deepcopy(layer.state_dict())
    with torch.no_grad():
        layer(rest[0])
    layer.eval()(rest[0].requires_grad_())
    layer.project(now=True)
    assert all(torch.equal(value, state[name]) for name, value in layer.state_dict().items())
    other = LowRankLayer(WIDTH, rank=5, weight=0.8, norm_weight=0.3).double()
    other(rest[0].clone().requires_grad_())
    other.load_state_dict(state)
    assert other(rest[1]) == layer(rest[1])


def test_activations_that_are_changed_in_place_later_have_the_right_gradient() -> None:
    layer, _ = pair(torch.float64)
    weight = torch.ones(WIDTH, dtype=torch.float64, requires_grad=True)
    a = batches(1, torch.float64)[0]
    expected = torch.autograd.grad(layer(a * weight), weight)[0]
    product = a * weight
    loss = layer(product)
    product.relu_()
    torch.testing.assert_close(torch.autograd.grad(loss, weight)[0], expected)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"rank": 0}, "rank must be at least 1, got 0"),
        ({"rank": 60}, "rank must be below the 60 features of the layer, got 60"),
        ({"every": 0}, "every must be at least 1, got 0"),
        ({"members": 0}, "members must be at least 1, got 0"),
        ({"weight": -1.0}, "weight must be at least 0 and finite, got -1.0"),
        ({"norm_weight": math.inf}, "norm_weight must be at least 0 and finite, got inf"),
        ({"step_size": 1.5}, "step_size must be above 0 and at most 1, got 1.5"),
        ({"projection": "svd"}, "projection must be one of sketch, nystrom, got 'svd'"),
    ],
)
def test_an_option_out_of_range_is_refused(options: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        LowRankLayer(WIDTH, **{"rank": 3, **options})


def test_activations_of_another_width_are_refused() -> None:
    with pytest.raises(InputError, match=r"activations must be \(n, 60\), flattened, got \(3, 59\)"):
        LowRankLayer(WIDTH, rank=3)(torch.zeros(3, 59))


def test_it_goes_on_between_projections_when_it_is_moved_to_another_type() -> None:
    moved, stayed = (LowRankLayer(WIDTH, rank=3, every=4) for _ in range(2))
    for a in batches(7, torch.float64):
        for layer in (moved, stayed):
            layer(a.to(layer.rows.dtype).requires_grad_())
            layer.double()
            layer.project()
        stayed.float()
    torch.testing.assert_close(rebuilt(moved), rebuilt(stayed).double(), rtol=0, atol=1e-4)


def test_activations_that_are_not_finite_are_named() -> None:
    with pytest.raises(InputError, match="activations must be finite"):
        LowRankLayer(4, rank=2)(torch.full((3, 4), math.nan))
