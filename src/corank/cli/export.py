"""The command that makes a network a file for other programs."""

from __future__ import annotations

from pathlib import Path

from corank.cli.output import print_json, print_table, say
from corank.cli.source import Flag
from corank.errors import InputError
from corank.experiment import open_network
from corank.experiment.export import check_places, export_table, is_normalised, run_export, stored_bounds


def export(
    *,
    network: str,
    onnx: Path | None = None,
    pt2: Path | None = None,
    weights: Path | None = None,
    random_weights: Flag = False,
    classes: int | None = None,
    input_shape: str | None = None,
    seed: int = 0,
    overwrite: Flag = False,
    json: Flag = False,
) -> None:
    """Write a network as ONNX or for PyTorch alone, check that the file computes the same, and time it.

    Args:
        network: a name of the zoo, a run folder, or package.module:factory.
        onnx: the file for ONNX Runtime and others; needs the extra onnx.
        pt2: the file for torch.export.load.
        weights: for a zoo name or a factory: safetensors, or .pt read without running code.
        random_weights: take the network as its factory or the zoo makes it, without a weights file.
        classes: outputs of a network of the zoo.
        input_shape: of one input, as in 3,32,32; needed for a factory's network.
        seed: of fresh weights and of the inputs that files are checked on.
        overwrite: replace files that are there.
        json: print JSON.
    """
    files = {kind: file for kind, file in (("onnx", onnx), ("pt2", pt2)) if file is not None}
    check_places(files, network, overwrite=overwrite)
    shape = None if input_shape is None else shape_of(input_shape)
    opened = open_network(network, weights=weights, classes=classes, shape=shape, seed=seed)
    if random_weights and opened.is_trained:
        raise InputError(f"--random-weights does not go with trained weights, which {network!r} came with")
    if not (opened.is_trained or random_weights):
        raise InputError(
            f"network {network!r} has no trained weights: train it first (corank train), name a --weights file, "
            "or add --random-weights"
        )
    if weights is not None and not is_normalised(opened.network):
        say(f"{network} takes inputs as they are: {str(weights)!r} says no mean and std to normalise them")
    found = run_export(opened, tuple(files.values()), bounds=stored_bounds(network), seed=seed)
    if json:
        print_json(found)
    else:
        print_table(export_table(found))


def shape_of(text: str) -> tuple[int, ...]:
    """The shape that a text like `3,32,32` means.

    Raises:
        InputError: anything else.

    Example:
        >>> shape_of("3,32,32")
        (3, 32, 32)
    """
    parts = text.split(",")
    if not all(part.isdecimal() and int(part) > 0 for part in parts):
        raise InputError(f"--input-shape must be positive whole numbers as in 3,32,32, got {text!r}")
    return tuple(int(part) for part in parts)
