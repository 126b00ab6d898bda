"""A user's network as files that run elsewhere, each checked and timed beside the network that it came from."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from corank.errors import InputError
from corank.experiment.compressing import LATENCY_BATCHES, timed
from corank.experiment.networks import Opened
from corank.experiment.run_folder import read_json, versions
from corank.network import Normalised
from corank.network.exporting import Bounds, check_format, export, load_exported
from corank.report import Column, Table
from corank.report.format import milliseconds, number

PIXELS: Bounds = (0.0, 1.0)  # of images, whose bytes are seen as byte / 255


def check_places(files: Mapping[str, Path], network: str, *, overwrite: bool = False) -> None:
    """Refuse places to write to before any work is done.

    Args:
        files: where the network shall go, by format: "onnx", "pt2" or both.
        network: as the user named it; a run folder stays as it is.
        overwrite: whether files that are there may be replaced.

    Raises:
        InputError: nothing to do, another suffix than the format's, a missing package, a file that is there, or a place
            in the network's own run folder.
    """
    if not files:
        raise InputError("export writes to --onnx FILE, --pt2 FILE or both, got neither: name one")
    folder = Path(network).expanduser()
    for kind, file in files.items():
        if file.suffix != f".{kind}":
            raise InputError(f"--{kind} must name a file that ends in .{kind}, got {str(file)!r}")
        check_format(file)
        if (folder / "description.json").is_file() and file.resolve().is_relative_to(folder.resolve()):
            raise InputError(f"--{kind} {str(file)!r} lies in the network's run folder, which stays as it is: "
                             "name a place outside")  # fmt: skip
        if file.is_dir():
            raise InputError(f"--{kind} must name a file, {str(file)!r} is a folder")
        if file.exists() and not overwrite:
            raise InputError(f"--{kind} {str(file)!r} is there already: name another file, or add --overwrite")


def stored_bounds(network: str) -> Bounds | None:
    """The least and largest value of an input, where a run folder's description says them.

    Raises:
        InputError: it says something else.
    """
    file = Path(network).expanduser() / "description.json"
    said = read_json(file).get("bounds") if file.is_file() else None
    if said is None:
        return None
    is_pair = isinstance(said, list) and len(said) == 2 and all(isinstance(end, int | float) for end in said)
    low, high = said if is_pair else (math.nan, math.nan)
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise InputError(f"bounds in {str(file)!r} must be two numbers, the smaller first, got {said!r}")
    return float(low), float(high)


def run_export(
    opened: Opened, files: Sequence[Path], *, bounds: Bounds | None = None, seed: int = 0, seconds: float = 2.0
) -> dict[str, Any]:
    """Write a network to files, check each, and time them all in turns with the network.

    Args:
        opened: the network; it comes back unchanged.
        files: where to, ending in .onnx or .pt2; what is there is replaced.
        bounds: of the inputs where they are known; where they are not, the check takes pixels from 0 to 1.
        seed: of the random inputs.
        seconds: about how long one batch size is measured.

    Returns:
        `files`, a row each with what the check found, and `latency`, a row for each program and batch size; in those
        of the network itself the file is null.

    Raises:
        InputError: a network that cannot be written in a format, or a file that does not agree with it.
    """
    origin = opened.origin
    dtype = getattr(torch, origin.dtype)
    about = {
        "corank": versions()["corank"],
        "network": origin.name,
        "input_shape": ",".join(map(str, origin.shape)),
        "normalisation": _normalisation(opened.network),
        **({} if bounds is None else {"bounds": ",".join(f"{end:g}" for end in bounds)}),
    }
    written = [
        export(opened.network, file, origin.shape, dtype=dtype, bounds=bounds or PIXELS, about=about, seed=seed)
        for file in files
    ]
    programs: dict[str, nn.Module] = {"": opened.network, **{str(file): load_exported(file) for file in files}}
    example = torch.zeros(1, *origin.shape, dtype=dtype)
    latency = [
        {"file": name or None, **row.row()}
        for batch in LATENCY_BATCHES
        for name, row in timed(programs, example, batch, seconds).items()
    ]
    return {
        "network": origin.name,
        "input_shape": origin.shape,
        "bounds": bounds,
        "files": [row.to_dict() for row in written],
        "latency": latency,
    }


def is_normalised(network: nn.Module) -> bool:
    """Whether a network changes its inputs by a mean and a standard deviation; what a user's own does is not seen."""
    return not isinstance(network, Normalised) or bool(network.mean.any() or (network.std != 1).any())


def _normalisation(network: nn.Module) -> str:
    if not isinstance(network, Normalised):
        return "what the network does itself"
    mean, std = (",".join(f"{value:.6g}" for value in values.tolist()) for values in (network.mean, network.std))
    return f"part of the network: mean {mean}, std {std}"


def export_table(found: Mapping[str, Any]) -> Table:
    """A row for the network and for each file: size, agreement and latency."""
    batches = sorted({row["batch"] for row in found["latency"]})
    columns = (
        Column("program"),
        Column("size (MB)"),
        Column("largest difference"),
        Column("relative"),
        Column("allowed"),
        *(Column(f"batch {batch}", show=_time) for batch in batches),
    )
    programs = [{"file": None}, *({**row, "file": str(row["file"])} for row in found["files"])]
    names = ("size_mb", "difference", "relative_difference", "allowed_difference")
    rows = []
    for program in programs:
        times = {row["batch"]: row for row in found["latency"] if row["file"] == program["file"]}
        rows.append((
            program["file"] or "network in PyTorch", *(program.get(name) for name in names),
            *(times[batch] for batch in batches),
        ))  # fmt: skip
    threads = found["latency"][0]["threads"]
    caption = (
        f"{found['network']}: outputs of the files beside those of the network on random inputs, in batches of "
        f"{', '.join(map(str, found['files'][0]['batches']))}; allowed is what rounding explains. Times are medians "
        f"and quartiles of calls in turns on {threads} {'thread' if threads == 1 else 'threads'}."
    )
    return Table(columns, tuple(rows), caption)


def _time(row: Mapping[str, Any]) -> str:
    return f"{milliseconds(row['median_ms'])} ({number(row['low_ms'])}–{number(row['high_ms'])})"
