"""The commands of methods: each is found by walking its room, and its fields are the options."""

from __future__ import annotations

from dataclasses import MISSING, fields, replace
from pathlib import Path
from typing import Annotated, Any, get_type_hints

from cyclopts import App
from torch import nn

import corank.compress
import corank.measure
from corank.cli.output import print_json, print_table, say
from corank.cli.source import Flag, Options, Source, seeded
from corank.compress import Compressed, Compressor
from corank.discover import methods_of
from corank.experiment.chapters import left_out
from corank.experiment.compressing import run_compression
from corank.experiment.measured_tables import measured_table
from corank.experiment.measuring import run_measurement
from corank.experiment.networks import with_meant_layers
from corank.experiment.processes import is_first_process, joined_processes
from corank.experiment.tables import compressed_in_words
from corank.measure import Measure, Survey
from corank.report import PAGE
from corank.train.devices import checked_device

measure_app = App(name="measure", help="Measure every layer of a network; a single measure may come next.")
compress_app = App(name="compress", help="Make a network smaller; the method comes next.")


def with_layers(method: Any, network: nn.Module) -> Any:
    """The method with the layers that are meant, where it asks for any."""
    return with_meant_layers(method, network) if hasattr(method, "layer") else method


def _measured(source: Source, options: Any, batch_size: int, out: Path | None, overwrite: bool, json: bool) -> None:
    with joined_processes(checked_device(source.device)) as device:
        opened, dataset = replace(source, device=str(device)).open()
        chosen = seeded(options, source.seed)
        measured = with_layers(chosen, opened.network)
        found = run_measurement(
            opened, dataset, measured, out, batch_size=batch_size, seed=source.seed, overwrite=overwrite
        )
        if not is_first_process():
            return
        if json:
            print_json({"network": opened.origin.name, "data": dataset.name, **found.to_dict()})
        else:
            print_table(measured_table(found))
            for what, reason in left_out(found):
                say(f"not measured: {what}: {reason}")


def _measure_command(method: type[Measure]) -> Any:
    """The command of one measure: its fields are the options."""

    def command(
        *,
        source: Source,
        options: Any = None,
        batch_size: int = 64,
        out: Path | None = None,
        overwrite: Flag = False,
        json: Flag = False,
    ) -> None:
        _measured(source, options, batch_size, out, overwrite, json)

    command.__annotations__["options"] = Annotated[method, Options]
    assert command.__kwdefaults__ is not None
    command.__kwdefaults__["options"] = method()
    command.__name__ = "measure"
    command.__doc__ = (method.__doc__ or "").split("\n\n")[0] + _MEASURE_OPTIONS
    return command


_MEASURE_OPTIONS = """

    Args:
        batch_size: samples a pass.
        out: a folder for a page with figures and measurement.json.
        overwrite: replace the measurement that is in that folder.
        json: print what was found as JSON.
"""


def _compress_command(method: type[Compressor[Compressed]]) -> Any:
    """The command of one compressor: its fields are the options."""

    def command(
        *,
        source: Source,
        options: Any = None,
        out: Path,
        batch_size: int = 64,
        overwrite: Flag = False,
        json: Flag = False,
    ) -> None:
        source.spare(out, overwrite)
        wanted = method() if options is None else options
        opened, dataset = source.open()
        chosen = with_layers(seeded(wanted, source.seed), opened.network)
        run = run_compression(
            opened, dataset, chosen, out, batch_size=batch_size, seed=source.seed, overwrite=overwrite, report=say
        )
        if json:
            print_json(run.metrics)
        else:
            print(compressed_in_words(run))
            print(f"The page: {run.folder / PAGE}")

    has_defaults = all(option.default is not MISSING for option in fields(method))
    command.__annotations__["options"] = Annotated[method | None if has_defaults else method, Options]
    if not has_defaults:
        assert command.__kwdefaults__ is not None
        del command.__kwdefaults__["options"]
    command.__doc__ = (method.__doc__ or "").split("\n\n")[0] + _COMPRESS_OPTIONS
    return command


_COMPRESS_OPTIONS = """

    Args:
        out: the run folder of the smaller network.
        batch_size: samples a pass.
        overwrite: replace the run that is in that folder.
        json: print metrics.json.
"""


def resolve_types(method: type) -> None:
    """Replace the names of types by the types: inherited options name types of other modules than the method's."""
    hints = get_type_hints(method, include_extras=True)
    method.__init__.__annotations__.update({field.name: hints[field.name] for field in fields(method)})  # type: ignore[misc]


for _name, _measure in methods_of(corank.measure, Measure).items():  # type: ignore[type-abstract]
    resolve_types(_measure)
    if _measure is Survey:
        measure_app.default(_measure_command(_measure))
    else:
        measure_app.command(_measure_command(_measure), name=_name)
for _name, _method in methods_of(corank.compress, Compressor).items():  # type: ignore[type-abstract]
    compress_app.command(_compress_command(_method), name=_name)
