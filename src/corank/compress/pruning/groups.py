"""Channels that can only be removed together, with all the places where they are made, carried and read.

The channels of a layer are read by the layers behind it, normalised on the way, and added to those of other layers.
Torch-Pruning (Fang et al. 2023, DepGraph: Towards Any Structural Pruning) traces these dependencies; a group is what it
found, as plain data, so that removing channels is a selection of rows and columns and nothing is traced again.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd

from corank.errors import InputError
from corank.network import GraphNetwork
from corank.network.modular import Held, Modular, with_modules
from corank.network.quiet import quiet
from corank.network.weighted import name_of_weight, weight_node

Change = Callable[[nn.Module, list[int]], nn.Module]
"""Takes channels out of a module, in place."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Member:
    """A module and its channels that belong to a group.

    Attributes:
        path: of the module.
        change: removes some of them.
        makes: whether they are outputs of a convolution or a linear map, which determines their values.
        reads: whether they are its inputs.
        channels: `(n,)` of the module.
        roots: `(n,)` the channel of the group that each belongs to.
    """

    path: str
    change: Change
    makes: bool
    reads: bool
    channels: Tensor
    roots: Tensor


@dataclass(frozen=True, kw_only=True, eq=False)
class Group:
    """Channels of one or several layers that are removed together.

    Attributes:
        members: what changes when channels are removed.
        width: how many there are to choose from.
        repeats: how often they stand in a row, as in a grouped convolution, of whose groups each loses the same.
        reaches_output: whether they are the network's outputs.
        importance: `(width,)` what each is worth; None where it cannot be told.
        is_whole: whether all outputs of its layers belong to it.
        layers: the convolutions and linear maps whose outputs they are, as people name them.
        operations: the same, as the graph names its operations.
    """

    members: tuple[Member, ...]
    width: int
    repeats: int
    reaches_output: bool
    importance: Tensor | None
    is_whole: bool
    layers: tuple[str, ...]
    operations: tuple[str, ...]

    def least_important(self, count: int) -> Tensor:
        """That many channels, those of the least importance."""
        assert self.importance is not None
        return torch.argsort(self.importance, stable=True)[:count]

    def removal(self, channels: Tensor) -> dict[tuple[str, bool], tuple[Change, Tensor]]:
        """What goes from each module, by its path and whether it reads the channels, if some channels are removed."""
        gone = torch.zeros(self.repeats, self.width, dtype=torch.bool)
        gone[:, channels] = True
        return {
            (member.path, member.reads): (member.change, member.channels[gone.flatten()[member.roots]])
            for member in self.members
        }


def narrowed(graph: GraphNetwork, removals: Iterable[tuple[Group, Tensor]]) -> GraphNetwork:
    """A network of its own without some channels of some groups.

    Args:
        graph: the network in which the groups were found.
        removals: groups, and which of their channels go.
    """
    small = copy.deepcopy(narrowed_modules(graph, removals).as_graph())
    trained = {name: value.requires_grad for name, value in graph.named_parameters()}
    for name, value in small.named_parameters():
        value.requires_grad_(trained[name])
    return small


def narrowed_modules(graph: GraphNetwork, removals: Iterable[tuple[Group, Tensor]]) -> Modular:
    """The same as a network of modules, which shares with the whole one what it has in common."""
    modular = with_modules(graph)
    for (path, _), (change, channels) in together(removals).items():
        change(modular.get_submodule(path), channels.tolist())
    return modular


def together(removals: Iterable[tuple[Group, Tensor]]) -> dict[tuple[str, bool], tuple[Change, Tensor]]:
    """What goes from each module by all removals."""
    found: dict[tuple[str, bool], tuple[Change, Tensor]] = {}
    for group, channels in removals:
        for key, (change, gone) in group.removal(channels).items():
            before = found[key][1] if key in found else gone[:0]
            found[key] = (change, torch.unique(torch.cat([before, gone])))
    return {key: (change, gone) for key, (change, gone) in found.items() if len(gone)}


class Trace:
    """The dependencies between the modules of a network.

    Args:
        graph: the network, without fixed widths; it is left as it is.
        example: `(B, ...)` inputs.

    Raises:
        InputError: Torch-Pruning is not installed, or cannot trace the network.
    """

    def __init__(self, graph: GraphNetwork, example: Tensor) -> None:
        self._torch_pruning = _torch_pruning()
        self.modular = with_modules(copy.deepcopy(graph)).eval()
        self.modular.requires_grad_(False)
        for held in self.modular.held:
            self.modular.layer(held).requires_grad_(True)  # what carries no gradient is not traced, and never narrowed
        self._held = {self.modular.layer(held): held for held in self.modular.held}
        self._nodes = {node.name: node for node in graph.graph.nodes}
        self._graph = self._torch_pruning.DependencyGraph()
        with torch.enable_grad(), quiet():
            try:
                self._graph.build_dependency(
                    self.modular, example, forward_fn=lambda network, x: network(x).clone(), verbose=False
                )  # a clone, for the output is found only where it is an operation of its own
            except Exception as error:  # Torch-Pruning fails in many ways on what it does not know
                reason = (str(error).strip() or type(error).__name__).splitlines()[0]
                raise InputError(
                    f"Torch-Pruning cannot trace the network: {type(error).__name__}: {reason[:200]}; compress it by "
                    "another method"
                ) from error

    def groups(self, importance: Callable[[Any], Tensor | None]) -> list[Group]:
        """All groups, in order of computation.

        Args:
            importance: of the channels of a group of Torch-Pruning.
        """
        found: list[Group] = []
        for module, held in self._held.items():
            is_met = any(held.nodes[0] in group.operations for group in found)
            if _is_maker(module) and module in self._graph.module2node and not is_met:
                with quiet():
                    found.append(self._group(module, importance))
        return found

    def _group(self, root: nn.Module, importance: Callable[[Any], Tensor | None]) -> Group:
        change = self._graph.get_pruner_of_module(root).prune_out_channels
        count = self._graph.get_out_channels(root)
        traced = self._graph.get_pruning_group(root, change, list(range(count)))
        members = tuple(self._member(item) for item in traced if item.dep.target.module in self._held)
        made = {self.modular.get_submodule(member.path): member for member in members if member.makes}
        makers = [self._held[module] for module in made]
        repeats = max(_groups_in(self.modular.get_submodule(member.path)) for member in members)
        is_whole = (
            count % repeats == 0
            and all(bool((member.roots >= 0).all()) for member in members)
            and all(len(member.channels) == self._graph.get_out_channels(module) for module, member in made.items())
        )
        worth = _attempted(importance, traced) if is_whole else None
        output = self._torch_pruning.ops.OPTYPE.OUTPUT
        return Group(
            members=members,
            width=count // repeats,
            repeats=repeats,
            reaches_output=any(item.dep.target.type == output for item in traced),
            importance=None if worth is None else worth.view(repeats, -1).mean(0).cpu().double().nan_to_num(),
            is_whole=is_whole,
            layers=tuple(self._name(held) for held in makers),
            operations=tuple(name for held in makers for name in held.nodes),
        )

    def _name(self, held: Held) -> str:
        node = self._nodes[held.nodes[0]]
        weight = weight_node(node)
        assert weight is not None
        return name_of_weight(node, weight)

    def _member(self, item: Any) -> Member:
        module, handler = item.dep.target.module, item.dep.handler
        makes, reads = self._graph.is_out_channel_pruning_fn(handler), self._graph.is_in_channel_pruning_fn(handler)
        roots: Sequence[int | None] = item.root_idxs
        return Member(
            path=self._held[module].path,
            change=handler,
            makes=makes and not reads,
            reads=reads and not makes,
            channels=torch.tensor(list(item.idxs), dtype=torch.long),
            roots=torch.tensor([-1 if root is None else root for root in roots], dtype=torch.long),
        )


def _attempted(importance: Callable[[Any], Tensor | None], traced: Any) -> Tensor | None:
    try:
        return importance(traced)
    except (IndexError, RuntimeError):  # of channels that were traced wrongly
        return None


def _is_maker(module: nn.Module) -> bool:
    """Whether a layer makes channels of its own; a depthwise convolution hands on those that it reads."""
    is_depthwise = isinstance(module, _ConvNd) and module.groups == module.out_channels > 1
    return isinstance(module, nn.Linear | _ConvNd) and not is_depthwise


def _groups_in(module: nn.Module) -> int:
    """How many groups of channels a layer keeps apart; those of a depthwise convolution are single channels."""
    return module.groups if isinstance(module, _ConvNd) and _is_maker(module) else 1


def _torch_pruning() -> Any:
    try:
        import torch_pruning
    except ImportError as error:
        raise InputError("pruning needs the package torch-pruning: pip install 'corank[prune]'") from error
    return torch_pruning
