"""The linear map into a stage, applied without unrolling it: basis vectors are pushed through, rows pulled back.

A convolution, with its batch norm and all additions of branches, is a matrix that is never built. Its product with a
basis is a forward pass of the basis vectors as a batch; a row of it is the gradient of one output (Daulbaev,
"Applications of Differential Equations and Reduced-Order Modeling for Deep Learning", section 5.3.2).
"""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence

import torch
from torch import Tensor, fx

from corank.compress.reduced.stages import Tail
from corank.errors import InputError
from corank.network.graph import GraphNetwork, assemble, tensors_of
from corank.network.layers import is_size

NUMBERS_AT_ONCE = 2**25


class AffineMap:
    """The affine map from some values of a network to another one: `a = sum_j A_j z_j + b`.

    Args:
        tail: whose values they are.
        target: the value a.
        ends: values that are not looked behind: the start and the ends of earlier stages.

    Attributes:
        sources: those of `ends` that the target depends on, in the order of computation.

    Raises:
        InputError: the target depends on the size of something that is not the batch.
    """

    def __init__(self, tail: Tail, target: fx.Node, ends: Sequence[fx.Node]) -> None:
        self._values = tail.values
        self._ends = set(ends)
        shapes = tail.layers.shapes
        needed = self._needed(target)
        self.sources = [node for node in ends if node in needed]
        self._module = self._extracted(tail.layers.network, target, needed)
        tensor = next(self._module.parameters(), next(tail.layers.network.parameters(), torch.empty(0)))
        self._like = tensor.detach()
        self._shapes = [_sample_shape(shapes[node]) for node in self.sources]

    def offset(self) -> Tensor:
        """The constant b, `(D,)`."""
        with torch.no_grad():
            return self._module(*self._zeros(1)).flatten(1)[0]  # type: ignore[no-any-return]

    def push(self, place: int, vectors: Tensor) -> Tensor:
        """The products `A_j v` with vectors `(R, D_j)`, as `(R, D)`.

        They go through as long as images would be, so that a constant does not drown them in rounding.
        """
        pushed = []
        with torch.no_grad():
            offset = self._module(*self._zeros(1)).flatten(1)
            scale = math.sqrt(vectors.shape[1]) / max(float(vectors.norm(dim=1).mean()), 1e-30)
            for chunk in torch.split(vectors, self._at_once(place, offset.shape[1])):
                given = self._zeros(len(chunk))
                given[place] = (chunk.to(self._like) * scale).reshape(len(chunk), *self._shapes[place])
                pushed.append((self._module(*given).flatten(1) - offset) / scale)
        return torch.cat(pushed)

    def pull(self, place: int, rows: Tensor) -> Tensor:
        """Rows of the matrix `A_j`, `(len(rows), D_j)`: each is the gradient of one number of the target."""
        pulled = []
        for chunk in torch.split(rows, self._at_once(place, 1)):
            given = self._zeros(len(chunk))
            given[place].requires_grad_()
            with torch.enable_grad():
                outputs = self._module(*given).flatten(1)
                picked = outputs.gather(1, chunk[:, None].to(outputs.device))
                (gradient,) = torch.autograd.grad(picked.sum(), given[place])
            pulled.append(gradient.flatten(1))
        return torch.cat(pulled)

    def _at_once(self, place: int, features: int) -> int:
        return max(1, NUMBERS_AT_ONCE // max(features, math.prod(self._shapes[place])))

    def _zeros(self, batch: int) -> list[Tensor]:
        return [self._like.new_zeros(batch, *shape) for shape in self._shapes]

    def _needed(self, target: fx.Node) -> set[fx.Node]:
        """Everything that the target is computed from, up to the ends; sizes are asked of the inputs."""
        needed: set[fx.Node] = set()
        waiting = [target]
        while waiting:
            node = waiting.pop()
            if node in needed:
                continue
            needed.add(node)
            if not (node in self._ends or is_size(node)):
                waiting.extend(self._value(source) for source in node.all_input_nodes)
        return needed

    def _value(self, node: fx.Node) -> fx.Node:
        return self._values.get(node, node)

    def _extracted(self, network: GraphNetwork, target: fx.Node, needed: set[fx.Node]) -> GraphNetwork:
        graph = fx.Graph()
        copies = {node: graph.placeholder(f"z{number}") for number, node in enumerate(self.sources)}
        for node in network.graph.nodes:
            if node in needed and node not in copies:
                copies[node] = graph.node_copy(node, lambda source: copies[self._value(source)])
                if is_size(node):
                    if node.args[1] != 0:
                        raise InputError(f"the network cannot be reduced: {node.name} reads a size besides the batch's")
                    copies[node].args = (copies[self.sources[0]], 0)
        graph.output(copies[target])
        return copy.deepcopy(assemble(tensors_of(network), graph)).requires_grad_(False)


def _sample_shape(shape: tuple[int, ...] | None) -> tuple[int, ...]:
    assert shape is not None
    return shape
