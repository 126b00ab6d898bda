"""Densities to be learnt from points: six in the plane, written from formulas, and tables of numbers in files.

The planar ones are the toy problems of Grathwohl et al. 2019, FFJORD (section 4.1), with its scales; they are drawn
afresh for every batch. A file is `.npz` (its array `x`) or `.csv`; a fifth of its rows, chosen by a fixed hash of the
index, is set aside for the reported log-density.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from corank.errors import InputError, near
from corank.zoo.data.dataset import TEST_SHARE, index_hash
from corank.zoo.data.reason import reason

FEWEST = 12  # rows of a table

Draw = Callable[[int, torch.Generator], Tensor]
HELD_OUT = 2000  # points of a planar density that its log-density is reported on
_HELD_OUT_SEED = 20_190_510


@dataclass(frozen=True, kw_only=True, eq=False)
class PointData:
    """Points `(N, dimension)`, float32, of which the density is wanted.

    Attributes:
        name: how results name them.
        draw: `(count, generator)` to points for training: fresh ones, or rows of a table drawn with replacement.
        test: points that are not trained on.
        mean, std: of each coordinate of the training points; zero and one where the scale is as it should be.
    """

    name: str
    draw: Draw
    test: Tensor
    mean: tuple[float, ...]
    std: tuple[float, ...]

    @property
    def dimension(self) -> int:
        """Numbers a point has."""
        return self.test.shape[1]


def density_names() -> tuple[str, ...]:
    """The planar densities that `load_points` knows.

    Example:
        >>> density_names()
        ('2spirals', '8gaussians', 'checkerboard', 'circles', 'moons', 'pinwheel')
    """
    return tuple(sorted(_DENSITIES))


def load_points(spec: str) -> PointData:
    """Points by a name of `density_names()` or from a `.npz` or `.csv` file.

    Raises:
        InputError: nothing is known by that name, or the file is not a table of finite numbers with rows enough.

    Example:
        >>> moons = load_points("moons")
        >>> moons.draw(5, torch.Generator().manual_seed(0)).shape, moons.test.shape
        (torch.Size([5, 2]), torch.Size([2000, 2]))
    """
    if spec in _DENSITIES:
        draw = _DENSITIES[spec]
        test = draw(HELD_OUT, torch.Generator().manual_seed(_HELD_OUT_SEED))
        return PointData(name=spec, draw=draw, test=test, mean=(0.0, 0.0), std=(1.0, 1.0))
    path = Path(spec).expanduser()
    if path.is_file():
        return _table(path)
    raise InputError(f"unknown density {spec!r} (no such .npz or .csv file either): {near(spec, density_names())}")


def two_spirals(count: int, generator: torch.Generator) -> Tensor:
    """Two arms of a spiral, each the other turned by half a circle."""
    angle = _uniform(count, generator).sqrt() * 3 * math.pi
    arm = torch.stack([-angle.cos() * angle, angle.sin() * angle], 1)
    arm += 0.5 * torch.rand(count, 2, generator=generator)
    return _signs(count, generator)[:, None] * arm / 3 + 0.1 * _normal(count, generator)


def eight_gaussians(count: int, generator: torch.Generator) -> Tensor:
    """Eight round Gaussians on a circle."""
    angle = torch.randint(8, (count,), generator=generator) * (math.pi / 4)
    return (4 * _on_circle(angle) + 0.5 * _normal(count, generator)) / math.sqrt(2)


def checkerboard(count: int, generator: torch.Generator) -> Tensor:
    """Every second square of a board of four by four."""
    column = 4 * _uniform(count, generator) - 2
    row = _uniform(count, generator) - 2 * torch.randint(2, (count,), generator=generator) + column.floor() % 2
    return 2 * torch.stack([column, row], 1)


def circles(count: int, generator: torch.Generator) -> Tensor:
    """Two circles around the same centre."""
    radius = torch.where(_signs(count, generator) > 0, 1.0, 0.5)
    angle = 2 * math.pi * _uniform(count, generator)
    return 3 * (radius[:, None] * _on_circle(angle) + 0.08 * _normal(count, generator))


def moons(count: int, generator: torch.Generator) -> Tensor:
    """Two half circles, one inside the other's bow."""
    side = _signs(count, generator)
    angle = math.pi * _uniform(count, generator)
    x = torch.where(side > 0, angle.cos(), 1 - angle.cos())
    y = torch.where(side > 0, angle.sin(), 0.5 - angle.sin())
    return 2 * (torch.stack([x, y], 1) + 0.1 * _normal(count, generator)) + torch.tensor([-1.0, -0.2])


def pinwheel(count: int, generator: torch.Generator) -> Tensor:
    """Five bent arms."""
    along, across = (_normal(count, generator) * torch.tensor([0.3, 0.1])).unbind(1)
    along = along + 1
    angle = 2 * math.pi / 5 * torch.randint(5, (count,), generator=generator) + 0.25 * along.exp()
    cosine, sine = angle.cos(), angle.sin()
    return 2 * torch.stack([along * cosine + across * sine, across * cosine - along * sine], 1)


_DENSITIES: dict[str, Draw] = {
    "2spirals": two_spirals,
    "8gaussians": eight_gaussians,
    "checkerboard": checkerboard,
    "circles": circles,
    "moons": moons,
    "pinwheel": pinwheel,
}


def _uniform(count: int, generator: torch.Generator) -> Tensor:
    return torch.rand(count, generator=generator)


def _normal(count: int, generator: torch.Generator) -> Tensor:
    return torch.randn(count, 2, generator=generator)


def _signs(count: int, generator: torch.Generator) -> Tensor:
    return 2.0 * torch.randint(2, (count,), generator=generator) - 1


def _on_circle(angle: Tensor) -> Tensor:
    return torch.stack([angle.cos(), angle.sin()], 1)


def _table(path: Path) -> PointData:
    rows = _read(path)
    test = index_hash(len(rows)) < TEST_SHARE
    held_out, train = rows[test], rows[~test]
    if len(rows) < FEWEST or len(train) < 2 or not len(held_out):
        raise InputError(f"points for a density must be at least {FEWEST} rows, got {len(rows)} in {str(path)!r}")
    std = train.double().std(0)
    if bool((std == 0).any()):
        column = int((std == 0).int().argmax()) + 1
        raise InputError(f"column {column} of {str(path)!r} is the same in every row and has no density: leave it out")

    def draw(count: int, generator: torch.Generator) -> Tensor:
        return train[torch.randint(len(train), (count,), generator=generator)]

    return PointData(
        name=path.stem,
        draw=draw,
        test=held_out,
        mean=tuple(train.double().mean(0).tolist()),
        std=tuple(std.tolist()),
    )


def _read(path: Path) -> Tensor:
    """The rows of a file as float32."""
    try:
        if path.suffix == ".npz":
            with np.load(path, allow_pickle=False) as file:
                if "x" not in file:
                    raise InputError(f"{str(path)!r} must hold an array 'x', it holds {', '.join(file) or 'nothing'}")
                values = np.asarray(file["x"], dtype=np.float32)
        elif path.suffix == ".csv":
            with path.open() as file:
                has_head = any(letter.isalpha() for letter in file.readline().replace("e", ""))
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of an empty file, which is refused for its rows
                values = np.loadtxt(path, dtype=np.float32, delimiter=",", skiprows=int(has_head), ndmin=2)
        else:
            raise InputError(f"points are read from .npz or .csv, got {str(path)!r}")
    except InputError:
        raise
    except Exception as error:  # a damaged file fails wherever it is first read
        raise InputError(f"{str(path)!r} is not readable as a table of numbers: {reason(error)}") from error
    if values.ndim != 2 or (len(values) and not values.shape[1]):
        raise InputError(f"points must be a table (N, dimension), got shape {values.shape} in {str(path)!r}")
    if not np.isfinite(values).all():
        row = int((~np.isfinite(values)).any(1).argmax())
        raise InputError(f"points must be finite, row {row} of {str(path)!r} is not: leave it out")
    return torch.from_numpy(values)
