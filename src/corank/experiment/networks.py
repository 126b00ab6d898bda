"""The network that a user names: of the zoo, a run folder, or `package.module:factory` with a weights file."""

from __future__ import annotations

import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import safe_open
from torch import Tensor, nn

from corank.errors import InputError, near
from corank.experiment.run_folder import Origin, load_run, load_weights, read_json
from corank.network import GraphNetwork, Layer, Normalised, capture, fingerprint, load_tensors, unwrapped
from corank.network.graph import calls_of
from corank.zoo.data import Dataset, data_names
from corank.zoo.data.subset import split_spec
from corank.zoo.factory import import_factory, is_factory
from corank.zoo.nets import build, input_shape, network_names

Method = TypeVar("Method")
Normalisation = tuple[tuple[float, ...], tuple[float, ...]]
SEEDS = 2**32


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
    normalise: bool = True,
    options: Mapping[str, Any] | None = None,
    seed: int = 0,
) -> Opened:
    """Find or build a network.

    Args:
        spec: a name of the zoo, a run folder, or `package.module:factory`.
        dataset: says how many classes and which shape a new network is for, and normalises it.
        weights: a safetensors or `.pt` file for a network of the zoo or a factory's.
        classes: for a network of the zoo without a data set.
        shape: of one input, without a data set.
        normalise: whether a factory's network without weights is given the normalisation of the data set; a
            network that brings its own, or weights, is taken as it is.
        options: of a network of the zoo that has some: those of `corank.zoo.nets.ODEOptions`.
        seed: of fresh weights.

    Raises:
        InputError: an unknown name, weights that do not fit, or data of another shape.
    """
    if not 0 <= seed < SEEDS:
        raise InputError(f"seed must be between 0 and {SEEDS - 1}, got {seed}")
    folder = Path(spec).expanduser()
    own = {f"--{name.replace('_', '-')}": value for name, value in (options or {}).items()}
    if (folder / "description.json").is_file():
        _refuse_given(spec, {"--weights": weights, "--classes": classes, "--input-shape": shape, **own})
        run = load_run(folder)
        opened = Opened(network=run.network, origin=run.origin, is_trained=True)
    elif spec in network_names():
        opened = _from_zoo(spec, dataset, weights, classes, shape, options or {}, seed)
    elif is_factory(spec):
        _refuse_given(spec, {"--classes": classes, **own})
        opened = _from_factory(spec, dataset, weights, shape, normalise, seed)
    elif folder.exists():
        raise InputError(f"network {spec!r} is no run folder: it holds no description.json")
    else:
        raise InputError(
            f"unknown network {spec!r} (no run folder and no package.module:factory either): "
            f"{near(spec, network_names())}"
        )
    if dataset is not None or shape is not None:
        _check_fits(opened, dataset)
    return opened


def data_of_run(network: str) -> str | None:
    """The data of the zoo that a run folder's network was trained on; None for other data and other networks."""
    file = Path(network).expanduser() / "description.json"
    if not file.is_file():
        return None
    name = str(read_json(file).get("data", ""))
    whole, _ = split_spec(name) or (name, ())
    return name if whole in data_names() else None


def meant(layer: Layer, network: nn.Module) -> Layer:
    """A number as the name of a module, where the network has such a module and no convolutions to count.

    Example:
        >>> meant(2, nn.Sequential(nn.Flatten(), nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2)))
        '2'
        >>> meant(1, nn.Sequential(nn.Conv2d(1, 1, 3), nn.ReLU()))
        1
    """
    inner = unwrapped(network)
    if isinstance(inner, GraphNetwork):
        names = {call.path for node in inner.graph.nodes for call in calls_of(node)}
        has_convolutions = any("conv" in str(node.target) for node in inner.graph.nodes if node.op == "call_function")
    else:
        names = {name for name, _ in inner.named_modules()}
        has_convolutions = any(type(module).__name__.startswith("Conv") for module in inner.modules())
    return str(layer) if isinstance(layer, int) and str(layer) in names and not has_convolutions else layer


def with_meant_layers(method: Method, network: nn.Module) -> Method:
    """A method whose field `layer` (one or several) holds what is `meant` in this network."""
    given = method.layer  # type: ignore[attr-defined]
    layers = tuple(meant(one, network) for one in given) if isinstance(given, tuple) else meant(given, network)
    return replace(method, layer=layers)  # type: ignore[type-var]


def identity(opened: Opened, dataset: Dataset) -> dict[str, str | None]:
    """What a run was made from, by name and content, so that another network of the same name is told apart.

    Fresh weights follow from name and seed and are not looked at.
    """
    splits = {"train": dataset.train, "validation": dataset.validation, "test": dataset.test}
    arrays = {f"{name} images": split.images for name, split in splits.items()}
    arrays.update({f"{name} labels": split.labels for name, split in splits.items()})
    return {
        "network": opened.origin.name,
        "weights": fingerprint(opened.network.state_dict()) if opened.is_trained else None,
        "data": dataset.name,
        "images": fingerprint(arrays),
    }


def check_capture(opened: Opened) -> None:
    """Refuse a network whose graph cannot be had before work is done that would end by writing it.

    Raises:
        InputError: the network cannot be captured.
    """
    tensor = next(opened.network.parameters(), torch.empty(0))
    example = torch.zeros(2, *opened.origin.shape, dtype=getattr(torch, opened.origin.dtype), device=tensor.device)
    capture(opened.network, example)


@contextmanager
def users_code(spec: str) -> Iterator[None]:
    """Turn what goes wrong in a user's own function into one line that says where.

    Raises:
        InputError: the function, or the import of its module, failed.
    """
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        if not is_factory(spec):
            raise
        frames = [frame for frame in traceback.extract_tb(error.__traceback__) if _is_users(Path(frame.filename))]
        where = f" ({frames[-1].filename}, line {frames[-1].lineno})" if frames else ""
        raise InputError(f"{spec} failed with {type(error).__name__}: {_first_line(error)}{where}") from error


def _is_users(file: Path) -> bool:
    is_ours = file.is_relative_to(Path(__file__).parents[1])
    return file.is_file() and not is_ours and "site-packages" not in file.parts


def _refuse_given(spec: str, options: dict[str, object]) -> None:
    for name, value in options.items():
        if value is not None:
            raise InputError(f"{name} {value} does not go with {spec!r}, which has its own: leave it out")


def _from_zoo(
    name: str,
    dataset: Dataset | None,
    weights: Path | None,
    classes: int | None,
    shape: tuple[int, ...] | None,
    options: Mapping[str, Any],
    seed: int,
) -> Opened:
    shape = shape or (input_shape(name) if dataset is None else dataset.shape)
    count = classes if classes is not None else (10 if dataset is None else dataset.classes)
    generator = torch.Generator().manual_seed(seed)
    network = build(name, classes=count, shape=shape, options=options, generator=generator)
    mean, std = ((0.0,) * shape[0], (1.0,) * shape[0]) if dataset is None else (dataset.mean, dataset.std)
    if weights is not None:
        mean, std = _fill(network, weights) or (mean, std)
    wrapped = Normalised(network, mean, std).eval()
    origin = Origin(name=name, zoo_name=name, classes=count, shape=shape, options=options)
    return Opened(network=wrapped, origin=origin, is_trained=weights is not None)


def _from_factory(
    spec: str,
    dataset: Dataset | None,
    weights: Path | None,
    shape: tuple[int, ...] | None,
    normalise: bool,
    seed: int,
) -> Opened:
    if dataset is None and shape is None:
        raise InputError(f"the input shape of {spec!r} is not known: give --input-shape, as in 3,32,32")
    with torch.random.fork_rng(devices=[]), users_code(spec):
        torch.manual_seed(seed)
        network = import_factory(spec)()
    if not isinstance(network, nn.Module):
        raise InputError(f"{spec!r} must return a torch.nn.Module, got {type(network).__name__}")
    said: Normalisation | None = None
    if weights is not None:
        said = _fill(network, weights)
    elif dataset is not None and normalise and not isinstance(network, Normalised):
        said = dataset.mean, dataset.std
    origin = Origin(
        name=spec,
        zoo_name=None,
        classes=None if dataset is None else dataset.classes,
        shape=shape or (dataset.shape if dataset is not None else ()),
    )
    wrapped = network if said is None else Normalised(network, *said)
    return Opened(network=wrapped.eval(), origin=origin, is_trained=weights is not None)


def _fill(network: nn.Module, weights: Path) -> Normalisation | None:
    """Load a weights file; returns the normalisation that it says, as our own run folders do."""
    tensors = load_tensors(weights)
    said = _stored_normalisation(weights)
    inner = {name.removeprefix("network."): value for name, value in tensors.items() if name.startswith("network.")}
    if not isinstance(network, Normalised) and {*tensors} == {*(f"network.{name}" for name in inner), "mean", "std"}:
        said = tuple(tensors["mean"].tolist()), tuple(tensors["std"].tolist())
        tensors = inner
    load_weights(network, tensors, weights)
    return said


def _stored_normalisation(weights: Path) -> Normalisation | None:
    """Mean and standard deviation where the header of a safetensors file says them."""
    if weights.suffix in (".pt", ".pth"):
        return None
    with safe_open(weights, "pt") as file:
        said = file.metadata() or {}
    if "mean" not in said or "std" not in said:
        return None
    return _numbers(said["mean"], weights), _numbers(said["std"], weights)


def _numbers(text: str, weights: Path) -> tuple[float, ...]:
    try:
        return tuple(float(word) for word in text.replace(",", " ").split())
    except ValueError:
        raise InputError(f"mean and std in the header of {str(weights)!r} must be numbers, got {text!r}") from None


def _check_fits(opened: Opened, dataset: Dataset | None) -> None:
    """Two empty images through the network: shape and classes of the data must be the network's."""
    shape, data = (opened.origin.shape, "") if dataset is None else (dataset.shape, f" of {dataset.name}")
    try:
        with torch.inference_mode():
            output = opened.network(torch.zeros(2, *shape))
    except Exception as error:  # a user's network fails in its own ways
        made_for = f", it was made for {opened.origin.shape}" if opened.origin.shape != shape else ""
        raise InputError(
            f"{opened.origin.name} cannot take images of shape {shape}{data}{made_for}: {_first_line(error)}"
        ) from error
    if not isinstance(output, Tensor) or output.ndim != 2 or len(output) != 2:
        got = tuple(output.shape) if isinstance(output, Tensor) else type(output).__name__
        raise InputError(f"{opened.origin.name} must return logits (B, classes), got {got}")
    if dataset is not None and output.shape[1] < dataset.classes:
        raise InputError(
            f"{opened.origin.name} has {output.shape[1]} outputs, {dataset.name} has {dataset.classes} classes"
        )


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:200] if lines else type(error).__name__
