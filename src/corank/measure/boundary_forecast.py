"""How small a perturbation changes the class of an input, foretold from a few gradients before any attack is run.

The plain guess is linear: with `g = f_a - f_b` it is `g(x) / |grad g(x)|`, the smallest over the classes b. Gao et al.,
Feature Compression Is the Root Cause of Adversarial Fragility in Neural Network Classifiers, eq. 9, has the same:
there the gradient is taken as constant along the attacker's way. Two things make it better. The gradient is taken half
way to where the plain guess meets the boundary, so that the bend of g is seen; and the step stays within the bounds of
pixels, most of which in a drawing cannot become darker than they are.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from corank.errors import InputError
from corank.linalg import shortest_steps
from corank.measure.base import first_that_fits
from corank.measure.labelling import check_labels
from corank.measure.logit_difference import logit_difference
from corank.network import evaluation_mode
from corank.network.adapted import Adapted, adapted
from corank.network.guard import unchanged
from corank.train.evaluate import device_of


@dataclass(frozen=True, eq=False)
class BoundaryForecast:
    """What is foretold of some inputs.

    Attributes:
        predicted: `(m,)` of the shortest perturbation, by gradients half way and within bounds; infinite where no
            gradient leads out of the class.
        classes: `(m,)` that it would lead to.
        first_order: `(m,)` the plain guess, the smallest over the classes looked at.
    """

    predicted: Tensor
    classes: Tensor
    first_order: Tensor


def boundary_forecast(
    network: nn.Module,
    images: Tensor,
    labels: Tensor,
    *,
    bounds: tuple[float, float] | None = None,
    towards: Tensor | None = None,
    candidates: int = 9,
    batch_size: int = 256,
) -> BoundaryForecast:
    """Foretell the length of the shortest perturbation of each input; all numbers are float64.

    Args:
        network: returns logits; it comes back as it was.
        images: `(m, ...)`.
        labels: `(m,)` classes that they are to leave.
        bounds: of pixels before and after; None where there are none.
        towards: `(m,)` the only class looked at for each; by default those of the largest logits.
        candidates: how many of these.
        batch_size: inputs that go through the network together; each class looked at is one.

    Raises:
        InputError: an option out of its range, labels that do not fit, logits or gradients that are not finite.

    Example:
        >>> net = nn.Linear(2, 2, bias=False)
        >>> _ = net.weight.data.copy_(torch.tensor([[1.0, 0.0], [-1.0, 0.0]]))
        >>> found = boundary_forecast(net, torch.tensor([[3.0, 4.0]]), torch.tensor([0]))
        >>> found.predicted.tolist(), found.classes.tolist()
        ([3.0], [1])
    """
    for name, value in (("candidates", candidates), ("batch_size", batch_size)):
        if value < 1:
            raise InputError(f"{name} must be at least 1, got {value}")
    if not len(images) or labels.shape != images.shape[:1] or (towards is not None and towards.shape != labels.shape):
        raise InputError(f"images must be (m, ...) with m labels, got {tuple(images.shape)} and {tuple(labels.shape)}")
    device = device_of(network)
    with unchanged(network), evaluation_mode(network), torch.enable_grad():
        first_that_fits(network, [(images[:2].to(device), labels[:2])])
        inner = adapted(network)
        found = [
            _of_some(inner, x.to(device), classes.to(device), bounds)
            for x, classes in _with_classes(inner, images, labels, towards, candidates, batch_size, device)
        ]
    predicted, classes, first = (torch.cat(column).cpu() for column in zip(*found, strict=True))
    return BoundaryForecast(predicted=predicted, classes=classes, first_order=first)


def _with_classes(
    network: Adapted,
    images: Tensor,
    labels: Tensor,
    towards: Tensor | None,
    candidates: int,
    batch_size: int,
    device: torch.device,
) -> Iterator[tuple[Tensor, Tensor]]:
    """Some images and `(b, k, 2)` their own class beside each that is looked at."""
    logits = torch.cat([_logits(network, x.to(device)) for x in torch.split(images, batch_size)])
    check_labels(labels, logits.shape[1])
    if towards is None:
        others = logits.scatter(1, labels.to(device)[:, None], -torch.inf)
        looked_at = others.topk(min(candidates, logits.shape[1] - 1), dim=1).indices
    else:
        check_labels(towards, logits.shape[1])
        looked_at = towards.to(device)[:, None]
    own = labels.to(device)[:, None].expand_as(looked_at)
    step = max(1, batch_size // looked_at.shape[1])
    yield from zip(torch.split(images, step), torch.split(torch.stack([own, looked_at], 2), step), strict=True)


@torch.no_grad()
def _logits(network: Adapted, x: Tensor) -> Tensor:
    logits: Tensor = network(x)
    if logits.ndim != 2 or len(logits) != len(x) or logits.shape[1] < 2:
        raise InputError(f"logits must be ({len(x)}, C) with C at least 2, got {tuple(logits.shape)}")
    if not bool(logits.isfinite().all()):
        raise InputError("the logits of the network must be finite, at some input they are not")
    return logits


def _of_some(
    network: Adapted, x: Tensor, classes: Tensor, bounds: tuple[float, float] | None
) -> tuple[Tensor, Tensor, Tensor]:
    """The forecast, the class and the plain guess for `(b, ...)` images with `(b, k, 2)` classes."""
    count, looked_at = classes.shape[:2]
    at, pairs = x.repeat_interleave(looked_at, 0), classes.flatten(0, 1)
    start = at.flatten(1)
    g, slopes = _linear(network, at, pairs)
    plain = g / slopes.norm(dim=1)
    first, step = shortest_steps(start, slopes, g, bounds)
    half = step.to(start) / 2
    g_half, slopes_half = _linear(network, (start + half).reshape(at.shape), pairs)
    value = g_half - (slopes_half * half).sum(1)  # at the input, of the plane that touches g half way
    second, _ = shortest_steps(start, slopes_half, value, bounds)
    lengths = torch.where(second.isfinite(), second, first).reshape(count, looked_at)
    best, which = lengths.min(1)
    plain = plain.reshape(count, looked_at).nan_to_num(nan=torch.inf, posinf=torch.inf).amin(1)
    return best, classes[torch.arange(count, device=x.device), which, 1], plain


def _linear(network: Adapted, at: Tensor, pairs: Tensor) -> tuple[Tensor, Tensor]:
    """G and its gradient `(m, n)`, in float64."""
    g, gradient = logit_difference(network, at, pairs)
    slopes = gradient.flatten(1).double()
    if not bool(slopes.isfinite().all()):
        raise InputError("the gradients of the network must be finite, at some input they are not")
    return g.double(), slopes
