"""Reduced blocks: exact where they must be, bounded by their constants elsewhere, and smaller."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from corank.errors import InputError
from corank.ode import RK4, Euler
from corank.ode.block import ODEBlock
from corank.ode.reduced_block import LayersInARow, reduce_block


class Row(nn.Module):
    """Modules in a row as a field."""

    def __init__(self, *modules: nn.Module) -> None:
        super().__init__()
        self.row = nn.Sequential(*modules)

    def forward(self, t: Tensor, z: Tensor) -> Tensor:
        found: Tensor = self.row(z)
        return found

    def layers(self) -> tuple[nn.Module, ...]:
        return tuple(self.row)


def inputs(count: int, *shape: int, directions: int = 3, seed: int = 0) -> Tensor:
    """States in an affine subspace of few directions."""
    chance = torch.Generator().manual_seed(9)
    width = torch.Size(shape).numel()
    basis = torch.randn(directions, width, generator=chance, dtype=torch.float64)
    mean = torch.randn(width, generator=chance, dtype=torch.float64)
    own = torch.Generator().manual_seed(seed)
    return (mean + torch.randn(count, directions, generator=own, dtype=torch.float64) @ basis).view(count, *shape)


def small_weights(field: nn.Module) -> nn.Module:
    torch.manual_seed(0)
    for parameter in field.parameters():
        nn.init.normal_(parameter, std=0.5 / parameter.shape[-1] ** 0.5)
    return field.double().eval()


@pytest.mark.parametrize("trailing", [True, False])
def test_at_full_rank_nothing_is_lost(trailing: bool) -> None:
    modules = [nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 6)]
    field = small_weights(Row(*modules, *([] if trailing else [nn.Tanh()])))
    block = ODEBlock(field, solver=RK4(steps=3)).eval()
    many, other = torch.randn(40, 6, dtype=torch.float64), torch.randn(10, 6, dtype=torch.float64)
    reduced, found = reduce_block(block, many, rank=6, heldout=other)
    assert found.galerkin_error < 1e-10
    assert reduced(other).shape == other.shape
    square = ODEBlock(small_weights(Row(nn.Linear(6, 6), nn.Tanh(), nn.Linear(6, 6))), solver=RK4(steps=3)).eval()
    _, whole = reduce_block(square, many, rank=6, oversampling=1, heldout=other)
    assert whole.relative_error < 1e-8


def test_an_affine_field_is_reduced_exactly_to_its_subspace() -> None:
    """States that start in a subspace which the field keeps stay there."""
    field = small_weights(Row(nn.Linear(12, 12, bias=False)))
    with torch.no_grad():
        field.row[0].weight.copy_(0.3 * torch.eye(12))
    block = ODEBlock(field, solver=RK4(steps=4)).eval()
    _, found = reduce_block(block, inputs(30, 12), rank=4, heldout=inputs(10, 12, seed=1))
    assert found.relative_error < 1e-10
    assert found.multiply_adds_reduced == 16 < found.multiply_adds == 144


def test_convolutions_are_told_from_chosen_entries() -> None:
    """With as many directions as the outputs have, entries tell everything: what is left is the projection's error."""
    field = small_weights(Row(nn.Conv2d(2, 2, 3, padding=1), nn.Softplus(), nn.Conv2d(2, 2, 3, padding=1), nn.Tanh()))
    block = ODEBlock(field, solver=Euler(steps=4)).eval()
    _, found = reduce_block(
        block, inputs(60, 2, 4, 4), rank=20, function_rank=32, oversampling=1, heldout=inputs(20, 2, 4, 4, seed=1)
    )
    assert found.entries == (32, 32)
    assert found.relative_error == pytest.approx(found.galerkin_error, rel=1e-6)


def test_more_directions_are_better_and_errors_are_within_their_constants() -> None:
    field = small_weights(Row(nn.Linear(30, 30), nn.Tanh(), nn.Linear(30, 30), nn.Tanh()))
    block = ODEBlock(field, solver=RK4(steps=4)).eval()
    errors = []
    for rank in (2, 5, 12):
        _, found = reduce_block(block, inputs(80, 30), rank=rank, heldout=inputs(30, 30, seed=1))
        assert len(found.constants) == 2
        assert min(found.constants) >= 1
        errors.append(found.relative_error)
    assert errors[0] > 1.5 * errors[1] > 3 * errors[2]


def test_the_block_is_not_changed_and_modules_in_a_row_are_known() -> None:
    field = small_weights(Row(nn.Linear(6, 6), nn.Tanh()))
    before = {name: value.clone() for name, value in field.state_dict().items()}
    block = ODEBlock(field, solver=Euler(steps=1)).eval()
    reduce_block(block, torch.randn(20, 6, dtype=torch.float64), rank=2, heldout=torch.randn(5, 6, dtype=torch.float64))
    assert all(torch.equal(value, before[name]) for name, value in field.state_dict().items())
    assert isinstance(field, LayersInARow)
    assert not isinstance(nn.Linear(1, 1), LayersInARow)


def test_wrong_input_is_refused() -> None:
    x = torch.randn(20, 6, dtype=torch.float64)
    fine = ODEBlock(small_weights(Row(nn.Linear(6, 6), nn.Tanh())), solver=Euler(steps=1)).eval()
    with pytest.raises(InputError, match=r"needs layers\(\), .* Linear has not"):
        reduce_block(ODEBlock(nn.Linear(6, 6)), x, rank=2, heldout=x)
    with pytest.raises(InputError, match="LayerNorm is neither"):
        reduce_block(ODEBlock(Row(nn.LayerNorm(6)).double()), x, rank=2, heldout=x)
    for options, message in (
        ({"rank": 0}, "rank must be between 1 and 6, got 0"),
        ({"rank": 7}, "rank must be between 1 and 6, got 7"),
        ({"rank": 2, "function_rank": 9}, "rank must be between 1 and 6, got 9"),
        ({"rank": 2, "oversampling": 0.5}, r"oversampling must be at least 1, got 0\.5"),
        ({"rank": 2, "times": 1}, "times must be at least 2, got 1"),
    ):
        with pytest.raises(InputError, match=message):
            reduce_block(fine, x, heldout=x, **options)
