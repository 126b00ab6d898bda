"""Reading a running network: activations and per-sample loss gradients at any points, in one pass.

The gradient of the sum of per-sample losses with respect to a layer's output holds one sample's gradient a row,
provided samples do not mix, so the network runs in evaluation mode (Cui et al. 2020, sec. 3.2).
This is the only place of the library that reads layers by hooks; it removes every hook and restores every mode.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from corank.errors import InputError, near
from corank.network.graph import Call, GraphNetwork, assemble, capture, evaluation_mode, tensors_of
from corank.network.layers import Layer, Layers, Point
from corank.network.normalised import unwrapped

Loss = Callable[[Tensor], Tensor]
"""Logits `(B, C)` to one loss a sample, `(B,)`."""


class Reader:
    """A network with chosen points that can be read, batch after batch.

    Args:
        network: any `nn.Module` of one tensor; it is never changed.
        layers: names, globs, `"*"` or convolution numbers (see `Layers.resolve`).
        example: one batch of inputs, used to find the points.

    Raises:
        InputError: an unknown layer; a number or `"*"` where the network cannot be captured; a batch norm
            that mixes the samples of a batch.

    Example:
        >>> net = nn.Sequential(nn.Linear(3, 2, bias=False), nn.ReLU(inplace=True), nn.Linear(2, 2))
        >>> reader = Reader(net, ["0"], torch.zeros(2, 3))
        >>> x = torch.ones(4, 3)
        >>> torch.equal(reader.activations(x)["0"], net[0](x))
        True
        >>> reader.gradients(x, lambda logits: logits.sum(1))["0"].shape
        torch.Size([4, 2])
    """

    def __init__(self, network: nn.Module, layers: Layer | Sequence[Layer], example: Tensor) -> None:
        _check_samples_do_not_mix(network)
        wanted = [layers] if isinstance(layers, str | int) else list(layers)
        self.network, self.points = _locate(network, wanted, example)
        self._is_checked = False

    def activations(self, x: Tensor) -> dict[str, Tensor]:
        """The values at the points for a batch, `(B, ...)` by label; they do not change afterwards."""
        values: dict[str, Tensor] = {}

        def keep(label: str, output: Tensor) -> Tensor:
            values[label] = output.clone()
            return output

        with torch.no_grad(), evaluation_mode(self.network), self._hooks(keep):
            self.network(x)
        return self._complete(values, len(x))

    def gradients(self, x: Tensor, loss: Loss) -> dict[str, Tensor]:
        """The gradient of each sample's loss at the points, `(B, ...)` by label, in one forward and backward pass.

        Args:
            x: `(B, ...)` inputs.
            loss: logits to one loss a sample, `(B,)`.

        Raises:
            InputError: the loss is not one number a sample, no gradient reaches a point, one is not finite
                (naming layer and sample), or the samples of a batch mix after a point.
        """
        frozen = [parameter for parameter in self.network.parameters() if parameter.requires_grad]
        try:
            for parameter in frozen:
                parameter.requires_grad_(False)
            with torch.enable_grad(), evaluation_mode(self.network):
                if not self._is_checked and len(x) > 1:
                    self._check_samples_stay_apart(x[:2])
                    self._is_checked = True
                logits, values = self._forward(x)
                return _differentiate(loss(logits), values, len(x))
        finally:
            for parameter in frozen:
                parameter.requires_grad_(True)

    def _forward(self, x: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """The network's output and the values at the points, which the output depends on."""
        values: dict[str, Tensor] = {}

        def keep(label: str, output: Tensor) -> Tensor:
            if not output.is_floating_point():
                raise InputError(f"layer {label!r} gives {output.dtype}, which has no gradient: name a later layer")
            source = output if output.requires_grad else output.detach().requires_grad_()
            values[label] = source
            return source.clone()  # what follows may work in place

        with self._hooks(keep):
            logits = self.network(x)
        return logits, self._complete(values, len(x))

    def _check_samples_stay_apart(self, pair: Tensor) -> None:
        """Ask whether the first sample's logits depend on what the second one has at the points."""
        logits, values = self._forward(pair)
        first = logits[0].flatten()
        if not first.requires_grad:
            return
        weighted = first @ torch.linspace(1, 2, len(first), dtype=first.dtype, device=first.device)
        found = torch.autograd.grad(weighted, list(values.values()), allow_unused=True)
        for label, gradient in zip(values, found, strict=True):
            if gradient is not None and gradient[1].nan_to_num().any():
                raise InputError(
                    f"the samples of a batch mix after layer {label!r}, so they have no gradients of their own: "
                    "treat the first dimension as the batch (batch_first=True) and use no batch statistics"
                )

    def _complete(self, values: dict[str, Tensor], batch: int) -> dict[str, Tensor]:
        for point in self.points:
            if point.label not in values:
                raise InputError(f"layer {point.label!r} did not run")
            if values[point.label].shape[:1] != (batch,):
                shape = tuple(values[point.label].shape)
                raise InputError(f"the output of layer {point.label!r} must have the batch first, got {shape}")
        return {point.label: values[point.label] for point in self.points}

    @contextmanager
    def _hooks(self, keep: Callable[[str, Tensor], Tensor]) -> Iterator[None]:
        """Pass the value at every point through `keep` while the network runs once."""
        handles = []
        by_path: dict[str, dict[int, str]] = {}
        for point in self.points:
            assert point.call is not None
            by_path.setdefault(point.call.path, {})[point.call.order] = point.label
        for path, orders in by_path.items():
            handles.append(module_at(self.network, path).register_forward_hook(_hook(path, orders, keep)))
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()


def module_at(network: nn.Module, path: str) -> nn.Module:
    """The submodule of that name, looked up inside a normalising wrapper.

    Raises:
        InputError: there is none; near names are listed.
    """
    inner = unwrapped(network)
    try:
        return inner.get_submodule(path)
    except AttributeError:
        names = [name for name, _ in inner.named_modules() if name]
        raise InputError(f"no layer {path!r} in the network: {near(path, names)}") from None


def _differentiate(losses: Tensor, values: dict[str, Tensor], batch: int) -> dict[str, Tensor]:
    if losses.shape != (batch,):
        raise InputError(f"the loss must give one number a sample, ({batch},), got {tuple(losses.shape)}")
    if not losses.requires_grad:
        raise InputError(f"no gradient reaches layer {next(iter(values))!r}: the loss does not depend on it")
    found = torch.autograd.grad(losses.sum(), list(values.values()), allow_unused=True)
    gradients: dict[str, Tensor] = {}
    for label, gradient in zip(values, found, strict=True):
        if gradient is None:
            raise InputError(f"no gradient reaches layer {label!r}: the loss does not depend on it")
        if not torch.isfinite(gradient).all():
            rows = (~torch.isfinite(gradient.flatten(1)).all(1)).nonzero().flatten().tolist()
            raise InputError(f"the gradient at layer {label!r} is not finite for sample {rows[0]} of the batch")
        gradients[label] = gradient
    return gradients


def _hook(path: str, orders: dict[int, str], keep: Callable[[str, Tensor], Tensor]) -> Callable[..., Tensor | None]:
    """A forward hook that passes those calls of a module through `keep` whose number is wanted.

    A label without a number stands for the only call.
    """
    count = -1

    def hook(module: nn.Module, inputs: object, output: object) -> Tensor | None:
        nonlocal count
        count += 1
        if count == 1 and orders.get(0) == path:
            raise InputError(f"layer {path!r} is called several times: name one of {path}@0, {path}@1 and so on")
        label = orders.get(count)
        if label is None:
            return None
        if not isinstance(output, Tensor):
            raise InputError(f"the output of layer {label!r} must be one tensor, got {type(output).__name__}")
        return keep(label, output)

    return hook


def _locate(network: nn.Module, wanted: Sequence[Layer], example: Tensor) -> tuple[nn.Module, list[Point]]:
    """The points of the wanted layers and a network that can be hooked there."""
    try:
        graph = capture(network, example)
    except InputError as reason:
        return network, [_module_point(network, layer, reason) for layer in wanted]
    layers = Layers(graph, example.shape[1:], example.dtype)
    points = list({point.label: point for layer in wanted for point in layers.resolve(layer)}.values())
    if not points:
        raise InputError(f"no layer to read: {wanted} names no hidden layer with weights")
    if not isinstance(network, GraphNetwork) and all(_can_be_hooked(network, layers, point) for point in points):
        return network, points
    return _with_probes(graph, layers, points)


def _can_be_hooked(network: nn.Module, layers: Layers, point: Point) -> bool:
    """Whether the point is all that a module returns, and the module has one name, by which its calls count."""
    if point.call is None or layers.node(point).target is operator.getitem:
        return False
    module = module_at(network, point.call.path)
    return sum(other is module for _, other in network.named_modules(remove_duplicate=False)) == 1


def _with_probes(graph: GraphNetwork, layers: Layers, points: Sequence[Point]) -> tuple[nn.Module, list[Point]]:
    """The graph with an identity module at every point, and the points as outputs of these modules."""
    probed = assemble(tensors_of(graph), graph.graph)
    by_name = {node.name: node for node in probed.graph.nodes}
    moved = []
    for number, point in enumerate(points):
        path = f"probe_{number}"
        probed.add_submodule(path, nn.Identity())
        node = by_name[str(point.node)]
        with probed.graph.inserting_after(node):
            probe = probed.graph.call_module(path, (node,))
        node.replace_all_uses_with(probe, delete_user_cb=lambda user, probe=probe: user is not probe)
        moved.append(Point(label=point.label, index=point.index, call=Call(path, 0), node=point.node))
    probed.recompile()
    return probed, moved


def _module_point(network: nn.Module, layer: Layer, reason: InputError) -> Point:
    if isinstance(layer, int) or any(sign in layer for sign in "*?["):
        raise InputError(f"layer {layer!r} needs the network's graph, but {reason}")
    path, _, order = layer.partition("@")
    module_at(network, path)
    if order and not order.isdecimal():
        raise InputError(f"layer {layer!r} must be a name, or a name and the number of a call as in {path}@0")
    return Point(label=layer, call=Call(path, int(order or 0)))


def _check_samples_do_not_mix(network: nn.Module) -> None:
    for name, module in network.named_modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm) and module.running_mean is None:
            raise InputError(
                f"layer {name!r} normalises by the statistics of the batch even in evaluation mode, "
                "so the samples mix: keep running statistics (track_running_stats=True)"
            )
