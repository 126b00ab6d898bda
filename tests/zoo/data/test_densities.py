"""Planar densities lie where their formulas say, and tables are read, split and refused."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from corank.errors import InputError
from corank.zoo.data.densities import density_names, load_points

COUNT = 4000


def drawn(name: str, count: int = COUNT) -> Tensor:
    return load_points(name).draw(count, torch.Generator().manual_seed(0))


@pytest.mark.parametrize("name", density_names())
def test_draws_are_planar_reproducible_and_not_the_held_out_points(name: str) -> None:
    points = load_points(name)
    one = points.draw(50, torch.Generator().manual_seed(1))
    assert one.shape == (50, 2)
    assert one.dtype == torch.float32
    assert torch.equal(one, points.draw(50, torch.Generator().manual_seed(1)))
    assert torch.equal(points.test, load_points(name).test)
    assert float(torch.cdist(one, points.test).min()) > 0
    assert float(points.test.abs().max()) < 8


def test_moons_lie_on_two_half_circles() -> None:
    x, y = ((drawn("moons") + torch.tensor([1.0, 0.2])) / 2).unbind(1)
    outer = ((x**2 + y**2).sqrt() - 1).abs()
    inner = (((x - 1) ** 2 + (y - 0.5) ** 2).sqrt() - 1).abs()
    # The distance from a circle of a point on it with noise 0.1 in both coordinates is 0.1 times a half normal.
    assert float(torch.minimum(outer, inner).quantile(0.95)) < 0.25


def test_circles_have_radii_three_and_one_and_a_half() -> None:
    radius = drawn("circles").norm(dim=1)
    assert float(torch.minimum((radius - 3).abs(), (radius - 1.5).abs()).quantile(0.99)) < 3 * 0.08 * 3
    assert float((radius > 2.25).double().mean()) == pytest.approx(0.5, abs=0.05)


def test_eight_gaussians_have_eight_centres() -> None:
    points = drawn("8gaussians")
    angle = torch.arange(8) * math.pi / 4
    centres = 4 / math.sqrt(2) * torch.stack([angle.cos(), angle.sin()], 1)
    distance, nearest = torch.cdist(points, centres).min(1)
    # A Rayleigh distribution of scale 0.5 / sqrt(2).
    assert float(distance.mean()) == pytest.approx(0.5 / math.sqrt(2) * math.sqrt(math.pi / 2), rel=0.05)
    assert int(nearest.bincount().min()) > COUNT / 8 - 5 * math.sqrt(COUNT / 8)


def test_a_checkerboard_has_every_second_square() -> None:
    squares = (drawn("checkerboard") / 2).floor().long()
    assert {*squares.flatten().tolist()} <= {-2, -1, 0, 1}
    assert {(x + y) % 2 for x, y in squares.tolist()} == {0}
    assert len({*map(tuple, squares.tolist())}) == 8


def test_a_pinwheel_has_five_arms() -> None:
    """Turned back by its bend, every point lies along one of five directions."""
    points = drawn("pinwheel") / 2
    along = points.norm(dim=1)  # the offset across is small against it
    angle = torch.atan2(points[:, 1], points[:, 0]) + 0.25 * along.exp()
    folded = torch.remainder(angle + math.pi / 5, 2 * math.pi / 5) - math.pi / 5
    far = along > 0.5
    assert float(folded[far].abs().quantile(0.9)) < 0.3


def test_spirals_turn_with_their_radius() -> None:
    """On an arm the radius is the angle, but for half a turn between the arms, over three."""
    points = drawn("2spirals") * 3
    radius = points.norm(dim=1)
    angle = torch.atan2(points[:, 1], -points[:, 0])
    off = torch.remainder(radius - angle + math.pi / 2, math.pi) - math.pi / 2
    far = radius > 4
    assert float(off[far].abs().quantile(0.9)) < 0.9


def test_tables_are_read_scaled_and_split(tmp_path: Path) -> None:
    values = np.random.default_rng(0).normal((5, -3, 0), (2, 0.1, 1), (500, 3)).astype(np.float32)
    np.savez(tmp_path / "points.npz", x=values)
    np.savetxt(tmp_path / "points.csv", values, delimiter=",", header="first,second,third", comments="")
    for name in ("points.npz", "points.csv"):
        points = load_points(str(tmp_path / name))
        assert points.name == "points"
        assert points.dimension == 3
        assert 60 < len(points.test) < 140
        assert points.mean == pytest.approx((5, -3, 0), abs=0.4)
        assert points.std == pytest.approx((2, 0.1, 1), rel=0.2)
        rows = {tuple(row) for row in points.draw(200, torch.Generator().manual_seed(0)).tolist()}
        assert rows <= {tuple(row) for row in torch.from_numpy(values).tolist()} or name.endswith("csv")
        assert not rows & {tuple(row) for row in points.test.tolist()}


def test_numbers_without_a_head_are_read_from_the_first_row(tmp_path: Path) -> None:
    rows = "".join(f"{row},{row + 1}e-3\n" for row in range(50))
    (tmp_path / "plain.csv").write_text(rows)
    points = load_points(str(tmp_path / "plain.csv"))
    assert points.dimension == 2
    assert points.std[1] == pytest.approx(points.std[0] / 1000)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("empty.csv", "", "at least 12 rows, got 0"),
        ("words.csv", "a,b\nc,d\n", "not readable as a table"),
        ("few.csv", "1,2\n3,4\n", "at least 12 rows, got 2"),
        ("eleven.csv", "".join(f"{row},{row}\n" for row in range(11)), "at least 12 rows, got 11"),
        ("flat.csv", "".join(f"{row},7\n" for row in range(30)), "column 2 of .* is the same in every row"),
        ("hole.csv", "1,2\n" * 30 + "nan,3\n", "row 30 of .* is not"),
        ("table.txt", "1,2\n", "from .npz or .csv, got"),
        ("broken.npz", "no archive", "not readable as a table"),
    ],
)
@pytest.mark.filterwarnings("error")
def test_wrong_files_are_refused(tmp_path: Path, name: str, content: str, message: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(InputError, match=message):
        load_points(str(tmp_path / name))


def test_wrong_arrays_and_names_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "other.npz", points=np.zeros((5, 2)))
    with pytest.raises(InputError, match="must hold an array 'x', it holds points"):
        load_points(str(tmp_path / "other.npz"))
    np.savez(tmp_path / "flat.npz", x=np.zeros(5))
    with pytest.raises(InputError, match=r"must be a table \(N, dimension\), got shape \(5,\)"):
        load_points(str(tmp_path / "flat.npz"))
    with pytest.raises(InputError, match=r"unknown density 'moon' .*did you mean moons"):
        load_points("moon")
