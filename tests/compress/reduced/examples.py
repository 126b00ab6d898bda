"""Small networks of all kinds that can be reduced, and what is done to each in the tests."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, cached_property

import torch
from torch import Tensor, fx, nn

from corank.compress.reduced.bases import Bases, measure_bases
from corank.compress.reduced.reduction import Reduced, Reduction
from corank.compress.reduced.stages import Tail, tail_of
from corank.network import GraphNetwork, Layers, Normalised, Reader, capture
from corank.zoo.nets.preresnet import PreActivationBlock
from corank.zoo.nets.resnet import Block

from ...network import architectures

Data = list[tuple[Tensor, Tensor]]
CLASSES = 3
ACTIVATIONS: tuple[nn.Module, ...] = (
    nn.ReLU(), nn.ReLU6(), nn.LeakyReLU(0.2), nn.PReLU(init=0.3), nn.ELU(), nn.SELU(), nn.CELU(0.7), nn.GELU(),
    nn.GELU(approximate="tanh"), nn.SiLU(), nn.Mish(), nn.Hardswish(), nn.Hardsigmoid(), nn.Hardtanh(-0.5, 0.7),
    nn.Tanh(), nn.Sigmoid(), nn.Softplus(beta=2), nn.LogSigmoid(), nn.Threshold(0.1, -0.3),
    nn.Tanhshrink(), nn.Softshrink(0.2), nn.Hardshrink(0.2),
)  # fmt: skip


class Activations(nn.Module):
    """Every activation on a branch of its own, and functions that are no modules."""

    def __init__(self) -> None:
        super().__init__()
        self.linears = nn.ModuleList([nn.Linear(4, 3) for _ in range(len(ACTIVATIONS) + 1)])
        self.activations = nn.ModuleList(copy.deepcopy(ACTIVATIONS))
        self.last = nn.Linear(3 * len(self.linears) + 9, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        *lines, other = [linear(x) for linear in self.linears]
        done = [activation(line) for activation, line in zip(self.activations, lines, strict=True)]
        return self.last(torch.cat([*done, torch.sin(other), other.abs(), other**2, torch.exp(-other.clamp(-1, 2))], 1))


class Summed(nn.Module):
    """Branches that are subtracted, scaled, divided, sliced, split and stacked; values read more than once."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(6, 6)
        self.second = nn.Linear(6, 6)
        self.last = nn.Linear(6, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.first(x))
        y = torch.tanh(self.second(1.0 - x)) * torch.arange(1.0, 7.0).to(self.last.weight) / 3.0
        left, right = torch.chunk(x - 2.0 * y, 2, 1)
        z = torch.sigmoid(torch.cat([-right, left], 1)) + x
        return self.last(torch.stack([x + x, z], 2).mean(2) + nn.functional.pad(z[:, ::2], (3, 0)))


class Written(nn.Module):
    """Functions of single numbers that are written out, within each other and beside an identity."""

    def __init__(self) -> None:
        super().__init__()
        self.linears = nn.ModuleList([nn.Linear(4, 3) for _ in range(7)])
        self.dropout = nn.Dropout(0.1)
        self.last = nn.Linear(21, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        a, b, c, d, e, f, g = [linear(x) for linear in self.linears]
        cubic = 0.5 * d * (1 + torch.tanh(0.8 * (d + 0.045 * d**3)))
        gated = self.dropout(e) * torch.sigmoid(e.clone())
        soft = nn.functional.softsign(g)
        return self.last(torch.cat([
            nn.functional.softsign(a), b * b, torch.div(c, 0.25, rounding_mode="floor"), cubic, gated + e,
            torch.where(f > 0, f, 0.1 * f), soft * soft,
        ], 1))  # fmt: skip


def slopes() -> nn.Module:
    """Rectifiers with a slope a channel, in front of and behind poolings, of which one is adaptive."""
    net = nn.Sequential(
        nn.Conv2d(2, 4, 3, padding=1), nn.PReLU(4), nn.MaxPool2d(2, 1), nn.PReLU(4), nn.Conv2d(4, 3, 2), nn.Softsign(),
        nn.AdaptiveMaxPool2d((2, 3)), nn.Flatten(), nn.PReLU(18), nn.Linear(18, CLASSES),
    )  # fmt: skip
    for module in net:
        if isinstance(module, nn.PReLU):
            nn.init.uniform_(module.weight, 0.1, 0.9)
    return net


def vgg() -> nn.Module:
    """Max-poolings that overlap, are padded, dilated and rounded up; average pooling, flatten and dropout."""
    return nn.Sequential(
        nn.Conv2d(2, 3, 3, padding=1), nn.BatchNorm2d(3), nn.ReLU(), nn.MaxPool2d(3, 2, padding=1),
        nn.Conv2d(3, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4), nn.LeakyReLU(),
        nn.MaxPool2d(2, 2, dilation=2, ceil_mode=True), nn.Dropout(0.3), nn.AvgPool2d(2, 1), nn.Flatten(),
        nn.Linear(4, 6), nn.Dropout(0.5), nn.Tanh(), nn.Linear(6, CLASSES),
    )  # fmt: skip


def pooled_first() -> nn.Module:
    """A pooling in front of an activation that falls and rises, and two poolings after each other."""
    return nn.Sequential(
        nn.Conv2d(2, 3, 3, padding=1), nn.BatchNorm2d(3), nn.MaxPool2d(2, 1), nn.GELU(), nn.Dropout(0.2),
        nn.MaxPool2d((3, 2), (2, 1)), nn.MaxPool2d(2, ceil_mode=True), nn.Conv2d(3, 4, 1), nn.ReLU(),
        nn.AdaptiveAvgPool2d((1, 2)), nn.Flatten(), nn.Linear(8, CLASSES),
    )  # fmt: skip


def one_d() -> nn.Module:
    return nn.Sequential(
        nn.Conv1d(2, 4, 5, stride=2, padding=2), nn.BatchNorm1d(4), nn.ReLU(), nn.MaxPool1d(3, 2, padding=1),
        nn.Conv1d(4, 4, 3, padding=2, dilation=2, groups=2), nn.SiLU(), nn.AvgPool1d(2), nn.Flatten(),
        nn.Linear(12, CLASSES),
    )  # fmt: skip


def three_d() -> nn.Module:
    return nn.Sequential(
        nn.Conv3d(1, 3, 3, padding=1), nn.ReLU(), nn.MaxPool3d((2, 2, 3), 2, padding=(0, 1, 1)), nn.Conv3d(3, 2, 2),
        nn.Tanh(), nn.AdaptiveAvgPool3d(1), nn.Flatten(), nn.Linear(2, CLASSES),
    )  # fmt: skip


def convolutions() -> nn.Module:
    """Grouped, strided, dilated, depthwise, transposed, padded by reflection, shuffled and enlarged."""
    return nn.Sequential(
        nn.Conv2d(2, 4, 3, stride=2, padding=1, groups=2), nn.ReLU(), nn.Conv2d(4, 4, 3, padding=2, dilation=2),
        nn.InstanceNorm2d(4, affine=True, track_running_stats=True), nn.ReLU(),
        nn.Conv2d(4, 4, 3, padding=1, groups=4, padding_mode="reflect"), nn.Tanh(),
        nn.ConvTranspose2d(4, 2, 3, stride=2, padding=1, output_padding=1), nn.ReLU6(), nn.PixelUnshuffle(2),
        nn.Conv2d(8, 2, 3), nn.ELU(), nn.Upsample(scale_factor=2, mode="bilinear"), nn.ReLU(), nn.Flatten(),
        nn.Linear(2 * 16, CLASSES),
    )  # fmt: skip


def residual() -> nn.Module:
    """Basic blocks with the identity, with a padded shortcut, and with a convolution for one."""
    projection = nn.Sequential(nn.Conv2d(4, 5, 1, stride=2, bias=False), nn.BatchNorm2d(5))
    return nn.Sequential(
        nn.Conv2d(2, 2, 3, padding=1), nn.ReLU(), Block(2, 2, 1), Block(2, 4, 2), Block(4, 5, 2, projection),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(5, CLASSES),
    )  # fmt: skip


def preactivated() -> nn.Module:
    """A stream that is read twice: by the next branch, and by the shortcut around it."""
    return nn.Sequential(
        nn.Conv2d(2, 3, 3, padding=1, bias=False), PreActivationBlock(3, 3, 1), PreActivationBlock(3, 4, 2),
        nn.BatchNorm2d(4), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, CLASSES),
    )  # fmt: skip


def wrapped() -> nn.Module:
    return Normalised(vgg(), [0.3, -0.2], [0.5, 2.0])


def ends_in_an_activation() -> nn.Module:
    return nn.Sequential(nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, CLASSES), nn.Sigmoid())


BUILDERS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "activations": (Activations, (4,)),
    "summed": (Summed, (6,)),
    "written": (Written, (4,)),
    "slopes": (slopes, (2, 6, 7)),
    "vgg": (vgg, (2, 7, 7)),
    "pooled first": (pooled_first, (2, 6, 7)),
    "1-d": (one_d, (2, 24)),
    "3-d": (three_d, (1, 4, 4, 4)),
    "convolutions": (convolutions, (2, 8, 8)),
    "residual": (residual, (2, 8, 8)),
    "preactivated": (preactivated, (2, 6, 6)),
    "wrapped": (wrapped, (2, 7, 7)),
    "log-softmax": (lambda: nn.Sequential(nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 3), nn.LogSoftmax(1)), (4,)),
    "sigmoid": (ends_in_an_activation, (4,)),
}
OTHERS = ("mlp", "functional", "shared", "nested_shared", "tied", "in_place", "dense", "preactivation")
NAMES = (*BUILDERS, *OTHERS)


@dataclass(eq=False)
class Example:
    """A network in evaluation mode with lively statistics, its graph, its points and random samples."""

    network: nn.Module
    graph: GraphNetwork
    layers: Layers
    data: Data

    @property
    def x(self) -> Tensor:
        return torch.cat([x for x, _ in self.data])

    @property
    def starts(self) -> list[fx.Node]:
        """The input and every legal cut after which there is something to reduce."""
        places = [self.graph.input_node, *self.layers.legal_cuts]
        return [node for node in places if tail_of(self.layers, node).stages]

    @cached_property
    def values(self) -> dict[str | None, Tensor]:
        """Of all samples, by the labels of the legal cuts, and the inputs themselves."""
        labels = [self.layers.point(node).label for node in self.layers.legal_cuts]
        return {None: self.x, **Reader(self.graph, labels, self.x).activations(self.x)}


@cache
def example(name: str, dtype: torch.dtype = torch.float64) -> Example:
    with torch.random.fork_rng():
        torch.manual_seed(3)
        if name in BUILDERS:
            make, shape = BUILDERS[name]
            network = lively(make().to(dtype))
        else:
            architecture = architectures.build(name, dtype)
            network, shape = architecture.network, architecture.shape
        return captured(network, [(torch.randn(16, *shape, dtype=dtype), torch.randint(3, (16,))) for _ in range(4)])


def captured(network: nn.Module, data: Data) -> Example:
    x = data[0][0]
    graph = capture(network, x)
    return Example(network, graph, Layers(graph, x.shape[1:], x.dtype), data)


def lively(network: nn.Module) -> nn.Module:
    """With statistics and scales that a mistake in a batch norm would show."""
    for module in network.modules():
        if isinstance(module, nn.modules.batchnorm._NormBase):
            module.running_mean.normal_(0, 0.5)
            module.running_var.uniform_(0.5, 2.0)
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, 0, 0.5)
    return network.eval()


@cache
def measured(one: Example, start: fx.Node | None = None, *, sketch_size: int = 10_000) -> tuple[Tail, Bases]:
    """A tail with all that its bases can tell."""
    tail = tail_of(one.layers, one.graph.input_node if start is None else start)
    return tail, measure_bases(tail, one.data, sketch_size=sketch_size, start=True, record=True)


def built(
    tail: Tail, bases: Bases, ranks: Sequence[int] | None = None, *, rows: float = 1.0, projected: int | None = None
) -> tuple[Reduction, Reduced]:
    """The small network of some ranks, by default of all features."""
    wanted = [stage.features for stage in tail.stages] if ranks is None else ranks
    reduction = Reduction(tail, bases, wanted, projected=projected)
    return reduction, reduction.build(reduction.shape.sized(wanted, rows=rows, multiple=1))


def relative(found: Tensor, expected: Tensor) -> float:
    """The largest error beside the largest value."""
    return float((found - expected).detach().abs().max() / expected.detach().abs().max())
