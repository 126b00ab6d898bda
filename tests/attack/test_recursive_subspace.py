"""The recursive active subspace against dense linear algebra and the algorithm as it is printed."""

from __future__ import annotations

from typing import Literal

import pytest
import torch
from torch import Tensor

from corank.attack.budget import Budget
from corank.attack.recursive_subspace import RecursiveSubspace, dominant_direction
from corank.attack.search import Search
from corank.attack.victim import Victim

from .nets import digits


@pytest.mark.parametrize("samples", [3, 30, 200])
def test_the_direction_is_the_dominant_eigenvector(samples: int) -> None:
    gradients = torch.randn(samples, 2, 5, 5, dtype=torch.float64) * torch.linspace(1, 3, 5, dtype=torch.float64)
    rows = gradients.flatten(1)
    _, vectors = torch.linalg.eigh(rows.T @ rows)
    found = dominant_direction(gradients)
    assert found is not None
    assert abs(float(found.flatten() @ vectors[:, -1])) == pytest.approx(1.0, abs=1e-10)
    assert float(found.norm()) == pytest.approx(1.0)


def test_vanishing_gradients_have_none() -> None:
    assert dominant_direction(torch.zeros(4, 3)) is None


@pytest.mark.parametrize("on", ["ball", "sphere"])
def test_it_goes_as_the_algorithm_is_printed(on: Literal["ball", "sphere"]) -> None:
    network, x, _ = digits()
    x = x[:40]
    search = Search(Victim(network), x, Budget(norm="l2", radius=1.0))
    _, end = RecursiveSubspace(radius=1.0, on=on, steps=6, tries=4).went(search)
    torch.testing.assert_close(end.abs(), by_the_book(network, x, on, 6, 4).abs(), atol=1e-4, rtol=0)


def by_the_book(network: torch.nn.Module, x: Tensor, on: str, steps: int, tries: int) -> Tensor:
    """Algorithm 4.1 with a dense covariance, radius and first step 1, decrease 1/2; up to the sign of the whole."""
    clean = network(x).argmax(1)
    v = torch.zeros_like(x[0])

    def ratio(one: Tensor) -> float:
        return float((network(x + one).argmax(1) != clean).double().mean())

    def projected(one: Tensor) -> Tensor:
        return one / (one.norm() if on == "sphere" else one.norm().clamp(min=1.0))

    for _ in range(steps):
        rest = network(x + v).argmax(1) == clean
        given = (x + v)[rest].detach().requires_grad_()
        loss = torch.nn.functional.cross_entropy(network(given), clean[rest], reduction="sum")
        rows = torch.autograd.grad(loss, given)[0].flatten(1).double()
        d = torch.linalg.eigh(rows.T @ rows)[1][:, -1].reshape(v.shape).to(v)
        d = d * float(dominant_direction(rows).to(v) @ d.flatten()).__round__()  # the sign of a failure's step is free
        for i in range(tries):
            plus, minus = projected(v + 0.5**i * d), projected(v - 0.5**i * d)
            if max(ratio(plus), ratio(minus)) > ratio(v):
                v = plus if ratio(plus) >= ratio(minus) else minus
                break
        else:
            v = plus
    return v
