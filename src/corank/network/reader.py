"""Reading a running network: activations and per-sample loss gradients at any points, in one pass.

The gradient of the sum of per-sample losses with respect to a layer's output holds one sample's gradient a row,
provided samples do not mix, so the network runs in evaluation mode (Cui et al. 2020, Active Subspace of Neural
Networks, sec. 3.2). Every hook is removed and every mode restored.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from corank.errors import InputError
from corank.network.adapted import adapted
from corank.network.graph import evaluation_mode
from corank.network.hooks import Copies, Keep, Sources, frozen, hooked, module_by_module
from corank.network.inputs import Inputs, batch_size, check_inputs, in_full_precision, select, tensors_in
from corank.network.layers import Layer
from corank.network.points import locate
from corank.network.through import Through, by_label, watching

Loss = Callable[[Tensor], Tensor]
"""Logits `(B, C)` to one loss a sample, `(B,)`."""

PRECISIONS = {"32-true": None, "bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}
SCALES = (2.0**16, 2.0**12, 2.0**8, 2.0**4, 1.0)
"""Factors of the loss in half precision, in which small gradients would vanish; the first without overflow is taken."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Reading:
    """What one pass over a batch of B samples shows; nothing of it belongs to autograd.

    Attributes:
        logits: `(B, C)`.
        losses: `(B,)`, None where no loss was given.
        activations: `(B, ...)` by point, as the network computes them; later operations in place leave them alone.
        gradients: of each sample's loss, `(B, ...)` by point; empty where no loss was given.
        through: every call of a watched layer, by its name, or `name@0`, `name@1` where there are several.
    """

    logits: Tensor
    losses: Tensor | None
    activations: dict[str, Tensor]
    gradients: dict[str, Tensor]
    through: dict[str, Through]


class Reader:
    """A network with chosen points that can be read, batch after batch.

    Args:
        network: any `nn.Module`; it is never changed. It returns logits or an object that has `.logits`, and takes
            one tensor, or several by position or by name (see `Adapted`).
        layers: names, globs, `"*"` or convolution numbers (see `Layers.resolve`); none, if only `through` is wanted.
            Without a graph (several inputs, control flow that depends on values) layers are modules, and `"*"` is
            every module with weights that ran, but the last.
        example: one batch of inputs, used to find the points.
        through: watch all layers with a weight matrix, too.
        precision: `32-true` as the network is, `bf16-mixed` or `16-mixed` under autocast. Activations then are in half
            precision; logits, losses, gradients and norms are not.

    Attributes:
        points: what is read.
        weights: every weight matrix of the network.
        skipped: layers with weights that a glob or `"*"` names and that cannot be read.
        unwatched: with `through`, the weight matrices that have no norms.

    Raises:
        InputError: an unknown layer or precision; a number where the network cannot be captured; a batch norm that
            mixes the samples of a batch; an example that the network does not take.

    Example:
        >>> net = nn.Sequential(nn.Linear(3, 2, bias=False), nn.ReLU(inplace=True), nn.Linear(2, 2))
        >>> reader = Reader(net, ["0"], torch.zeros(2, 3), through=True)
        >>> x = torch.ones(4, 3)
        >>> reading = reader.read(x, lambda logits: logits.sum(1))
        >>> torch.equal(reading.activations["0"], net[0](x)), reading.gradients["0"].shape
        (True, torch.Size([4, 2]))
        >>> list(reading.through), torch.allclose(reading.through["2"].norm_in, torch.relu(net[0](x)).norm(dim=1))
        (['0', '2'], True)
    """

    def __init__(
        self,
        network: nn.Module,
        layers: Layer | Sequence[Layer],
        example: Inputs,
        *,
        through: bool = False,
        precision: str = "32-true",
    ) -> None:
        if precision not in PRECISIONS:
            raise InputError(f"precision must be one of {', '.join(PRECISIONS)}, got {precision!r}")
        check_inputs(example)
        if batch_size(example) == 0:
            raise InputError("the example must hold at least one sample, got none")
        _check_samples_do_not_mix(network)
        found = locate(network, [layers] if isinstance(layers, str | int) else list(layers), example, through)
        self.network, self.points, self.weights = found.network, list(found.points), found.weights
        self.skipped, self.unwatched = found.skipped, found.unwatched
        self._watched = found.watched if through else ()
        self._half = PRECISIONS[precision]
        self._is_checked = False

    def read(self, x: Inputs, loss: Loss | None = None) -> Reading:
        """All that one forward pass shows of a batch, and with a loss one backward pass.

        Args:
            x: inputs of B samples.
            loss: logits to one loss a sample, `(B,)`.

        Raises:
            InputError: the inputs are no batch, the loss is not one number a sample, no gradient reaches a point, one
                is not finite (naming layer and sample), or the samples of a batch mix after a point.
        """
        check_inputs(x)
        batch = batch_size(x)
        if loss is None:
            copies = Copies()
            with torch.no_grad():
                logits, through = self._forward(x, copies)
            activations = self._complete(copies.values, batch)
            return Reading(logits=logits, losses=None, activations=activations, gradients={}, through=through)
        with frozen(self.network), torch.enable_grad():
            if not self._is_checked and batch > 1 and self.points:
                self._check_samples_stay_apart(select(x, slice(0, 2)))
                self._is_checked = True
            sources = Sources()
            logits, through = self._forward(x, sources)
            values = self._complete(sources.values, batch)
            losses = _checked(loss(logits), batch)
            gradients = _differentiate(losses, values, SCALES if self._half == torch.float16 else (1.0,))
        return Reading(
            logits=logits.detach(),
            losses=losses.detach(),
            activations={label: value.detach() for label, value in values.items()},
            gradients=gradients,
            through=through,
        )

    def activations(self, x: Inputs) -> dict[str, Tensor]:
        """The values at the points for a batch, `(B, ...)` by label; they do not change afterwards."""
        return self.read(x).activations

    def gradients(self, x: Inputs, loss: Loss) -> dict[str, Tensor]:
        """The gradient of each sample's loss at the points, `(B, ...)` by label; see `read`."""
        return self.read(x, loss).gradients

    def _forward(self, x: Inputs, keep: Keep) -> tuple[Tensor, dict[str, Through]]:
        """The logits in full precision and the calls of the watched layers, every point's value through `keep`."""
        device = tensors_in(x)[0].device.type
        with (
            evaluation_mode(self.network),
            module_by_module(),
            torch.autocast(device, dtype=self._half, enabled=self._half is not None),
            hooked(self.network, self.points, keep),
            watching(self.network, self._watched) as seen,
        ):
            logits = adapted(self.network)(x)
        return in_full_precision(logits), by_label(seen)

    def _check_samples_stay_apart(self, pair: Inputs) -> None:
        """Ask whether the first sample's logits depend on what the second one has at the points."""
        sources = Sources()
        logits, _ = self._forward(pair, sources)
        values = self._complete(sources.values, 2)
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


def _checked(losses: Tensor, batch: int) -> Tensor:
    if losses.shape != (batch,):
        raise InputError(f"the loss must give one number a sample, ({batch},), got {tuple(losses.shape)}")
    return losses


def _differentiate(losses: Tensor, values: dict[str, Tensor], scales: Sequence[float]) -> dict[str, Tensor]:
    """The gradients at the points, by the first factor of the loss at which they are finite."""
    if not values:
        return {}
    if not losses.requires_grad:
        raise InputError(f"no gradient reaches layer {next(iter(values))!r}: the loss does not depend on it")
    for scale in scales:
        is_last = scale == scales[-1]
        total = losses.sum() if scale == 1 else losses.sum() * scale
        found = torch.autograd.grad(total, list(values.values()), allow_unused=True, retain_graph=not is_last)
        gradients = dict(_unscaled(label, gradient, scale) for label, gradient in zip(values, found, strict=True))
        wrong = [label for label, gradient in gradients.items() if not _is_finite(gradient)]
        if not wrong:
            return gradients
    raise InputError(
        f"the gradient at layer {wrong[0]!r} is not finite for sample {_first_wrong(gradients[wrong[0]])} of the batch"
    )


def _unscaled(label: str, gradient: Tensor | None, scale: float) -> tuple[str, Tensor]:
    if gradient is None:
        raise InputError(f"no gradient reaches layer {label!r}: the loss does not depend on it")
    full = in_full_precision(gradient)
    return label, full if scale == 1 else full / scale


def _is_finite(values: Tensor) -> bool:
    """Whether all values are; their sum tells it in one pass, unless it overflows."""
    return math.isfinite(float(values.sum())) or bool(torch.isfinite(values).all())


def _first_wrong(values: Tensor) -> int:
    return int((~torch.isfinite(values.reshape(len(values), -1)).all(1)).nonzero()[0])


def _check_samples_do_not_mix(network: nn.Module) -> None:
    for name, module in network.named_modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm) and module.running_mean is None:
            raise InputError(
                f"layer {name!r} normalises by the statistics of the batch even in evaluation mode, "
                "so the samples mix: keep running statistics (track_running_stats=True)"
            )
