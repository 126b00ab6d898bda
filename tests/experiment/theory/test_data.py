from __future__ import annotations

import pytest
import torch

from corank.errors import InputError
from corank.experiment.theory import SignData, SignPoints


def data_of(dimension: int, seed: int = 0) -> SignData:
    return SignData.drawn(dimension, torch.Generator().manual_seed(seed))


def test_all_points_are_there_once() -> None:
    data = data_of(6)
    signs = torch.cat([data.signs(numbers) for numbers in data.chunks()])
    assert len(signs.unique(dim=0)) == len(data) == 64
    assert bool((signs.abs() == 1).all())
    labels = torch.cat([data.labels(numbers) for numbers in data.chunks()])
    assert torch.equal(labels, (signs[:, -1] == 1).long())


def test_batches_are_the_points_in_another_order_every_epoch() -> None:
    data = data_of(6)
    batches = SignPoints(data, 10)
    orders = []
    for epoch in range(2):
        batches.set_epoch(epoch)
        x, y = (torch.cat(parts) for parts in zip(*batches, strict=True))
        z = torch.linalg.solve(data.matrix, x.T.double()).T
        assert torch.allclose(z.abs(), torch.ones_like(z), atol=1e-3)
        assert torch.equal(y, (z[:, -1] > 0).long())
        assert len(z.round().unique(dim=0)) == 64
        orders.append(x)
    assert len(batches) == 7
    assert not torch.equal(*orders)


@pytest.mark.parametrize("seed", range(5))
def test_the_prediction_is_the_residue_of_the_last_column(seed: int) -> None:
    """Phi is the share of the last column across all others; and the scale of the others does not change it."""
    data = data_of(9, seed)
    others, last = data.matrix[:, :-1], data.matrix[:, -1:]
    residue = last - others @ torch.linalg.lstsq(others, last).solution
    assert data.fraction == pytest.approx(float(residue.norm() / last.norm()))
    assert data.fraction == pytest.approx(SignData.drawn(9, torch.Generator().manual_seed(seed), scale=1.0).fraction)
    assert float(data.probe @ data.feature) == pytest.approx(1)
    assert data.fraction == pytest.approx(float(data.probe @ data.feature / data.probe.norm() / data.feature.norm()))


@pytest.mark.parametrize("seed", range(5))
def test_theorem_6_changes_the_label(seed: int) -> None:
    """`e = -2 R_dd Q_d` takes the point to the other label of the network that the theorem supposes."""
    data = data_of(8, seed)
    q, r = torch.linalg.qr(data.matrix)
    for number in (3, 200):
        x = data.matrix @ data.signs(torch.tensor([number]))[0]
        bit = 2 * int(data.labels(torch.tensor([number]))) - 1
        assert float(data.probe @ x) == pytest.approx(bit)
        perturbation = -2 * bit * r[-1, -1] * q[:, -1]
        assert float(data.probe @ (x + perturbation)) == pytest.approx(-bit)
        assert float(perturbation.norm()) == pytest.approx(2 * data.fraction * float(data.feature.norm()))


def test_wrong_matrices_are_refused() -> None:
    for matrix in (torch.ones(3, 2), torch.ones(1, 1), torch.zeros(3, 3), torch.full((2, 2), torch.nan)):
        with pytest.raises(InputError, match="the matrix must be"):
            SignData(matrix.double())
    for dimension in (1, 25):
        with pytest.raises(InputError, match=f"dimension must be between 2 and 24, got {dimension}"):
            data_of(dimension)
