"""Graph networks on disk: a JSON file for the graph, a safetensors file for the numbers.

A network reloads without the class that it was written in and without a pickle. Loading runs no code from the file:
every operation named there is looked up among PyTorch's own functions of tensors and a few of integer arithmetic, and
names that enter the graph's generated code may hold nothing that would end a name there.
"""

from __future__ import annotations

import json
import operator
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor, fx, nn

from corank.errors import InputError
from corank.network.graph import Call, GraphNetwork, assemble, calls_of, tensors_of

FORMAT = "corank-graph-1"
ARITHMETIC: dict[str, Callable[..., Any]] = {
    name: getattr(operator, name) for name in ("getitem", "add", "sub", "mul", "floordiv", "mod", "neg", "truediv")
}
NAME_OF_TENSOR = re.compile(r"[^\x00-\x1f\"\\]+")
NAMED = (torch.dtype, torch.device, torch.memory_format, torch.layout)


def graph_to_dict(network: GraphNetwork) -> dict[str, Any]:
    """The graph of a network as JSON-able values; the numbers are in its `state_dict`.

    Raises:
        InputError: an operation or argument that the format does not hold.
    """
    parameters = dict(network.named_parameters())
    return {
        "format": FORMAT,
        "parameters": sorted(parameters),
        "nodes": [_node_to_dict(node) for node in network.graph.nodes],
    }


def graph_from_dict(description: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> GraphNetwork:
    """The network of a description made by `graph_to_dict`.

    Raises:
        InputError: another format, an unknown operation, or a tensor that is missing.

    Example:
        >>> from corank.network.graph import capture
        >>> graph = capture(nn.Linear(3, 2), torch.zeros(2, 3))
        >>> twin = graph_from_dict(graph_to_dict(graph), graph.state_dict())
        >>> torch.equal(twin(torch.ones(1, 3)), graph(torch.ones(1, 3)))
        True
    """
    if description.get("format") != FORMAT:
        raise InputError(f"expected a graph of format {FORMAT!r}, got {description.get('format')!r}")
    graph = fx.Graph()
    nodes: dict[str, fx.Node] = {}
    for entry in description["nodes"]:
        nodes[entry["name"]] = _node_from_dict(graph, entry, nodes)
    trained = set(description["parameters"])
    missing = [node.target for node in graph.nodes if node.op == "get_attr" and node.target not in tensors]
    if missing:
        raise InputError(f"the weights lack the tensor {missing[0]!r} that the graph needs")
    named = {name: nn.Parameter(value) if name in trained else value for name, value in tensors.items()}
    return assemble(named, graph)


def save_tensors(tensors: Mapping[str, Tensor], file: Path) -> None:
    """Write tensors to a safetensors file, through a temporary one, so that no half file is ever seen.

    Tensors that share memory are written as many times as they have names. Who may read the file is decided by the
    umask, as for every other file.
    """
    aside = file.with_name(file.name + ".part")
    aside.unlink(missing_ok=True)
    aside.touch()
    mode = aside.stat().st_mode  # of a new file; safetensors would make one that nobody else can read
    apart = {name: value.detach().cpu().clone(memory_format=torch.contiguous_format) for name, value in tensors.items()}
    safetensors.torch.save_file(apart, aside)
    aside.chmod(mode)
    aside.replace(file)


def load_tensors(file: Path) -> dict[str, Tensor]:
    """Read a weights file: safetensors, or `.pt`/`.pth` read with `weights_only=True`, which runs no code.

    Raises:
        InputError: no such file, or it does not hold tensors by name.
    """
    if not file.is_file():
        raise InputError(f"no weights file {str(file)!r}")
    try:
        if file.suffix in (".pt", ".pth"):
            found = torch.load(file, map_location="cpu", weights_only=True)
        else:
            found = safetensors.torch.load_file(file)
    except (SafetensorError, OSError, RuntimeError, ValueError, EOFError, KeyError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise InputError(f"{str(file)!r} is not a readable weights file: {reason[:200]}") from error
    except Exception as error:  # unpickling refuses in many ways
        raise InputError(f"{str(file)!r} holds more than tensors and is not read: {type(error).__name__}") from error
    if not isinstance(found, dict) or not all(
        isinstance(name, str) and isinstance(value, Tensor) for name, value in found.items()
    ):
        raise InputError(f"{str(file)!r} must hold a dictionary of tensors (a state_dict)")
    return {name: value.clone() for name, value in found.items()}  # aligned, on which the last bits of products depend


def save_graph(network: GraphNetwork, folder: Path) -> None:
    """Write `graph.json` and `weights.safetensors` into an existing folder."""
    (folder / "graph.json").write_text(json.dumps(graph_to_dict(network), separators=(",", ":")))
    save_tensors(tensors_of(network), folder / "weights.safetensors")


def load_graph(folder: Path) -> GraphNetwork:
    """The network that `save_graph` wrote.

    Raises:
        InputError: a file is missing, damaged or of another format.
    """
    file = folder / "graph.json"
    try:
        description = json.loads(file.read_text())
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{str(file)!r} is not a readable graph: {type(error).__name__}: {error}") from error
    tensors = load_tensors(folder / "weights.safetensors")
    try:
        return graph_from_dict(description, tensors)
    except InputError as error:
        raise InputError(f"{str(file)!r}: {error}") from error
    except Exception as error:  # a damaged description fails wherever it is first used
        reason = (str(error).strip() or "no reason given").splitlines()[0]
        raise InputError(f"{str(file)!r} describes no graph: {type(error).__name__}: {reason[:200]}") from error


def _node_to_dict(node: fx.Node) -> dict[str, Any]:
    return {
        "name": node.name,
        "op": node.op,
        "target": _target_to_name(node),
        "args": [_value_to_json(value) for value in node.args],
        "kwargs": {name: _value_to_json(value) for name, value in node.kwargs.items()},
        "calls": [[call.path, call.order] for call in calls_of(node)],
        **({"mode": node.meta["mode"]} if "mode" in node.meta else {}),
    }


def _node_from_dict(graph: fx.Graph, entry: Mapping[str, Any], nodes: Mapping[str, fx.Node]) -> fx.Node:
    if entry["op"] not in ("placeholder", "get_attr", "call_function", "output"):
        raise InputError(f"a graph file holds no operation of kind {entry['op']!r}")
    target = _target_from_name(entry["target"]) if entry["op"] == "call_function" else entry["target"]
    args = tuple(_value_from_json(value, nodes) for value in entry["args"])
    kwargs = {name: _value_from_json(value, nodes) for name, value in entry["kwargs"].items()}
    _check_names(entry["op"], target, kwargs)
    node = graph.create_node(entry["op"], target, args, kwargs, name=entry["name"])
    node.meta["calls"] = tuple(Call(path, order) for path, order in entry["calls"])
    if "mode" in entry:
        node.meta["mode"] = entry["mode"]
    return node


def _check_names(op: str, target: Any, kwargs: Mapping[str, Any]) -> None:
    """The names that PyTorch writes unquoted into the code of a graph must be no more than names."""
    names = [target, *kwargs] if op == "placeholder" else list(kwargs)
    wrong = [name for name in names if not str(name).isidentifier()]
    if op == "get_attr" and not NAME_OF_TENSOR.fullmatch(target):
        wrong.append(target)
    if wrong:
        raise InputError(f"a graph file holds the name {wrong[0]!r}, which cannot be one")


def _target_to_name(node: fx.Node) -> str:
    if node.op != "call_function":
        return str(node.target)
    if _is_function_of_tensors(node.target):
        return str(node.target)
    name = getattr(node.target, "__name__", "")
    if ARITHMETIC.get(name) is node.target:
        return f"operator.{name}"
    raise InputError(f"operation {node.target} of node {node.name!r} cannot be stored in a portable graph")


def _target_from_name(name: str) -> Callable[..., Any]:
    family, _, rest = name.partition(".")
    if family == "operator" and rest in ARITHMETIC:
        return ARITHMETIC[rest]
    packet, _, overload = rest.partition(".")
    found = getattr(getattr(torch.ops.aten, packet, None), overload or "default", None) if family == "aten" else None
    if not _is_function_of_tensors(found):
        raise InputError(f"a graph file names the unknown operation {name!r}")
    return cast(Callable[..., Any], found)


def _is_function_of_tensors(operation: Any) -> bool:
    """Whether it is an operation of PyTorch that only computes: it changes no argument, and opens no file."""
    if not isinstance(operation, torch._ops.OpOverload) or operation.namespace != "aten":
        return False
    schema = operation._schema
    opens_file = any(argument.name == "filename" for argument in schema.arguments)
    return bool(schema.returns) and not schema.is_mutable and not opens_file


def _value_to_json(value: Any) -> Any:
    if isinstance(value, fx.Node):
        return {"node": value.name}
    if isinstance(value, list | tuple):
        return [_value_to_json(item) for item in value]
    if isinstance(value, float) and value in (float("inf"), float("-inf")):
        return {"float": str(value)}
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, NAMED):
        return {"torch": str(value)}
    raise InputError(f"argument {value!r} cannot be stored in a portable graph")


def _value_from_json(value: Any, nodes: Mapping[str, fx.Node]) -> Any:
    if isinstance(value, list):
        return [_value_from_json(item, nodes) for item in value]
    if not isinstance(value, dict):
        return value
    if "node" in value:
        return nodes[value["node"]]
    if "float" in value:
        return float(value["float"])
    name = str(value.get("torch"))
    found = getattr(torch, name.removeprefix("torch."), None)
    if isinstance(found, NAMED):
        return found
    try:
        return torch.device(name)
    except RuntimeError:
        raise InputError(f"a graph file holds the unknown value {name!r}") from None
