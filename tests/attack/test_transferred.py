from __future__ import annotations

import torch
from torch import nn

from corank.attack.pgd import PGD
from corank.attack.transferred import TransferredDescent


def test_on_a_linear_source_examples_go_as_far_over_the_boundary_as_the_budget_allows() -> None:
    layer = nn.Linear(9, 2).double()
    source, other = (nn.Sequential(nn.Flatten(), one).eval() for one in (layer, nn.Linear(9, 2).double()))
    images = torch.rand(30, 1, 3, 3, dtype=torch.float64) - 0.5
    labels = other(images).argmax(1)
    found, stopped = (
        attack.attack(other, images, labels, bounds=None, source=source)
        for attack in (TransferredDescent(radius=0.3), PGD(radius=0.3))
    )
    away = (layer.weight[1] - layer.weight[0]).detach().sign().reshape(1, 3, 3)
    signs = torch.where(labels == 1, -1.0, 1.0).double().reshape(-1, 1, 1, 1)
    torch.testing.assert_close(found.inputs, images + 0.3 * signs * away, rtol=0, atol=1e-12)
    assert not torch.allclose(stopped.inputs, found.inputs)
