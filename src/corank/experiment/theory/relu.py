"""Theorem 7 as an experiment: networks with ReLU learn the same points; how much of the feature do they look at?

Gao et al., section 6, Tables 3 and 4. Between two points b_1 and b_2 that differ in the last sign only,
`x_1 - x_2` is twice the last column of A at every place, and `rho` is the share of it along the gradient of
`f_1 - f_2` there. Table 4 looks at the gradient at the perturbed point instead, and at the length of the smallest
perturbation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

import torch
from torch import Tensor, nn

from corank.errors import InputError
from corank.experiment.theory.data import SignData, SignPoints
from corank.experiment.theory.options import TheoryTraining
from corank.train import fit

STEPS = 50  # towards the nearest point of the boundary
HALVINGS = 40


@dataclass(frozen=True, eq=False)
class ReluRun:
    """A trained network with its data.

    Attributes:
        data: the points.
        network: from points to two logits, float64.
        accuracy: over all points, a share.
    """

    data: SignData
    network: nn.Module
    accuracy: float


def relu_run(dimension: int, seed: int, options: TheoryTraining, hidden_layers: int = 1) -> ReluRun:
    """Draw a matrix and train a network with ReLU on its points.

    Args:
        dimension: of the points.
        seed: of the matrix, the initial weights and the order of the points.
        options: of the training.
        hidden_layers: how many, each of the width of the options.

    Raises:
        InputError: fewer than one hidden layer.
    """
    if hidden_layers < 1:
        raise InputError(f"hidden_layers must be at least 1, got {hidden_layers}")
    data = SignData.drawn(dimension, torch.Generator().manual_seed(seed), options.scale)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        layers: list[nn.Module] = []
        for incoming, outgoing in pairwise((dimension, *[options.width] * hidden_layers)):
            layers += [nn.Linear(incoming, outgoing), nn.ReLU()]
        network = nn.Sequential(*layers, nn.Linear(options.width, 2))
    fit(
        network,
        SignPoints(data, options.batch_of(dimension), seed),
        epochs=options.epochs,
        optimiser=partial(torch.optim.Adam, lr=options.learning_rate),
        seed=seed,
        label=f"{hidden_layers} hidden layers, d = {dimension}",
    )
    network.double()
    return ReluRun(data=data, network=network, accuracy=accuracy_of(data, network))


@torch.no_grad()
def accuracy_of(data: SignData, network: nn.Module) -> float:
    """The share of all points whose class has the larger logit."""
    right = 0
    for numbers in data.chunks():
        logits = network(data.signs(numbers) @ data.matrix.T)
        right += int((logits.argmax(1) == data.labels(numbers)).sum())
    return right / len(data)


def opposite_points(data: SignData, count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """`b_1 = A z_{+1}` and `b_2 = A z_{-1}`, each `(count, d)`: signs alike but for the last."""
    numbers = torch.randint(len(data) // 2, (count,), generator=generator)
    first, second = (data.signs(numbers + last) @ data.matrix.T for last in (len(data) // 2, 0))
    return first, second


def local_compression(run: ReluRun, alphas: Sequence[float], generator: torch.Generator) -> Tensor:
    """Rho at `alpha b_1 + (1 - alpha) b_2` for one pair of points, `(alphas,)`."""
    first, second = opposite_points(run.data, 1, generator)
    at = torch.tensor(alphas, dtype=torch.float64)[:, None]
    gradient = gradients(run.network, at * first + (1 - at) * second)[1]
    feature = (first - second)[0]
    rho: Tensor = (gradient @ feature).abs() / (gradient.norm(dim=1) * feature.norm())
    return rho


@dataclass(frozen=True)
class Perturbed:
    """The smallest perturbations that were found.

    Attributes:
        lengths: `(b,)`.
        cosines: `(b,)` between the gradient of `f_1 - f_2` at the perturbed points and the last column of A; class 1
            is that of the last sign -1, whose logit is the first.
    """

    lengths: Tensor
    cosines: Tensor


def perturbed(run: ReluRun, points: Tensor) -> Perturbed:
    """Table 4: the way to the boundary from each point, and the angle there."""
    lengths, ends = nearest_boundary(run.network, points)
    gradient = gradients(run.network, ends)[1]
    feature = run.data.feature
    return Perturbed(lengths, gradient @ feature / (gradient.norm(dim=1) * feature.norm()))


def nearest_boundary(network: nn.Module, points: Tensor, steps: int = STEPS) -> tuple[Tensor, Tensor]:
    """The nearest point found where both logits are equal.

    Each step projects the starting point on the boundary of the network as it is linear at the present place (the
    iteration of Hasofer, Lind, Rackwitz and Fiessler for the design point of a reliability problem), whose fixed points
    are the nearest points of smooth pieces of the boundary. Where the straight line to each place crosses the
    boundary is a candidate; the nearest is returned.

    Args:
        network: two logits.
        points: `(b, d)` to start from.
        steps: how many projections.

    Returns:
        `(b,)` lengths, infinite where no boundary was met, and `(b, d)` the places just beyond it.

    Raises:
        InputError: no boundary was met from any point.

    Example:
        >>> net = nn.Linear(2, 2, bias=False)
        >>> _ = net.weight.data.copy_(torch.tensor([[1.0, 0.0], [-1.0, 0.0]]))
        >>> nearest_boundary(net, torch.tensor([[3.0, 4.0]]))[0]
        tensor([3.])
    """
    side = gradients(network, points)[0].sign()
    place, best, ends = points, torch.full_like(points[:, 0], torch.inf), points.clone()
    for _ in range(steps):
        g, gradient = gradients(network, place)
        to_go = (gradient * (points - place)).sum(1) + g
        target = points - (to_go / gradient.square().sum(1).clamp_min(1e-300))[:, None] * gradient
        crossing = _crossing(network, points, 1.02 * (target - points), side)
        lengths = (crossing - points).norm(dim=1)
        is_nearer = lengths < best
        best, ends = torch.where(is_nearer, lengths, best), torch.where(is_nearer[:, None], crossing, ends)
        place = target
    if not bool(best.isfinite().any()):
        raise InputError(f"no change of class was found from {len(points)} points: the network may call all points one")
    return best, ends


@torch.no_grad()
def _crossing(network: nn.Module, points: Tensor, way: Tensor, side: Tensor) -> Tensor:
    """A place on each straight way just beyond the boundary, by halving; infinite where its end is not beyond."""
    low, high = torch.zeros_like(points[:, 0]), torch.ones_like(points[:, 0])
    logits = network(points + way)
    is_beyond = (logits[:, 0] - logits[:, 1]).sign() != side
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        logits = network(points + middle[:, None] * way)
        is_there = (logits[:, 0] - logits[:, 1]).sign() != side
        low, high = torch.where(is_there, low, middle), torch.where(is_there, middle, high)
    return torch.where(is_beyond[:, None], points + high[:, None] * way, torch.inf)


def gradients(network: nn.Module, points: Tensor) -> tuple[Tensor, Tensor]:
    """`f_1 - f_2` and its gradient at each point."""
    x = points.detach().requires_grad_()
    with torch.enable_grad():
        logits = network(x)
        g = logits[:, 0] - logits[:, 1]
        (gradient,) = torch.autograd.grad(g.sum(), x)
    return g.detach(), gradient
