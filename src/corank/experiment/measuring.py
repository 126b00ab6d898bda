"""A measurement on its own: a page with its figures, its numbers and the directions themselves."""

from __future__ import annotations

from pathlib import Path

from corank.errors import InputError
from corank.experiment.run_folder import versions, write_json
from corank.experiment.tables import measured_table
from corank.measure import ActiveSubspaces
from corank.network import save_tensors
from corank.report import Page, Section, figures_of, write_page


def write_measurement(found: ActiveSubspaces, out: Path, network: str, data: str) -> None:
    """Write `index.html`, `measurement.json`, `directions.safetensors` and the figures.

    Args:
        found: the measurement.
        out: the folder.
        network: the network's name.
        data: the data set's.

    Raises:
        InputError: the folder is a file.
    """
    if out.exists() and not out.is_dir():
        raise InputError(f"--out must name a folder, {str(out)!r} is a file")
    provenance = {"network": network, "data": data, "samples": found.samples, "loss": found.loss, **versions()}
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
    write_json(out / "measurement.json", {**provenance, **found.to_dict()})


def neurons_in_words(found: ActiveSubspaces) -> tuple[str, ...]:
    """What the counts of active neurons say, in plain sentences."""
    reached = [layer for layer in found.layers if layer.active_neurons.energy.high is not None]
    sentences = []
    if reached:
        least = min(reached, key=lambda layer: (layer.active_neurons.energy.high or 0) / layer.width)
        sentences.append(
            f"At {least.layer} the loss depends on {least.active_neurons.energy} of {least.width:,} directions: they "
            f"carry {1 - found.epsilon:.0%} of the gradient energy."
        )
    open_ended = [layer.layer for layer in found.layers if layer.active_neurons.energy.high is None]
    if open_ended:
        sentences.append(
            f"At {_listed(open_ended)} the count is not reached within the sketch; a larger one would tell."
        )
    weak = [layer.layer for layer in found.layers if layer.captured_heldout < layer.captured - 0.2]
    if weak:
        sentences.append(
            f"At {_listed(weak)} the directions hold much less of the gradients of samples they were not made from: "
            "more samples are needed there before the directions can be trusted."
        )
    return tuple(sentences)


def _listed(names: list[str]) -> str:
    shown = names if len(names) <= 4 else [*names[:3], f"{len(names) - 3} more layers"]
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"
