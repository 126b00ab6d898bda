"""The network that a user names: of the zoo, a run folder, or `package.module:factory` with a weights file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import safe_open
from torch import Tensor, nn

from corank.errors import InputError, near
from corank.experiment.run_folder import Origin, load_run, load_weights
from corank.network import Normalised, load_tensors
from corank.zoo.data import Dataset
from corank.zoo.factory import import_factory, is_factory
from corank.zoo.nets import build, input_shape, network_names


@dataclass(frozen=True, kw_only=True)
class Opened:
    """A network that was named, ready for use.

    Attributes:
        network: takes inputs in the pixel space of the data.
        origin: how it is rebuilt.
        is_trained: whether it came with weights.
    """

    network: nn.Module
    origin: Origin
    is_trained: bool


def open_network(
    spec: str,
    *,
    dataset: Dataset | None = None,
    weights: Path | None = None,
    classes: int | None = None,
    shape: tuple[int, ...] | None = None,
    seed: int = 0,
) -> Opened:
    """Find or build a network.

    Args:
        spec: a name of the zoo, a run folder, or `package.module:factory`.
        dataset: says how many classes and which shape a new network is for, and normalises it.
        weights: a safetensors or `.pt` file for a network of the zoo or a factory's.
        classes: for a network of the zoo without a data set.
        shape: of one input, for a factory's network without a data set.
        seed: of fresh weights.

    Raises:
        InputError: an unknown name, weights that do not fit, or data of another shape.
    """
    folder = Path(spec).expanduser()
    if (folder / "description.json").is_file():
        if weights is not None:
            raise InputError(f"--weights goes with a zoo name or a factory; the run folder {spec!r} has its own")
        run = load_run(folder)
        opened = Opened(network=run.network, origin=run.origin, is_trained=True)
    elif spec in network_names():
        opened = _from_zoo(spec, dataset, weights, classes, seed)
    elif is_factory(spec):
        opened = _from_factory(spec, dataset, weights, shape, seed)
    elif folder.exists():
        raise InputError(f"network {spec!r} is no run folder: it holds no description.json")
    else:
        raise InputError(
            f"unknown network {spec!r} (no run folder and no package.module:factory either): {near(spec, network_names())}"
        )
    if dataset is not None:
        _check_fits(opened, dataset)
    return opened


def _from_zoo(
    name: str, dataset: Dataset | None, weights: Path | None, classes: int | None, seed: int
) -> Opened:
    shape = input_shape(name) if dataset is None else dataset.shape
    count = classes or (10 if dataset is None else dataset.classes)
    network = build(name, classes=count, in_channels=shape[0], generator=torch.Generator().manual_seed(seed))
    mean, std = ((0.0,) * shape[0], (1.0,) * shape[0]) if dataset is None else (dataset.mean, dataset.std)
    if weights is not None:
        load_weights(network, load_tensors(weights), weights)
        mean, std = _stored_normalisation(weights) or (mean, std)
    wrapped = Normalised(network, mean, std).eval()
    origin = Origin(name=name, zoo_name=name, classes=count, shape=shape)
    return Opened(network=wrapped, origin=origin, is_trained=weights is not None)


def _from_factory(
    spec: str, dataset: Dataset | None, weights: Path | None, shape: tuple[int, ...] | None, seed: int
) -> Opened:
    if dataset is None and shape is None:
        raise InputError(f"the input shape of {spec!r} is not known: give --data, or --input-shape as in 3,32,32")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = import_factory(spec)()
    if not isinstance(network, nn.Module):
        raise InputError(f"{spec!r} must return a torch.nn.Module, got {type(network).__name__}")
    if weights is not None:
        load_weights(network, load_tensors(weights), weights)
    elif dataset is not None:
        network = Normalised(network, dataset.mean, dataset.std)
    origin = Origin(
        name=spec,
        zoo_name=None,
        classes=None if dataset is None else dataset.classes,
        shape=shape or (dataset.shape if dataset is not None else ()),
    )
    return Opened(network=network.eval(), origin=origin, is_trained=weights is not None)


def _stored_normalisation(weights: Path) -> tuple[tuple[float, ...], tuple[float, ...]] | None:
    """Mean and standard deviation where the weights file says them."""
    if weights.suffix in (".pt", ".pth"):
        return None
    with safe_open(weights, "pt") as file:
        said = file.metadata() or {}
    if "mean" not in said or "std" not in said:
        return None
    return _numbers(said["mean"]), _numbers(said["std"])


def _numbers(text: str) -> tuple[float, ...]:
    return tuple(float(word) for word in text.replace(",", " ").split())


def _check_fits(opened: Opened, dataset: Dataset) -> None:
    """One image through the network: the data's shape and classes must be the network's."""
    x: Tensor = torch.zeros(2, *dataset.shape)
    try:
        with torch.inference_mode():
            output = opened.network(x)
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[0][:200]
        raise InputError(
            f"{opened.origin.name} cannot take images of shape {dataset.shape} of {dataset.name}: {reason}"
        ) from error
    if not isinstance(output, Tensor) or output.ndim != 2 or len(output) != 2:
        got = tuple(output.shape) if isinstance(output, Tensor) else type(output).__name__
        raise InputError(f"{opened.origin.name} must return logits (B, classes), got {got}")
    if output.shape[1] < dataset.classes:
        raise InputError(
            f"{opened.origin.name} has {output.shape[1]} outputs, {dataset.name} has {dataset.classes} classes"
        )
