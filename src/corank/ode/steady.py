"""A field that is one and the same function through a solve and through whatever its gradient evaluates again.

A solver evaluates `f` many times, and the backward pass evaluates it once more. Layers that change by being used make
something else of it each time. Within an ODE block they are kept steady while the block trains:

* batch norm normalises by the statistics of the batch at hand, as always; its running statistics become the mean over
  all evaluations of the forward solve, entered once a solve with the layer's own momentum; replays leave them alone,
  as every gradient method puts back the buffers that its backward pass changes.
  (An ordinary adjoint call would enter those of some 50 evaluations, half of them in backward time.) They are one
  mean over all times, so that a trained network evaluates another field than it was trained with: layer or weight
  normalisation, which need no statistics, are the better choice (Daulbaev's thesis, section 3.4);
* dropout draws one mask a solve, the same in every evaluation and replay;
* spectral normalisation (torch's parametrisation) takes one power iteration a solve, before it begins.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd
from torch.nn.utils.parametrizations import _SpectralNorm
from torch.nn.utils.parametrize import is_parametrized

WARNING = (
    "{kinds} inside the field of an ODE block, which a solver evaluates at many times: a batch norm has one running "
    "mean for all of them, a dropout mask is kept for a whole solve; layer or weight normalisation is the better choice"
)


class SteadyField(nn.Module):
    """One solve's view of a field, for its evaluations forward and in the backward pass.

    Args:
        field: `f(t, z)`; its modes are looked at when a solve begins.
        device: whose random state dropout draws from.
    """

    def __init__(self, field: nn.Module, device: torch.device) -> None:
        super().__init__()
        self.field = field
        training = [module for module in field.modules() if module.training]
        self._batch_norms = [module for module in training if isinstance(module, _BatchNorm)]
        self._spectral = [module for module in training if isinstance(module, _SpectralNorm)]
        self._device = device
        has_dropout = any(isinstance(module, _DropoutNd) and module.p > 0 for module in training)
        self._random_state = _random_state(device) if has_dropout else None

    def forward(self, t: Tensor, z: Tensor) -> Tensor:
        """The field at a time and a state."""
        if not self._spectral and self._random_state is None:
            output: Tensor = self.field(t, z)
            return output
        with ExitStack() as stack:
            stack.enter_context(_attribute(self._spectral, "training", False))
            if self._random_state is not None:
                stack.enter_context(_repeated(self._random_state, self._device))
            output = self.field(t, z)
            return output

    @contextmanager
    def solving(self) -> Iterator[None]:
        """The forward solve: evaluations within are those that the statistics are taken of."""
        if self._spectral:
            _iterate(self.field)
        try:
            with _averaged(self._batch_norms):
                yield
        finally:
            if self._random_state is not None:  # the next solve has another mask
                _advance(self._device)


def warn_of_changing_layers(field: nn.Module) -> None:
    """Warn, once where it is called from, of layers in a field that are not made for repeated evaluation."""
    kinds = {
        "batch normalisation": _BatchNorm,
        "dropout": _DropoutNd,
    }
    found = [kind for kind, base in kinds.items() if any(isinstance(module, base) for module in field.modules())]
    if found:
        warnings.warn(WARNING.format(kinds=" and ".join(found)), UserWarning, stacklevel=3)


@contextmanager
def _attribute(modules: Sequence[nn.Module], name: str, value: bool) -> Iterator[None]:
    """Give an attribute of modules a value for a while; not by their own methods, which reach their children."""
    before = [getattr(module, name) for module in modules]
    for module in modules:
        setattr(module, name, value)
    try:
        yield
    finally:
        for module, kept in zip(modules, before, strict=True):
            setattr(module, name, kept)


@contextmanager
def _averaged(norms: Sequence[_BatchNorm]) -> Iterator[None]:
    """Let batch norms take plain means over many batches, and enter these as if they were one batch.

    The means are taken in tensors of their own: autograd remembers those that it has seen, and wants them unchanged.
    """
    tracking = [norm for norm in norms if norm.track_running_stats and norm.running_mean is not None]
    before = [(_statistics(norm), norm.momentum) for norm in tracking]
    for norm in tracking:
        for name in _STATISTICS:
            setattr(norm, name, getattr(norm, name).clone())
        norm.reset_running_stats()
        norm.momentum = None  # a plain mean over what comes
    try:
        yield
    finally:
        for norm, ((mean, var, count), momentum) in zip(tracking, before, strict=True):
            seen_mean, seen_var, seen = _statistics(norm)
            norm.momentum = momentum
            for name, own in zip(_STATISTICS, (mean, var, count), strict=True):
                setattr(norm, name, own)
            if bool(seen):
                count += 1
                weight = 1 / float(count) if momentum is None else momentum
                mean.lerp_(seen_mean, weight)
                var.lerp_(seen_var, weight)


_STATISTICS = ("running_mean", "running_var", "num_batches_tracked")


def _statistics(norm: _BatchNorm) -> tuple[Tensor, Tensor, Tensor]:
    assert norm.running_mean is not None
    assert norm.running_var is not None
    assert norm.num_batches_tracked is not None
    return norm.running_mean, norm.running_var, norm.num_batches_tracked


@torch.no_grad()
def _iterate(field: nn.Module) -> None:
    """One power iteration of every spectral normalisation: what reading a weight does in training mode."""
    for module in field.modules():
        if is_parametrized(module):
            for name, own in module.parametrizations.items():  # type: ignore[union-attr, operator]
                if any(isinstance(part, _SpectralNorm) for part in own):
                    getattr(module, name)


def _random_state(device: torch.device) -> Tensor:
    return torch.cuda.get_rng_state(device) if device.type == "cuda" else torch.get_rng_state()


def _advance(device: torch.device) -> None:
    torch.rand((), device=device)


@contextmanager
def _repeated(state: Tensor, device: torch.device) -> Iterator[None]:
    """Draw the same numbers again, and leave the random state as it was."""
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        if device.type == "cuda":
            torch.cuda.set_rng_state(state, device)
        else:
            torch.set_rng_state(state)
        yield
