"""The small network against the original, against formulas with unrolled matrices, and against what it was to cost."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
import torch
from torch import Tensor, nn

from corank.compress.reduced.normalising import add_batch_norms
from corank.compress.reduced.refit import refit
from corank.compress.reduced.sizes import Shape
from corank.compress.reduced.student import DenseLayer
from corank.network import cost

from .examples import NAMES, built, captured, example, lively, measured, relative

# At full rank every map is as it was but for a change of basis, forth and back: some roundings a layer, which
# activations like exp and the largest weights amplify.
TOLERANCES = {torch.float64: 1e-12, torch.float32: 1e-4}


@pytest.mark.parametrize("name", NAMES)
def test_with_all_directions_and_rows_it_is_the_network_from_every_cut(name: str) -> None:
    one = example(name)
    assert one.graph.input_node in one.starts
    for start in one.starts:
        tail, bases = measured(one, start)
        _, reduced = built(tail, bases)
        assert relative(reduced.network(one.values[tail.label]), one.graph(one.x)) <= 1e-12, tail.label


@pytest.mark.parametrize("name", NAMES)
def test_single_precision_projections_fits_and_batch_norms_change_nothing_then(name: str) -> None:
    for dtype, tolerance in TOLERANCES.items():
        one = example(name, dtype)
        expected = one.graph(one.x)
        tail, bases = measured(one)
        for projected in (None, tail.features):
            reduction, reduced = built(tail, bases, projected=projected)
            assert relative(reduced.network(one.x), expected) <= tolerance, projected
            assert bases.recorded is not None
            refit(reduction, reduced, bases.recorded)
            assert relative(reduced.network(one.x), expected) <= tolerance, (projected, "fitted")
        add_batch_norms(reduced.network, [one.x])
        assert relative(reduced.network(one.x), expected) <= tolerance, "batch norms"


def rows_of(dense: nn.Module, shape: Sequence[int]) -> tuple[Tensor, Tensor]:
    """The unrolled matrix `(D', D)` and the constant of an affine module on samples of a shape."""
    zero = torch.zeros(1, *shape, dtype=torch.float64)
    matrix = torch.autograd.functional.jacobian(lambda x: dense(x).flatten(), zero)
    return matrix.flatten(1), dense(zero).flatten().detach()


def basis_of(values: Tensor, rank: int) -> Tensor:
    """V: the leading singular vectors of the samples that are not held out, `(D, R)`."""
    is_held_out = torch.arange(len(values)) % 5 == 4
    return torch.linalg.svd(values.flatten(1)[~is_held_out].T, full_matrices=False).U[:, :rank].detach()


@pytest.mark.parametrize("rows", [1.0, 1.5, 2.0])
def test_it_is_the_thesis_formula_with_unrolled_matrices(rows: float) -> None:
    """Equation 5.14, where a pooling follows with all four inputs of its windows."""
    torch.manual_seed(1)
    net = lively(
        nn.Sequential(
            nn.Conv2d(2, 3, 3, padding=1), nn.BatchNorm2d(3), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(3, 4, 2, stride=1), nn.BatchNorm2d(4), nn.LeakyReLU(0.1), nn.Flatten(), nn.Linear(16, 3),
        ).double()
    )  # fmt: skip
    one = captured(net, [(torch.randn(25, 2, 6, 6, dtype=torch.float64), torch.randint(3, (25,))) for _ in range(4)])
    tail, bases = measured(one)
    _, reduced = built(tail, bases, [6, 5], rows=rows)
    x = one.x
    first, second = net[:4](x), net[:7](x)
    (v1, v2), (s1, s2) = (basis_of(first, 6), basis_of(second, 5)), (found.rows for found in reduced.selections)
    (w1, b1), (w2, b2), (w3, b3) = (
        rows_of(*affine) for affine in ((net[:2], (2, 6, 6)), (net[4:6], (3, 3, 3)), (net[7:], (4, 2, 2)))
    )
    channel, place = s1 // 9, s1 % 9
    corner = 36 * channel + 12 * (place // 3) + 2 * (place % 3)
    window = torch.stack([corner, corner + 1, corner + 6, corner + 7], 1)
    kept1 = torch.relu(x.flatten(1) @ w1[window].flatten(0, 1).T + b1[window].flatten()).unflatten(1, (-1, 4)).amax(2)
    kept2 = nn.functional.leaky_relu(kept1 @ (w2[s2] @ v1 @ torch.linalg.pinv(v1[s1])).T + b2[s2], 0.1)
    logits = kept2 @ (w3 @ v2 @ torch.linalg.pinv(v2[s2])).T + b3
    assert (len(s1), len(s2)) == (6 * rows, math.ceil(5 * rows))
    assert relative(reduced.network(x), logits) <= 1e-12
    assert relative(reduced.network(x), net(x)) > 0.01, "ranks at which something is lost"


class Skipping(nn.Module):
    """The last sum reads two stages that were reduced, and the start."""

    def __init__(self) -> None:
        super().__init__()
        self.maps = nn.ModuleList([nn.Linear(8, 8) for _ in range(3)])
        self.last = nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        y = torch.tanh(self.maps[0](x))
        z = torch.relu(self.maps[1](y) + x)
        return self.last(torch.relu(self.maps[2](z) + y + x))


def test_the_branches_of_a_residual_network_are_added_as_in_the_thesis() -> None:
    """Equation 5.16."""
    torch.manual_seed(2)
    net = Skipping().double().eval()
    one = captured(net, [(torch.randn(25, 8, dtype=torch.float64), torch.randint(3, (25,))) for _ in range(4)])
    tail, bases = measured(one)
    _, reduced = built(tail, bases, [3, 4, 5], rows=1.4)
    x = one.x
    values = [torch.tanh(net.maps[0](x))]
    values.append(torch.relu(net.maps[1](values[0]) + x))
    values.append(torch.relu(net.maps[2](values[1]) + values[0] + x))
    bases_of = [basis_of(value, rank) for value, rank in zip(values, (3, 4, 5), strict=True)]
    rows = [found.rows for found in reduced.selections]
    v1, v2, v3 = (v @ torch.linalg.pinv(v[s]) for v, s in zip(bases_of, rows, strict=True))
    w, b = [layer.weight.detach() for layer in net.maps], [layer.bias.detach() for layer in net.maps]
    s1 = torch.tanh(x @ w[0][rows[0]].T + b[0][rows[0]])
    s2 = torch.relu(s1 @ (w[1] @ v1)[rows[1]].T + b[1][rows[1]] + x[:, rows[1]])
    s3 = torch.relu(s2 @ (w[2] @ v2)[rows[2]].T + b[2][rows[2]] + s1 @ v1[rows[2]].T + x[:, rows[2]])
    assert relative(reduced.network(x), net.last(s3 @ v3.T)) <= 1e-12


@pytest.mark.parametrize("name", NAMES)
def test_what_it_costs_is_known_before(name: str) -> None:
    one = example(name)
    tail, bases = measured(one)
    for divisor, rows, projected, has_norms in ((1, 1.0, None, False), (4, 2.0, None, True), (9, 1.5, 2, False)):
        ranks = [-(-stage.features // divisor) for stage in tail.stages]
        reduction, reduced = built(tail, bases, ranks, rows=rows, projected=projected)
        planned = reduction.shape.cost(reduced.sizes, 8, batch_norm=has_norms)
        if has_norms:
            add_batch_norms(reduced.network, [one.x])
        else:
            assert planned == cost(reduction.hollow(reduced.sizes), tail.shape, torch.float64)
        assert planned == cost(reduced.network, tail.shape, torch.float64)


def test_a_layer_is_read_in_coordinates_where_that_is_cheaper(monkeypatch: pytest.MonkeyPatch) -> None:
    one = example("vgg")
    tail, bases = measured(one)
    ranks = [-(-stage.features // 4) for stage in tail.stages]
    reduction, reduced = built(tail, bases, ranks, rows=2.0)
    assert set(reduction.shape.is_factored(reduced.sizes)) == {False, True}
    with monkeypatch.context() as patched:
        patched.setattr(Shape, "is_factored", lambda _, sizes: (False,) * len(sizes))
        whole = reduction.build(reduced.sizes).network
    assert relative(reduced.network(one.x), whole(one.x)) <= 1e-12
    costs = [cost(network, tail.shape, torch.float64) for network in (reduced.network, whole)]
    assert costs[0].multiply_adds < costs[1].multiply_adds


def test_dropout_waits_for_training() -> None:
    one = example("vgg")
    tail, bases = measured(one)
    reduction, reduced = built(tail, bases)
    other = reduction.build(reduced.sizes, dropout=0.5)
    assert torch.equal(other.network(one.x), reduced.network(one.x))
    assert bases.recorded is not None
    for each in (reduced, other):
        refit(reduction, each, bases.recorded)
        add_batch_norms(each.network, [one.x])
    assert torch.equal(other.network(one.x), reduced.network(one.x))
    other.network.train()
    assert not torch.equal(other.network(one.x), reduced.network(one.x))
    assert all(layer.dropout.p == 0.5 for layer in other.network.layers.values() if isinstance(layer, DenseLayer))
