"""How far perturbations move what a network makes of its inputs, layer by layer, against how far they move the inputs.

Robust Deep Networks via Low-Rank Representations (Sanyal et al. 2020), sec. 3.2 and Fig. 4b: of each input x with the
perturbation d, `|d|^2 / |x|^2` against `|f(x + d) - f(x)|^2 / |f(x)|^2` at a layer f. Norms are squared, as there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from corank.attack.victim import CHUNK
from corank.errors import InputError
from corank.network import Reader
from corank.network.guard import unchanged
from corank.network.layers import Layer
from corank.result import Result, Scalar

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


@dataclass(frozen=True, kw_only=True, eq=False)
class Displacement(Result):
    """How far a perturbation moves one representation.

    Attributes:
        layer: whose output it is; `inputs` for the inputs themselves.
        samples: that have a representation to compare with, one that is not zero.
        mean: of the relative squared distances.
        median: of them.
        quantiles: their 5, 25, 50, 75 and 95 % quantiles.
        gain: the median, over the samples, of the relative squared distance here over that of the input; None where no
            input is moved.
        distances: `(m,)` relative squared distance of each sample; not a number where the representation is zero.
    """

    layer: str
    samples: int
    mean: float
    median: float
    quantiles: tuple[float, ...]
    gain: float | None
    distances: Tensor = field(metadata={"json": False}, repr=False)

    def row(self) -> dict[str, Scalar]:
        """Layer, mean, median and gain."""
        return {"layer": self.layer, "mean": self.mean, "median": self.median, "gain": self.gain}


@dataclass(frozen=True, kw_only=True)
class Displacements(Result):
    """How far perturbations move inputs and representations.

    Attributes:
        samples: how many.
        inputs: the inputs themselves.
        layers: each layer, in the order of the network.
    """

    samples: int
    inputs: Displacement
    layers: tuple[Displacement, ...]

    def row(self) -> dict[str, Scalar]:
        """The mean at the inputs and at each layer."""
        of_layers: dict[str, Scalar] = {f"mean at {each.layer}": each.mean for each in self.layers}
        return {"samples": self.samples, "mean at inputs": self.inputs.mean, **of_layers}


def displacements(
    network: nn.Module, images: Tensor, perturbed: Tensor, *, layers: Layer | Sequence[Layer] = "*"
) -> Displacements:
    """Compare what a network makes of inputs and of the same inputs perturbed.

    Args:
        network: any `nn.Module`; it runs in evaluation mode and comes back bit for bit.
        images: `(m, ...)` inputs.
        perturbed: `(m, ...)` the same inputs, perturbed.
        layers: names, globs, `"*"` for every hidden layer with weights, or convolution numbers.

    Raises:
        InputError: no sample, other shapes than each other's, numbers that are not finite, an unknown layer, inputs or
            outputs of a layer that are all zero.

    Example:
        >>> network = nn.Sequential(nn.Flatten(), nn.Linear(4, 3, bias=False), nn.ReLU(), nn.Linear(3, 2))
        >>> images = torch.rand(5, 1, 2, 2)
        >>> found = displacements(network, images, 1.5 * images, layers="1")
        >>> round(found.inputs.mean, 4), round(found.layers[0].mean, 4)
        (0.25, 0.25)
    """
    _check(images, perturbed)
    with unchanged(network):
        reader = Reader(network, layers, images[:2])
        parts = [
            _distances(reader, *pair)
            for pair in zip(torch.split(images, CHUNK), torch.split(perturbed, CHUNK), strict=True)
        ]
    of_inputs = _relative(images, perturbed)
    of_layers = {layer: torch.cat([part[layer] for part in parts]) for layer in parts[0]}
    return Displacements(
        samples=len(images),
        inputs=_displacement("inputs", of_inputs, of_inputs),
        layers=tuple(_displacement(layer, found, of_inputs) for layer, found in of_layers.items()),
    )


def _check(images: Tensor, perturbed: Tensor) -> None:
    if images.shape != perturbed.shape or not len(images):
        raise InputError(
            f"expected images and the same number of perturbed ones, of one shape, got {tuple(images.shape)} "
            f"and {tuple(perturbed.shape)}"
        )
    if not (torch.isfinite(images).all() and torch.isfinite(perturbed).all()):
        raise InputError("images must be finite: some hold infinite numbers or none at all")


def _distances(reader: Reader, images: Tensor, perturbed: Tensor) -> dict[str, Tensor]:
    before, after = reader.activations(images), reader.activations(perturbed)
    return {layer: _relative(before[layer], after[layer]) for layer in before}


def _relative(before: Tensor, after: Tensor) -> Tensor:
    """Relative squared distances, `(m,)`; not a number where what is compared with is zero."""
    rows, others = before.flatten(1).double(), after.flatten(1).double()
    sizes = rows.square().sum(1)
    return torch.where(sizes > 0, (others - rows).square().sum(1) / sizes, torch.nan)


def _displacement(name: str, distances: Tensor, of_inputs: Tensor) -> Displacement:
    known = distances[torch.isfinite(distances)]
    if not len(known):
        raise InputError(f"{name!r} is zero for all {len(distances)} samples: there is nothing to compare with")
    gains = (distances / of_inputs)[torch.isfinite(distances) & (of_inputs > 0)]
    quantiles = tuple(torch.quantile(known, known.new_tensor(QUANTILES)).tolist())
    return Displacement(
        layer=name, samples=len(known), mean=float(known.mean()), median=quantiles[QUANTILES.index(0.5)],
        quantiles=quantiles, gain=float(gains.median()) if len(gains) else None, distances=distances,
    )  # fmt: skip
