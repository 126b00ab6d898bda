from __future__ import annotations

import pytest
import torch
from torch import nn

from corank.errors import InputError
from corank.train import GroupLasso


@pytest.mark.parametrize(("groups", "dims"), [("columns", (0, 2, 3)), ("rows", (1, 2, 3))])
def test_a_group_is_all_that_enters_or_leaves_a_channel(groups: str, dims: tuple[int, ...]) -> None:
    network = nn.Conv2d(3, 4, 2)
    penalty = GroupLasso(strength=2.0, groups=groups)  # type: ignore[arg-type]
    norms = network.weight.detach().square().sum(dims).sqrt()
    torch.testing.assert_close(penalty(network).detach(), 2 * norms.sum())
    limit = float(norms.sort().values[:2].mean())  # between the smallest and the next
    penalty.proximal_step(network, limit / 2)
    left = network.weight.detach().square().sum(dims).sqrt()
    torch.testing.assert_close(left, (norms - limit).clamp(min=0))
    assert int((left == 0).sum()) == 1


def test_at_zero_it_has_a_gradient() -> None:
    network = nn.Linear(3, 2)
    network.weight.data[:, 1] = 0
    GroupLasso(strength=1.0)(network).backward()
    assert network.weight.grad is not None
    assert bool(torch.isfinite(network.weight.grad).all())


def test_unknown_groups_are_refused() -> None:
    with pytest.raises(InputError, match="groups must be 'columns' or 'rows', got 'filters'"):
        GroupLasso(strength=1.0, groups="filters")  # type: ignore[arg-type]
