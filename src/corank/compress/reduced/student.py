"""The small network: dense layers between sampled features, with the activations and poolings of the original.

Daulbaev, "Applications of Differential Equations and Reduced-Order Modeling for Deep Learning", eq. 5.14. Its layers
carry the names of the layers that they stand for.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from keyword import iskeyword

from torch import Tensor, nn

from corank.compress.reduced.steps import Sampled

START = "start"
OF_A_SMALL_NETWORK = re.compile(r"^ron\d*\.layers\.")  # its layers keep their names when it is reduced again


class DenseLayer(nn.Module):
    """One layer: the sum of linear maps of earlier ones, activation and pooling.

    Args:
        maps: `(width, ...)` a matrix a source, by its name.
        bias: `(width,)`.
        steps: activations and poolings on `(B, width)`.
        coordinates: `(R, P)`, from kept features to coordinates; None where readers take the features.
        dropout: share of the kept features that training leaves out.
    """

    def __init__(
        self,
        maps: Mapping[str, Tensor],
        bias: Tensor,
        steps: Sequence[Sampled] = (),
        coordinates: Tensor | None = None,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        biases = [bias, *[None] * (len(maps) - 1)]
        pairs = zip(maps.items(), biases, strict=True)
        self.maps = nn.ModuleDict({name: linear(matrix, added) for (name, matrix), added in pairs})
        self.normalisation: nn.Module = nn.Identity()
        self.steps = list(steps)
        self.slopes = nn.ModuleList(step for step in steps if isinstance(step, nn.Module))
        self.dropout = nn.Dropout(dropout) if dropout else nn.Identity()
        self.coordinates = nn.Identity() if coordinates is None else linear(coordinates)

    @property
    def offset(self) -> nn.Parameter:
        """What the maps add, `(width,)`; the first of them has it."""
        found = next(iter(self.maps.values())).bias
        assert isinstance(found, nn.Parameter)
        return found

    def mapped(self, values: Mapping[str, Tensor]) -> Tensor:
        """What goes into batch norm and activation, `(B, width)`."""
        first, *others = (layer(values[name]) for name, layer in self.maps.items())
        total: Tensor = sum(others, first)
        return total

    def forward(self, values: Mapping[str, Tensor]) -> Tensor:
        """The kept features, `(B, P)`."""
        found: Tensor = self.normalisation(self.mapped(values))
        for step in self.steps:
            found = step(found)
        return found

    def read(self, kept: Tensor) -> Tensor:
        """What later layers read: the kept features or their coordinates."""
        found: Tensor = self.coordinates(self.dropout(kept))
        return found


class DenseTail(nn.Module):
    """The small network in place of a tail.

    Args:
        layers: by name, in the order of computation.
        output: the map to the logits.
        projection: `(R, D)`, from the start to coordinates of it; None where the layers read the start as it is.
        closing: what is done to the logits last; None for nothing.
    """

    def __init__(
        self,
        layers: Mapping[str, DenseLayer],
        output: DenseLayer,
        projection: Tensor | None = None,
        closing: Sampled | None = None,
    ) -> None:
        super().__init__()
        self.closing = closing
        self.layers = nn.ModuleDict(layers)
        self.output = output
        self.projection = nn.Identity() if projection is None else linear(projection)

    def forward(self, x: Tensor) -> Tensor:
        """The output `(B, classes)` for values `(B, ...)` at the start."""
        *_, values = self.states(x)
        logits = self.output.mapped(values)
        return logits if self.closing is None else self.closing(logits)

    def states(self, x: Tensor) -> Iterator[dict[str, Tensor]]:
        """After every layer, the first time before any, what later layers read, by name."""
        values = {START: self.projection(x.flatten(1))}
        yield values
        for name, layer in self.layers.items():
            assert isinstance(layer, DenseLayer)
            values[name] = layer.read(layer(values))
            yield values


def layer_names(labels: Sequence[str]) -> tuple[str, ...]:
    """Names of modules for the layers at some points, one for each and as near to the points' as can be.

    Example:
        >>> layer_names(["features.3", "relu@1", "type", "ron.layers.conv1"])
        ('features_3', 'relu_1', 'type_', 'conv1')
    """
    taken = {START, *dir(nn.ModuleDict())}
    names = []
    for label in labels:
        name = re.sub(r"\W", "_", OF_A_SMALL_NETWORK.sub("", label))
        while name in taken or iskeyword(name):
            name += "_"
        taken.add(name)
        names.append(name)
    return tuple(names)


def linear(matrix: Tensor, bias: Tensor | None = None) -> nn.Linear:
    """A linear layer of these numbers."""
    layer = nn.Linear(matrix.shape[1], matrix.shape[0], bias=bias is not None, device="meta")
    layer.weight = nn.Parameter(matrix.contiguous())
    if bias is not None:
        layer.bias = nn.Parameter(bias.contiguous())
    return layer
