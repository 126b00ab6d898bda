"""What one pass over the data finds, against decompositions of the activations themselves."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from corank.compress.reduced.bases import Basis, measure_bases
from corank.compress.reduced.stages import tail_of
from corank.errors import InputError

from .examples import Example, captured, measured


def small(size: int = 8, count: int = 5, net: nn.Module | None = None) -> Example:
    torch.manual_seed(0)
    made = net or nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 3))
    data = [(torch.randn(size, 4, dtype=torch.float64), torch.randint(3, (size,))) for _ in range(count)]
    return captured(made.double().eval(), data)


def test_bases_are_those_of_the_activations_that_are_not_held_out() -> None:
    one = small()
    _, bases = measured(one)
    is_held = torch.arange(40) % 5 == 4
    assert (bases.samples, bases.samples_heldout) == (32, 8)
    assert torch.equal(torch.cat([x for x, _ in bases.heldout]), one.x[is_held])
    assert torch.equal(torch.cat([y for _, y in bases.heldout]), torch.cat([y for _, y in one.data])[is_held])
    with torch.no_grad():
        values = [one.x, one.network[:2](one.x), one.network[:4](one.x)]
    assert bases.start is not None
    for basis, value in zip([bases.start, *bases.layers], values, strict=True):
        own = value[~is_held]
        torch.testing.assert_close(basis.singular_values, torch.linalg.svdvals(own) / 32**0.5)
        assert basis.energy == pytest.approx(float(own.square().sum(1).mean()))
        torch.testing.assert_close(basis.vectors @ basis.vectors.T, torch.eye(basis.features, dtype=torch.float64))


def test_recorded_are_the_samples_of_the_bases_as_they_ran() -> None:
    one = small()
    tail, bases = measured(one)
    own = one.x[torch.arange(40) % 5 != 4]
    assert bases.recorded is not None
    with torch.no_grad():
        assert torch.equal(bases.recorded.inputs, own)
        assert torch.equal(bases.recorded.start, own)
        torch.testing.assert_close(bases.recorded.sources[0], one.network[:1](own))
        torch.testing.assert_close(bases.recorded.sources[1], one.network[:3](own))
        torch.testing.assert_close(bases.recorded.logits, one.network(own))
        torch.testing.assert_close(tail.stages[1].finished(bases.recorded.sources[1]), one.network[:4](own))


def test_no_more_is_recorded_than_memory_is_meant_to_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    one = small()
    tail = tail_of(one.layers, one.graph.input_node)
    monkeypatch.setattr("corank.compress.reduced.bases.RECORDED_NUMBERS", 10 * (4 + 6 + 5) + 14)
    bases = measure_bases(tail, one.data, record=True)
    assert bases.recorded is not None
    assert [len(each) for each in (bases.recorded.start, *bases.recorded.sources, bases.recorded.logits)] == [10] * 4
    assert torch.equal(bases.recorded.inputs, one.x[torch.arange(40) % 5 != 4][:10])


@pytest.mark.parametrize(("samples", "used"), [(1, 1), (7, 6), (8, 7), (23, 19), (40, 32), (99, 32), (None, 32)])
def test_no_more_samples_are_read_than_wanted(samples: int | None, used: int) -> None:
    one = small()
    bases = measure_bases(tail_of(one.layers, one.graph.input_node), one.data, samples=samples)
    assert bases.samples == used
    assert bases.samples + bases.samples_heldout == min(samples or 40, 40)
    assert bases.start is None
    assert bases.recorded is None


@pytest.mark.parametrize(("known", "rank"), [(2, 2), (2, 5), (3, 6), (1, 1)])
def test_directions_that_the_data_do_not_tell_are_completed(known: int, rank: int) -> None:
    vectors = torch.linalg.qr(torch.randn(6, known, dtype=torch.float64))[0].T
    found = basis(vectors).leading(rank)
    assert torch.equal(found[:known], vectors[:rank])
    torch.testing.assert_close(found @ found.T, torch.eye(rank, dtype=torch.float64))


def test_axes_that_known_directions_span_together_are_completed_as_well() -> None:
    vectors = torch.tensor([[1.0, 1, 0, 0], [0, 0, 1, 1]], dtype=torch.float64) / 2**0.5
    found = basis(vectors).leading(4)
    torch.testing.assert_close(found @ found.T, torch.eye(4, dtype=torch.float64))


def test_many_features_take_no_square_matrix() -> None:
    features = 400_000  # a matrix of so many rows and columns does not fit into any memory
    vectors = torch.zeros(2, features)
    vectors[0, 5] = vectors[1, 9] = 1.0
    found = basis(vectors).leading(4)
    torch.testing.assert_close(found @ found.T, torch.eye(4))


def basis(vectors: Tensor) -> Basis:
    return Basis(
        singular_values=torch.ones(len(vectors), dtype=torch.float64), vectors=vectors, energy=float(len(vectors)),
        samples=100,
    )  # fmt: skip


def test_what_cannot_give_a_basis_is_refused() -> None:
    dead = nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 3))
    nn.init.zeros_(dead[2].weight)
    nn.init.constant_(dead[2].bias, -1.0)
    one = small(net=dead)
    with pytest.raises(InputError, match="the activations at layer '3' are zero for all 32 samples"):
        measured(one)
    one = small()
    tail = tail_of(one.layers, one.graph.input_node)
    (x, y), *others = one.data
    with pytest.raises(InputError, match="no batch with a sample"):
        measure_bases(tail, [(x[:0], y[:0])])
    with pytest.raises(
        InputError, match=r"the samples of batch 1 have shape \(3,\) where those of batch 0 have \(4,\)"
    ):
        measure_bases(tail, [(x, y), (x[:, :3], y), *others])
    with pytest.raises(InputError, match=r"batch 1: label 3 is outside 0 .. 2"):
        measure_bases(tail, [(x, y), (x, torch.full_like(y, 3))])
