"""A measurement on its own: a page with its figures, its numbers and the directions themselves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from corank.experiment import run_folder
from corank.experiment.networks import Opened, identity
from corank.experiment.tables import measured_table
from corank.measure import ActiveSubspace, ActiveSubspaces
from corank.network import save_tensors
from corank.report import Page, Section, figures_of, write_page
from corank.report.format import interval, percent
from corank.zoo import Batches, Dataset

MEASUREMENT = "measurement.json"
OWN_FILES = {"directions.safetensors", "figures", "index.html", MEASUREMENT}
LOST_HELD_OUT = 0.2  # directions that hold so much less of held-out gradients are not trusted


def run_measurement(
    opened: Opened,
    dataset: Dataset,
    measure: ActiveSubspace,
    out: Path | None = None,
    *,
    batch_size: int = 64,
    seed: int = 0,
    overwrite: bool = False,
) -> ActiveSubspaces:
    """Measure a network on the training split, and write a folder with what was found where one is named.

    Args:
        opened: the network.
        dataset: its training split is measured on.
        measure: what is measured.
        out: the folder.
        batch_size: samples a pass.
        seed: of the order of the samples.
        overwrite: replace a measurement with other options that is there.

    Raises:
        InputError: the folder holds something else, or the network cannot be measured.
    """
    batches = Batches(dataset.train, batch_size, shuffle=True, seed=seed)
    options = {**identity(opened, dataset), **asdict(measure), "batch_size": batch_size, "seed": seed}
    if out is not None:
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


def write_measurement(found: ActiveSubspaces, out: Path, network: str, data: str, options: Mapping[str, Any]) -> None:
    """Write `index.html`, `measurement.json`, `directions.safetensors` and the figures.

    Args:
        found: the measurement.
        out: the folder.
        network: the network's name.
        data: the data set's.
        options: what makes the measurement this one.

    Raises:
        InputError: the folder cannot be written.
    """
    made_from = {"network": network, "data": data, "samples": found.samples, "loss": found.loss}
    provenance = {**made_from, **run_folder.versions()}
    section = Section("Layer by layer", tables=(measured_table(found),), figures=tuple(figures_of(found).values()))
    page = Page(
        title=f"Active neurons of {network}",
        subtitle=f"measured on {data}",
        summary=neurons_in_words(found),
        sections=(section,),
        provenance=provenance,
    )
    write_page(page, out)
    save_tensors({layer.layer: layer.directions for layer in found.layers}, out / "directions.safetensors")
    run_folder.write_json(out / MEASUREMENT, {**provenance, "options": options, **found.to_dict()})


def neurons_in_words(found: ActiveSubspaces) -> tuple[str, ...]:
    """What the counts of active neurons say, in plain sentences."""
    weak = [layer.layer for layer in found.layers if layer.captured_heldout < layer.captured - LOST_HELD_OUT]
    trusted = [
        layer for layer in found.layers if layer.active_neurons.energy.high is not None and layer.layer not in weak
    ]
    sentences = []
    if trusted:
        least = min(trusted, key=lambda layer: (layer.active_neurons.energy.high or 0) / layer.width)
        sentences.append(
            f"At {least.layer}, {interval(least.active_neurons.energy)} of {least.width:,} directions carry "
            f"{percent(1 - found.epsilon, 0)} of the gradient energy of {found.samples:,} samples; of samples that "
            f"took no part, the leading {len(least.directions)} carry {percent(least.captured_heldout)}."
        )
    open_ended = [layer.layer for layer in found.layers if layer.active_neurons.energy.high is None]
    if open_ended:
        sentences.append(
            f"At {_listed(open_ended)} the count is not reached within the sketch; a larger one would tell."
        )
    if weak:
        sentences.append(
            f"At {_listed(weak)} the directions hold much less of the gradients of samples they were not made from: "
            "the counts there speak of the measured samples only, and more samples would be needed to say more."
        )
    return tuple(sentences)


def _listed(names: list[str]) -> str:
    shown = names if len(names) <= 4 else [*names[:3], f"{len(names) - 3} more layers"]
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"
