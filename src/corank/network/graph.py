"""A network as a graph of tensor operations, captured from any `nn.Module` by `torch.export`.

The graph is what makes cutting, naming of points between modules and reloading without the original class
possible. Every operation remembers which module calls it came from; parameters keep their state-dict names; and,
unlike an exported program, the graph can go back to training mode, because batch norm and dropout
stay single operations whose training flag is an argument.
"""

from __future__ import annotations

import operator
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.utils._pytree import tree_unflatten

from corank.errors import InputError
from corank.network.adapted import logits_in
from corank.network.quiet import quiet
from corank.network.wrapper import prefix_of, unwrapped

TRAINING_ARGUMENTS = ("training", "train", "use_input_stats")
LINES_SHOWN = 20  # of layers, when a network is printed
RETURNING_THEIR_INPUT = {"dropout", "feature_dropout", "alpha_dropout", "feature_alpha_dropout", "type_as"}
"""Operations that may return their very input, which their schema does not tell."""


@dataclass(frozen=True)
class Call:
    """One call of a module: its name in `named_modules()` and how many calls of it came before."""

    path: str
    order: int


class GraphNetwork(fx.GraphModule):
    """A captured network: one tensor in, one tensor out, the batch first in both.

    It is an ordinary `nn.Module` (training, `state_dict`, `to`, `deepcopy`). `train()` and `eval()` switch the
    training flag of those operations that were captured in evaluation mode. Two things keep their evaluation form:
    dropout inside attention (none), and running statistics of a batch norm with `momentum=None` (they stand still).
    """

    def train(self, mode: bool = True) -> GraphNetwork:
        """Switch batch norm and dropout of the whole graph, as `nn.Module.train` does."""
        super().train(mode)
        switched = [_set_argument(node, place, mode) for node, place in mode_arguments(self.graph)]
        if any(switched):
            self.recompile()
        return self

    @property
    def input_node(self) -> fx.Node:
        """The node that stands for the input."""
        found: fx.Node = next(node for node in self.graph.nodes if node.op == "placeholder")
        return found

    @property
    def output_node(self) -> fx.Node:
        """The node whose value is the network's output."""
        value = next(node for node in self.graph.nodes if node.op == "output").args[0]
        assert isinstance(value, fx.Node)
        return value

    def __repr__(self) -> str:
        """The layers with weight matrices in the order in which they run, instead of the generated code."""
        own = {name: value for name, value in self.named_parameters() if value.ndim > 1}
        order = {node: place for place, node in enumerate(self.graph.nodes)}
        used = [node for node in order if node.op == "get_attr" and node.target in own and node.users]
        first = {node: min(node.users, key=order.__getitem__) for node in used}
        lines = []
        for node, user in sorted(first.items(), key=lambda pair: order[pair[1]]):
            name = calls_of(user)[-1].path if calls_of(user) else str(node.target).removesuffix(".weight")
            operation = getattr(user.target, "__name__", user.op).partition(".")[0]
            lines.append(f"  {name}: {operation} {tuple(own[str(node.target)].shape)}")
        if len(lines) > LINES_SHOWN:
            lines[LINES_SHOWN // 2 : -LINES_SHOWN // 2] = [f"  ... {len(lines) - LINES_SHOWN} more ..."]
        count = sum(value.numel() for value in self.parameters())
        return "\n".join([f"GraphNetwork of {count:,} parameters", *lines])

    def __str__(self) -> str:
        return repr(self)

    def __deepcopy__(self, memo: dict[int, Any]) -> GraphNetwork:
        copy = assemble({name: _clone(value) for name, value in tensors_of(self).items()}, self.graph)
        copy.train(self.training)
        memo[id(self)] = copy
        return copy


def capture(network: nn.Module, example: Tensor) -> GraphNetwork:
    """The graph of a network as it computes in evaluation mode; it shares the network's parameters.

    Args:
        network: any `nn.Module` of one tensor, the batch first, that returns a tensor or an object whose `logits`
            it is; it is left as it was found.
        example: `(B, ...)` one batch of inputs; the batch size stays free.

    Raises:
        InputError: an empty batch, the network cannot be captured (control flow that depends on values), or it
            does not map one tensor to one tensor.

    Example:
        >>> net = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))
        >>> graph = capture(net, torch.zeros(2, 4))
        >>> torch.equal(graph(torch.ones(5, 4)), net(torch.ones(5, 4)))
        True
        >>> sorted(graph.state_dict())
        ['0.bias', '0.weight', '2.bias', '2.weight']
    """
    if isinstance(network, GraphNetwork):
        return network
    if not isinstance(example, Tensor):
        raise InputError(f"the network must map one tensor to one tensor, got a {type(example).__name__} of inputs")
    if example.ndim == 0 or len(example) == 0:
        raise InputError(f"the example must be a batch of inputs, got a tensor of shape {tuple(example.shape)}")
    example = example if len(example) > 1 else torch.cat([example, example])
    exported = _export(network, example)
    inputs = [node for node in exported.graph.nodes if node.op == "placeholder"]
    outputs = next(node for node in exported.graph.nodes if node.op == "output").args[0]
    form: Any = exported.graph._codegen
    logits = logits_in(tree_unflatten(list(outputs), form.pytree_info.out_spec))
    if len(inputs) != 1 or not isinstance(logits, fx.Node):
        raise InputError(
            f"the network must map one tensor to one tensor, got {len(inputs)} inputs and {len(outputs)} outputs: "
            "give Adapted(network, output=...), which finds the logits"
        )
    graph, used = _plain_graph(exported, logits, prefix_of(network))
    return assemble(used, graph)


def assemble(tensors: Mapping[str, Tensor], graph: fx.Graph) -> GraphNetwork:
    """A graph network in evaluation mode from a graph and the tensors that it names.

    What the output does not need is left out; nodes keep what they know of their origin.
    """
    copy = fx.Graph()
    copies: dict[fx.Node, fx.Node] = {}
    for node in graph.nodes:
        copies[node] = copy.node_copy(node, lambda other: copies[other])
    copy.eliminate_dead_code(is_impure_node=_is_boundary)  # by default it keeps dropout and all that leads to it
    wanted = {node.target for node in copy.nodes if node.op == "get_attr"}
    network = GraphNetwork({name: value for name, value in tensors.items() if name in wanted}, copy)
    network.eval()
    return network


def _is_boundary(node: fx.Node) -> bool:
    return node.op in ("placeholder", "output")


def tensors_of(network: nn.Module) -> dict[str, Tensor]:
    """Parameters and buffers by name, each as the very object that the network uses."""
    return {**dict(network.named_parameters()), **dict(network.named_buffers())}


def calls_of(node: fx.Node) -> tuple[Call, ...]:
    """The module calls in which an operation happened, outermost first; the network itself is left out."""
    found: tuple[Call, ...] = node.meta.get("calls", ())
    return found


def mode_arguments(graph: fx.Graph) -> Iterator[tuple[fx.Node, int]]:
    """The operations that depend on training or evaluation mode, with the place of their flag.

    Only those captured with the flag off: batch norm without running statistics always has it on.
    """
    for node in graph.nodes:
        if "mode" in node.meta:
            yield node, node.meta["mode"]


@contextmanager
def evaluation_mode(network: nn.Module) -> Iterator[None]:
    """Evaluation mode for a while; every submodule gets its own mode back."""
    modes = {module: module.training for module in network.modules()}
    network.eval()
    try:
        yield
    finally:
        for module, mode in modes.items():
            if isinstance(module, GraphNetwork):
                module.train(mode)
        for module, mode in modes.items():
            module.training = mode


def _export(network: nn.Module, example: Tensor) -> fx.GraphModule:
    with evaluation_mode(network), torch.enable_grad(), quiet():
        try:
            program = torch.export.export(
                network, (example,), dynamic_shapes=({0: torch.export.Dim.DYNAMIC},), strict=False
            )
        except Exception as error:  # torch.export raises many unrelated types
            reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
            name = type(unwrapped(network)).__name__
            raise InputError(
                f"{name} cannot be captured as a graph: {type(error).__name__}: {reason[:300]}; "
                "name layers by module, or rewrite the part whose control flow depends on values"
            ) from error
        return program.module(check_guards=False)


def _plain_graph(exported: fx.GraphModule, logits: fx.Node, prefix: str) -> tuple[fx.Graph, dict[str, Tensor]]:
    """A graph without pytrees, guards and in-place operations, and the tensors that it uses.

    It ends in the logits. The prefix is left out of the names of module calls.
    """
    graph = fx.Graph()
    copies: dict[fx.Node, fx.Node] = {}
    canonical: dict[int, fx.Node] = {}
    tensors: dict[str, Tensor] = {}
    for node in exported.graph.nodes:
        if node.op == "output":
            graph.output(copies[logits])
        elif node.op == "get_attr":
            value = operator.attrgetter(str(node.target))(exported)
            if id(value) not in canonical:
                canonical[id(value)] = graph.node_copy(node)
                tensors[str(node.target)] = value
            copies[node] = canonical[id(value)]
        elif node.op != "call_module":
            _copy_call(graph, node, copies, prefix)
    return graph, tensors


def _copy_call(graph: fx.Graph, node: fx.Node, copies: dict[fx.Node, fx.Node], prefix: str) -> None:
    copy = graph.node_copy(node, lambda other: copies[other])
    copy.meta = {"calls": _calls(node.meta.get("nn_module_stack") or {}, prefix)}
    copies[node] = copy
    if node.op != "call_function" or not isinstance(node.target, torch._ops.OpOverload):
        return
    _remember_mode(copy)
    if node.target._schema.is_mutable:
        _make_functional(node, copy, copies)


def _make_functional(node: fx.Node, copy: fx.Node, copies: dict[fx.Node, fx.Node]) -> None:
    """Replace `relu_(x)` by `relu(x)` and let every later reader of x read the result."""
    packet, overload = node.target._overloadpacket.__name__, node.target._overloadname  # type: ignore[union-attr]
    twin = getattr(getattr(torch.ops.aten, packet.rstrip("_"), None), overload, None)
    changed = node.args[0] if node.args else None
    if twin is None or not isinstance(changed, fx.Node) or _is_read_under_another_name(changed, node):
        raise InputError(
            f"the network cannot be captured as a graph: {packet} changes a tensor in place that is read elsewhere; "
            "use the out-of-place form there"
        )
    copy.target = twin
    for name in _names_of(changed):
        copies[name] = copy


def _names_of(changed: fx.Node) -> list[fx.Node]:
    """A node and those before it that stand for the same tensor, each changed in place into the next."""
    names = [changed]
    while _is_in_place(names[-1]):
        names.append(names[-1].all_input_nodes[0])
    return names


def _is_read_under_another_name(changed: fx.Node, node: fx.Node) -> bool:
    """Whether memory that a node changes in place is a parameter, or is read later through a view made before."""
    order = {other: place for place, other in enumerate(node.graph.nodes)}
    family, waiting = {changed}, [changed]
    while waiting:
        member = waiting.pop()
        related = [user for user in member.users if _shares_memory(user) and user.all_input_nodes[0] is member]
        if _shares_memory(member):
            related.append(member.all_input_nodes[0])
        waiting.extend(other for other in related if other not in family)
        family.update(related)
    others = family.difference(_names_of(changed))
    return any(member.op == "get_attr" for member in family) or any(
        order[user] > order[node] for member in others if order[member] < order[node] for user in member.users
    )


def _shares_memory(node: fx.Node) -> bool:
    return _is_view(node) or _is_in_place(node)


def _is_in_place(node: fx.Node) -> bool:
    return isinstance(node.target, torch._ops.OpOverload) and node.target._schema.is_mutable


def _is_view(node: fx.Node) -> bool:
    """Whether an operation's result may be its first argument's memory, perhaps in another shape."""
    if node.target is operator.getitem:
        return _is_view(node.all_input_nodes[0])  # a part of a tensor that was split
    if not isinstance(node.target, torch._ops.OpOverload) or not node.all_input_nodes:
        return False
    returns = node.target._schema.returns
    aliases = bool(returns) and returns[0].alias_info is not None
    may_alias = aliases or node.target._overloadpacket.__name__ in RETURNING_THEIR_INPUT
    return may_alias and not node.target._schema.is_mutable


def _calls(stack: Mapping[str, tuple[str, Any]], prefix: str) -> tuple[Call, ...]:
    found = []
    for key, (path, _) in stack.items():
        name = path.partition("@")[0]
        inner = name.removeprefix(prefix)
        if inner and not prefix.startswith(f"{name}."):
            found.append(Call(inner, int(key.rpartition("@")[2]) if "@" in key else 0))
    return tuple(found)


def _remember_mode(node: fx.Node) -> None:
    arguments = node.target._schema.arguments  # type: ignore[union-attr]
    for place, argument in enumerate(arguments):
        if argument.name in TRAINING_ARGUMENTS and argument.name not in node.kwargs:
            left_out = arguments[len(node.args) : place + 1]  # as they have their default values
            node.args = (*node.args, *(other.default_value for other in left_out))
            if node.args[place] is False:
                node.meta["mode"] = place


def _set_argument(node: fx.Node, place: int, value: bool) -> bool:
    if node.args[place] is value:
        return False
    node.update_arg(place, value)
    return True


def _clone(value: Tensor) -> Tensor:
    if isinstance(value, nn.Parameter):
        return nn.Parameter(value.detach().clone(), requires_grad=value.requires_grad)
    return value.detach().clone()
