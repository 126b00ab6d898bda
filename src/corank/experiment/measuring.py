"""A measurement on its own: a page with its figures, its numbers and the directions themselves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from torch import Tensor

from corank.discover import name_of
from corank.experiment import run_folder
from corank.experiment.chapters import chapters, in_words
from corank.experiment.networks import Opened, identity
from corank.experiment.processes import is_first_process
from corank.measure import ActivationSpectra, ActiveSubspaces, Measure, Measurement, Surveyed
from corank.network import save_tensors
from corank.report import PAGE, Page, write_page
from corank.zoo import Batches, Dataset

MEASUREMENT = "measurement.json"
DIRECTIONS, PRINCIPAL = "directions.safetensors", "principal_directions.safetensors"
OWN_FILES = {DIRECTIONS, PRINCIPAL, "figures", PAGE, MEASUREMENT}


def run_measurement(
    opened: Opened,
    dataset: Dataset,
    measure: Measure,
    out: Path | None = None,
    *,
    batch_size: int = 64,
    seed: int = 0,
    overwrite: bool = False,
) -> Measurement:
    """Measure a network on the training split, and write a folder with what was found where one is named.

    Args:
        opened: the network.
        dataset: its training split is measured on.
        measure: what is measured.
        out: the folder; only the first of several processes writes it.
        batch_size: samples a pass.
        seed: of the order of the samples.
        overwrite: replace a measurement with other options that is there.

    Raises:
        InputError: the folder holds something else, or the network cannot be measured.
    """
    batches = Batches(dataset.train, batch_size, shuffle=True, seed=seed)
    out = out if is_first_process() else None
    options: dict[str, Any] = {}
    if out is not None:
        chosen = {"measure": name_of(type(measure)), **asdict(measure), "batch_size": batch_size, "seed": seed}
        options = {**identity(opened, dataset), **chosen}
        claim_measurement(out, options, overwrite=overwrite)
    found = measure.measure(opened.network, batches)
    if out is not None:
        write_measurement(found, out, opened.origin.name, dataset.name, options)
    return found


def claim_measurement(out: Path, options: Mapping[str, Any], *, overwrite: bool = False) -> None:
    """Make sure that a folder may be written to by a measurement with these options.

    Raises:
        InputError: the folder holds something else, or cannot be written to.
    """
    run_folder.make_writable(out)
    if not (out / MEASUREMENT).is_file():
        run_folder.refuse_foreign(out, OWN_FILES, "measurement")
    elif not overwrite:
        stored = run_folder.read_json(out / MEASUREMENT).get("options")
        run_folder.refuse_difference(out, "measurement", stored, options)


def write_measurement(found: Measurement, out: Path, network: str, data: str, options: Mapping[str, Any]) -> None:
    """Write `index.html`, `measurement.json`, the figures and the directions that were found.

    Args:
        found: the measurement.
        out: the folder.
        network: the network's name.
        data: the data set's.
        options: what makes the measurement this one.

    Raises:
        InputError: the folder cannot be written.
    """
    provenance = {"network": network, "data": data, **conditions(found), **run_folder.versions()}
    page = Page(
        title=f"Measurements of {network}",
        subtitle=f"measured on {data}",
        summary=in_words(found),
        sections=chapters(found),
        provenance={name.replace("_", " "): value for name, value in provenance.items()},
    )
    if (out / MEASUREMENT).is_file():
        run_folder.clear_page(out, MEASUREMENT, DIRECTIONS, PRINCIPAL)
    write_page(page, out)
    for name, directions in directions_of(found).items():
        save_tensors(directions, out / name)
    run_folder.write_json(out / MEASUREMENT, {**provenance, "options": options, **found.to_dict()})


def conditions(found: Measurement) -> dict[str, Any]:
    """Under which conditions a measurement was made, as far as it says."""
    source = (found.active or found.activations) if isinstance(found, Surveyed) else found
    names = ("samples", "samples_heldout", "loss", "layout", "precision")
    return {name: getattr(source, name) for name in names if hasattr(source, name)}


def directions_of(found: Measurement) -> dict[str, dict[str, Tensor]]:
    """The directions that a measurement found, by file and layer."""
    active, activations = (found.active, found.activations) if isinstance(found, Surveyed) else (found, found)
    files = {}
    if isinstance(active, ActiveSubspaces):
        files[DIRECTIONS] = {layer.layer: layer.directions for layer in active.layers}
    if isinstance(activations, ActivationSpectra):
        files[PRINCIPAL] = {layer.layer: layer.directions for layer in activations.layers}
    return files
