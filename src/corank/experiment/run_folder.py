"""Run folders: what every command writes and every `--network` reads.

A run folder holds `description.json` (what was done, to what, how to rebuild the network), `weights.safetensors`,
`metrics.json` and mostly a page for people with its figures; a network that the zoo cannot rebuild brings its graph in
`graph.json`. Nothing in it is a pickle, and no class of the user's is needed to load it.
"""

from __future__ import annotations

import json
import platform
import shutil
import tempfile
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from corank.errors import InputError, near
from corank.network import Normalised, capture, load_graph, load_tensors, save_graph, save_tensors
from corank.ode.flow_options import FlowOptions
from corank.report import PAGE, Page, write_page
from corank.result import first_difference, jsonable
from corank.zoo.data.reason import reason
from corank.zoo.nets import build

FORMAT = "corank-run-1"
PAGE_FILES = {"figures", PAGE}
CHECKPOINT = "checkpoint"
FLOW = "flow"
"""What is built by `FlowOptions` stands under this name where a network of the zoo has its own."""
OWN_FILES = {CHECKPOINT, "description.json", "graph.json", "metrics.json", "weights.safetensors"} | PAGE_FILES


@dataclass(frozen=True, kw_only=True)
class Origin:
    """How a network is rebuilt: a name of the zoo, or its graph where `zoo_name` is None.

    Attributes:
        name: how results call the network.
        zoo_name: its name in the zoo; `FLOW` for a density.
        classes: number of outputs.
        shape: of one input.
        dtype: of the inputs, as in `"float32"`.
        options: that the zoo builds it with, of networks that have some.
    """

    name: str
    zoo_name: str | None
    classes: int | None
    shape: tuple[int, ...]
    dtype: str = "float32"
    options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not isinstance(getattr(torch, self.dtype, None), torch.dtype):
            raise InputError(f"the type of the inputs must be one of PyTorch's, got {self.dtype!r}")
        if not all(isinstance(size, int) and size > 0 for size in self.shape):
            raise InputError(f"the shape of one input must be positive whole numbers, got {self.shape}")


@dataclass(frozen=True, kw_only=True)
class Run:
    """A run folder in memory."""

    folder: Path
    network: nn.Module
    origin: Origin
    description: Mapping[str, Any]
    metrics: Mapping[str, Any]


def load(folder: str | Path) -> nn.Module:
    """The network of a run folder, in evaluation mode, without the class that it was written in.

    Raises:
        InputError: no run folder, or a file in it that is missing or damaged.
    """
    return load_run(Path(folder)).network


def load_run(folder: Path) -> Run:
    """A run folder with everything in it.

    Raises:
        InputError: no run folder, or a file in it that is missing or damaged.
    """
    file = folder / "description.json"
    description = read_json(file)
    if description.get("format") != FORMAT:
        raise InputError(f"{str(folder)!r} is not a run folder: description.json has no format {FORMAT!r}")
    try:
        origin = Origin(**{**description["network"], "shape": tuple(description["network"]["shape"])})
        network = _rebuild(folder, origin, description.get("normalisation"))
    except InputError as error:
        raise InputError(f"run folder {str(folder)!r} cannot be read: {error}") from error
    except Exception as error:  # a damaged description fails wherever it is first used
        why = f"{type(error).__name__}: {reason(error)}"
        raise InputError(f"{str(file)!r} lacks what rebuilds the network: {why}") from error
    metrics = read_json(folder / "metrics.json")
    return Run(folder=folder, network=network.eval(), origin=origin, description=description, metrics=metrics)


def save_run(
    folder: Path,
    network: nn.Module,
    origin: Origin,
    *,
    about: Mapping[str, Any],
    metrics: Mapping[str, Any],
    page: Page | None = None,
) -> None:
    """Write a run folder, over an older run if there is one; `description.json` goes first and comes last.

    So a folder that has it is whole. The page goes next and comes next to last, so that none tells of a run whose
    weights and metrics are not there.

    Args:
        folder: where; made if need be.
        network: what to save.
        origin: how it is rebuilt; the graph is written where the zoo does not know the network.
        about: command, data, options, seed and what was changed.
        metrics: results.
        page: the same for people.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "description.json").unlink(missing_ok=True)
    if _may_have_page(folder):
        clear_page(folder)
    for name in ("graph.json", "metrics.json"):
        (folder / name).unlink(missing_ok=True)
    if origin.zoo_name is None:
        example = torch.zeros(2, *origin.shape, dtype=getattr(torch, origin.dtype))
        save_graph(capture(network, example), folder)
    else:
        save_tensors(network.state_dict(), folder / "weights.safetensors")
    write_json(folder / "metrics.json", metrics)
    description = {
        "format": FORMAT,
        "network": origin,
        "normalisation": _normalisation(network),
        **about,
        "versions": versions(),
    }
    if page is not None:
        write_page(page, folder)
    write_json(folder / "description.json", description)


def claim(folder: Path, options: Mapping[str, Any], *, overwrite: bool = False) -> Run | None:
    """Make sure that a folder may be written to by a run with these options; what is in it stays.

    Args:
        folder: made if need be.
        options: what makes the run this one, as JSON-able values.
        overwrite: whether a run that is there may be replaced; then there is always work to do.

    Returns:
        The finished run that is there already, with these very options; None where there is work to do.

    Raises:
        InputError: the folder holds something else, or cannot be written to.
    """
    make_writable(folder)
    if not (folder / "description.json").is_file():
        own = OWN_FILES if _may_have_page(folder) else OWN_FILES - PAGE_FILES
        refuse_foreign(folder, own, "run folder")
    elif not overwrite:
        run = load_run(folder)
        refuse_difference(folder, "run", run.description.get("options"), options)
        return run
    return None


def clear_run(folder: Path) -> None:
    """Delete the run that is in a folder, but no file that is not a run's."""
    shutil.rmtree(folder / CHECKPOINT, ignore_errors=True)
    (folder / "description.json").unlink(missing_ok=True)
    if _may_have_page(folder):
        clear_page(folder)
    for name in OWN_FILES - PAGE_FILES:
        (folder / name).unlink(missing_ok=True)


def _may_have_page(folder: Path) -> bool:
    """Whether `index.html` and `figures` can be a run's, which come after its metrics, and not somebody else's."""
    return (folder / "metrics.json").is_file()


def clear_page(folder: Path, *names: str) -> None:
    """Delete a page with its figures, and files of these names beside it."""
    figures = folder / "figures"
    for file in (*(folder / name for name in names), folder / PAGE, *figures.glob("*.svg")):
        file.unlink(missing_ok=True)
    if figures.is_dir() and not any(figures.iterdir()):
        figures.rmdir()


def make_writable(folder: Path) -> None:
    """Make a folder, so that one that cannot be written to is noticed before the work and not after it.

    Raises:
        InputError: it is a file, or it cannot be written to.
    """
    if folder.exists() and not folder.is_dir():
        raise InputError(f"--out must name a folder, {str(folder)!r} is a file")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise InputError(f"--out {str(folder)!r} cannot be written to ({error.strerror}): name another") from error


def refuse_foreign(folder: Path, own: Collection[str], kind: str) -> None:
    """Refuse to write where files of somebody else lie.

    Raises:
        InputError: the folder holds a file that is not among its own; one is named.
    """
    names = sorted(entry.name for entry in folder.iterdir() if not entry.name.startswith("."))
    foreign = [name for name in names if name.removesuffix(".part") not in own]
    if foreign:
        raise InputError(f"{str(folder)!r} holds {foreign[0]!r} and is no {kind}: name another --out")


def refuse_difference(folder: Path, kind: str, stored: Any, wanted: Mapping[str, Any]) -> None:
    """Refuse to take what a folder holds for what other options would give.

    Raises:
        InputError: an option differs; the first is named.
    """
    found = first_difference(stored, json.loads(json.dumps(jsonable(wanted))))
    if found is not None:
        place, was, now = found
        raise InputError(
            f"{str(folder)!r} holds another {kind} ({place or 'options'} was {was}, now {now}): name another --out, "
            "or add --overwrite"
        )


def refuse_other_beginning(folder: Path, kind: str, stopped: str, stored: Any, wanted: Mapping[str, Any]) -> None:
    """Refuse to go on with what was begun with other options.

    Args:
        folder: of the run.
        kind: what it is called.
        stopped: how far it came.
        stored: the options that it was begun with; None where something else was begun.
        wanted: those that are given now.

    Raises:
        InputError: an option differs; the first is named.
    """
    found = first_difference(stored, json.loads(json.dumps(jsonable(wanted))))
    if found is not None:
        place, was, now = found
        other = f"a {kind} with {place} {was}, not {now}" if stored is not None else f"something else than a {kind}"
        raise InputError(
            f"{str(folder)!r} holds {other}, which stopped after {stopped}: give the same options to go on, add "
            "--overwrite to begin anew, or name another --out"
        )


@contextmanager
def no_empty_folder(folder: Path) -> Iterator[None]:
    """Take away the folders that were made for work which then was refused or stopped, where nothing is in them.

    Example:
        >>> root = Path(tempfile.mkdtemp())
        >>> with no_empty_folder(root / "new" / "run"):
        ...     make_writable(root / "new" / "run")
        ...     raise InputError("no such layer")
        Traceback (most recent call last):
        corank.errors.InputError: no such layer
        >>> [*root.iterdir()]
        []
    """
    made = [one for one in (folder, *folder.parents) if not one.exists()]
    try:
        yield
    except BaseException:
        for one in made:
            with suppress(OSError):  # something is in it
                one.rmdir()
        raise


def versions() -> dict[str, str]:
    """The versions that a result depends on."""
    return {"corank": version("corank"), "torch": torch.__version__, "python": platform.python_version()}


def write_json(file: Path, values: Any) -> None:
    """Write JSON through a temporary file."""
    aside = file.with_name(file.name + ".part")
    aside.write_text(json.dumps(jsonable(values), indent=1) + "\n")
    aside.replace(file)


def said(values: Mapping[str, Any], file: Path, *path: str) -> Any:
    """What a file of an earlier run says at a path of names.

    Raises:
        InputError: it does not say it.
    """
    found: Any = values
    for name in path:
        if not isinstance(found, Mapping) or name not in found:
            raise InputError(f"{str(file)!r} lacks {'.'.join(path)!r}: add --overwrite to do it again")
        found = found[name]
    return found


def read_json(file: Path) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        InputError: no such file, or it holds no JSON object.
    """
    try:
        found = json.loads(file.read_text())
    except FileNotFoundError:
        raise InputError(f"no file {str(file)!r}") from None
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{str(file)!r} is not readable JSON: {error}") from error
    if not isinstance(found, dict):
        raise InputError(f"{str(file)!r} must hold a JSON object, got {type(found).__name__}")
    return found


def _rebuild(folder: Path, origin: Origin, normalisation: Mapping[str, Any] | None) -> nn.Module:
    if origin.zoo_name is None:
        return load_graph(folder)
    if origin.zoo_name == FLOW:
        flow = FlowOptions.read(origin.options).build(origin.shape[0], generator=torch.Generator())
        load_weights(flow, load_tensors(folder / "weights.safetensors"), folder / "weights.safetensors")
        return flow
    network = build(origin.zoo_name, classes=int(origin.classes or 0), shape=origin.shape, options=origin.options)
    if normalisation is not None:
        network = Normalised(network, normalisation["mean"], normalisation["std"])
    load_weights(network, load_tensors(folder / "weights.safetensors"), folder / "weights.safetensors")
    return network


def load_weights(network: nn.Module, tensors: Mapping[str, Tensor], file: Path) -> None:
    """Copy tensors into a network; batch-norm counters may be missing and half precision becomes single.

    Raises:
        InputError: a tensor is missing, unknown or of another shape.
    """
    own = network.state_dict()
    missing = [name for name in own if name not in tensors and not name.endswith("num_batches_tracked")]
    unknown = [name for name in tensors if name not in own]
    if missing or unknown:
        what = f"lacks {missing[0]!r}" if missing else f"has the unknown tensor {unknown[0]!r}"
        held = near(missing[0], tensors) if missing else near(unknown[0], own)
        raise InputError(f"weights file {str(file)!r} does not fit the network: it {what}; {held}")
    for name, value in tensors.items():
        if value.shape != own[name].shape:
            raise InputError(
                f"weights file {str(file)!r} does not fit the network: {name!r} has shape {tuple(value.shape)}, "
                f"expected {tuple(own[name].shape)}"
            )
    network.load_state_dict({name: tensors.get(name, value) for name, value in own.items()})


def _normalisation(network: nn.Module) -> dict[str, Any] | None:
    if not isinstance(network, Normalised):
        return None
    return {"mean": network.mean.tolist(), "std": network.std.tolist()}
