"""The command line: parse, call, print.

The options of a method are the fields of its class, found by walking its room. Results go to standard output,
progress and messages to standard error. Exit codes: 0 done, 2 the user's mistake in one line, 130 interrupted.
"""

from __future__ import annotations

import json as json_module
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Annotated, Any

import cyclopts
from cyclopts import App, CycloptsError, Parameter
from rich.console import Console

import corank
import corank.compress
from corank.compress import Compressor
from corank.discover import methods_of
from corank.errors import InputError
from corank.experiment import Opened, Study, Training, open_network
from corank.experiment.compressing import run_compression
from corank.experiment.costing import cost_of
from corank.experiment.measuring import run_measurement
from corank.experiment.networks import meant, users_code, with_meant_layers
from corank.experiment.run_folder import said
from corank.experiment.study_run import STUDY, run_study
from corank.experiment.tables import compressed_in_words, cost_table, measured_table
from corank.experiment.training import is_first_process
from corank.measure import ActiveSubspace
from corank.network import Layer
from corank.report import Table, table_text
from corank.result import jsonable
from corank.train.devices import checked_device
from corank.zoo import Dataset, load_data

MISTAKE, INTERRUPTED = 2, 130
PIPE_WIDTH = 160  # of a table where no terminal says how wide it is


def convert(type_: Any, tokens: Sequence[cyclopts.Token]) -> Any:
    """Text to values as usual, but whole numbers are never rounded and a layer in decimals counts convolutions."""
    texts = [token.value for token in tokens]
    if type_ is int and not texts[0].removeprefix("-").isdecimal():
        raise ValueError(f"{texts[0]!r} is no whole number")
    if type_ == Layer:
        return _layer(texts[0])
    if type_ in (tuple[Layer, ...], Layer | tuple[Layer, ...]):
        return tuple(_layer(text) for text in texts)
    return cyclopts.convert(type_, tokens)


def _layer(text: str) -> Layer:
    return int(text) if text.isdecimal() else text


Flag = Annotated[bool, Parameter(show_default=False)]
Options = Parameter(name="*")

app = App(
    name="corank",
    help=corank.__doc__,
    version=corank.__version__,
    default_parameter=Parameter(converter=convert, negative=""),
    suppress_keyboard_interrupt=False,
)
compress_app = App(name="compress", help="Make a network smaller; the method comes next.")
app.command(compress_app)


@Options
@dataclass(frozen=True, kw_only=True)
class Source:
    """The network and the data that a command works on."""

    network: str
    """a name of the zoo, a run folder, or package.module:factory."""
    weights: Path | None = None
    """weights for a zoo name or a factory: safetensors, or .pt read without running code."""
    random_weights: Flag = False
    """take the network as its factory or the zoo makes it, without a weights file."""
    data: str = "digits"
    """a name of the zoo, a folder of class folders or its archive, an .npz, or package.module:factory."""
    data_root: Path | None = None
    """the folder with named data; else the environment variable CORANK_DATA."""
    seed: int = 0
    """of every random draw."""
    device: str = "cpu"
    """cpu, cuda or cuda:N."""

    def open(self, *, untrained: bool = False) -> tuple[Opened, Dataset]:
        """The network on its device, and the data."""
        device = checked_device(self.device)
        with users_code(self.data):
            dataset = load_data(self.data, self.data_root)
        opened = open_network(
            self.network, dataset=dataset, weights=self.weights, normalise=not self.random_weights, seed=self.seed
        )
        if not (opened.is_trained or untrained or self.random_weights):
            raise InputError(
                f"network {self.network!r} has no trained weights: train it first (corank train), name a --weights "
                "file, or add --random-weights"
            )
        opened.network.to(device)
        return opened, dataset

    def spare(self, out: Path | None, overwrite: bool) -> None:
        """Refuse to overwrite the very network that is asked for."""
        folder = Path(self.network).expanduser().resolve()
        if overwrite and out is not None and folder.is_dir() and folder.is_relative_to(out.resolve()):
            raise InputError(f"--overwrite would delete the network {self.network!r}: name another --out")


@Options
@dataclass(frozen=True, kw_only=True)
class StudySource(Source):
    """The same with a network for the digits as the default."""

    network: str = "vgg_digits"


@app.command
def study(
    *,
    source: StudySource = StudySource(),
    options: Annotated[Study, Options] = Study(),  # noqa: B008 - frozen
    train_epochs: int | None = None,
    out: Path,
    quick: Flag = False,
    overwrite: Flag = False,
    json: Flag = False,
) -> None:
    """Measure every layer of a network, cut it at three places, and write a page about it.

    Args:
        source: the network and the data; a network without weights is trained first.
        options: of the study.
        train_epochs: of a network without weights.
        out: the folder for the page, study.json, figures and the cut networks.
        quick: fewer samples and one epoch of fine-tuning, where these are not given.
        overwrite: replace the study that is in that folder.
        json: print what study.json holds.
    """
    source.spare(out, overwrite)
    if train_epochs is not None and train_epochs < 1:
        raise InputError(f"--train-epochs must be at least 1, got {train_epochs}")
    training = Training(epochs=train_epochs, seed=source.seed, device=source.device)
    opened, dataset = source.open(untrained=True)
    opened = replace(opened, is_trained=opened.is_trained or source.random_weights)
    if train_epochs is not None and opened.is_trained:
        raise InputError(
            f"--train-epochs {train_epochs} is for a network that is trained here, {source.network!r} is not"
        )
    chosen = _hastened(options) if quick else options
    chosen = with_meant_layers(_seeded(chosen, source.seed), opened.network)
    found = run_study(opened, dataset, chosen, training, out, overwrite=overwrite, report=_say)
    if json:
        _print_json(found)
        return
    for sentence in said(found, out / STUDY, "summary"):
        print(sentence)
    print(f"The page: {out / 'index.html'}")


@app.command
def train(
    *,
    source: Source,
    out: Path,
    epochs: int | None = None,
    batch_size: int | None = None,
    learning_rate: float | None = None,
    weight_decay: float | None = None,
    precision: str | None = None,
    processes: int = 1,
    overwrite: Flag = False,
    json: Flag = False,
) -> None:
    """Train a network; an interrupted training goes on where it stopped.

    Args:
        source: the network and the data.
        out: the run folder.
        epochs: passes over the training images; the default depends on the network.
        batch_size: images a step.
        learning_rate: the largest of the schedule.
        weight_decay: of the optimiser.
        precision: 32-true or bf16-mixed.
        processes: how many train together.
        overwrite: replace the run that is in that folder.
        json: print metrics.json.
    """
    source.spare(out, overwrite)
    training = Training(
        epochs=epochs, batch_size=batch_size, learning_rate=learning_rate, weight_decay=weight_decay,
        seed=source.seed, device=source.device, precision=precision, processes=processes,
    )  # fmt: skip
    opened, dataset = source.open(untrained=True)
    run = training.run(opened, dataset, out, overwrite=overwrite, report=_say)
    if not is_first_process():
        return
    if json:
        _print_json(run.metrics)
    else:
        accuracy = said(run.metrics, out / "metrics.json", "test_accuracy")
        print(f"{opened.origin.name} on {dataset.name}: test accuracy {accuracy:.2%}, in {out}")


@app.command
def measure(
    *,
    source: Source,
    options: Annotated[ActiveSubspace, Options] = ActiveSubspace(samples=4096),  # noqa: B008 - frozen
    batch_size: int = 64,
    out: Path | None = None,
    overwrite: Flag = False,
    json: Flag = False,
) -> None:
    """Find the active subspace and count the active neurons of the hidden layers, in one pass.

    Args:
        source: the network and the data.
        options: of the measure.
        batch_size: samples a pass.
        out: a folder for a page with figures and measurement.json.
        overwrite: replace the measurement that is in that folder.
        json: print a row a layer as JSON.
    """
    opened, dataset = source.open()
    measured = with_meant_layers(options, opened.network)
    found = run_measurement(
        opened, dataset, measured, out, batch_size=batch_size, seed=source.seed, overwrite=overwrite
    )
    if json:
        _print_json({"network": opened.origin.name, "data": dataset.name, **found.to_dict()})
    else:
        _print_table(measured_table(found))


@app.command
def cost(
    *,
    network: str,
    layer: Layer | None = None,
    rank: int = 50,
    order: int = 2,
    classes: int | None = None,
    input_shape: str | None = None,
    weights: Path | None = None,
    latency: Annotated[bool, Parameter(negative="--no-latency")] = True,
    json: Flag = False,
) -> None:
    """Count parameters, storage and multiply-adds of a network, and of its ASNet if it is cut at a layer.

    Args:
        network: a name of the zoo, a run folder, or package.module:factory.
        layer: where to cut: a name, or the number of a convolution.
        rank: directions kept at the cut.
        order: of the polynomial.
        classes: outputs of a network of the zoo.
        input_shape: of one input, as in 3,32,32; needed for a factory's network.
        weights: for a zoo name or a factory; costs do not depend on them.
        latency: measure it too, at batch sizes 1 and 64.
        json: print JSON.
    """
    opened = open_network(
        network, weights=weights, classes=classes, shape=None if input_shape is None else _shape(input_shape)
    )
    place = None if layer is None else meant(layer, opened.network)
    found = cost_of(opened, place, rank=rank, order=order, latency=latency)
    if json:
        _print_json(found)
    else:
        _print_table(cost_table(found))


def _compress_command(method: type[Compressor]) -> Any:
    """The command of one compressor: its fields are the options."""

    def command(
        *, source: Source, method: Any, out: Path, batch_size: int = 64, overwrite: Flag = False, json: Flag = False
    ) -> None:
        source.spare(out, overwrite)
        opened, dataset = source.open()
        chosen = with_meant_layers(_seeded(method, source.seed), opened.network)
        run = run_compression(
            opened, dataset, chosen, out, batch_size=batch_size, seed=source.seed, overwrite=overwrite, report=_say
        )
        if json:
            _print_json(run.metrics)
        else:
            print(compressed_in_words(run))

    command.__annotations__["method"] = Annotated[method, Options]
    command.__doc__ = (method.__doc__ or "").split("\n\n")[0] + _COMPRESS_OPTIONS
    return command


_COMPRESS_OPTIONS = """

    Args:
        out: the run folder of the smaller network.
        batch_size: samples a pass.
        overwrite: replace the run that is in that folder.
        json: print metrics.json.
"""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit with its code."""
    sys.exit(run(sys.argv[1:] if arguments is None else arguments))


def run(arguments: Sequence[str]) -> int:
    """Run a command and return its exit code."""
    try:
        app(arguments, exit_on_error=False, print_error=False, result_action="return_value")
    except (CycloptsError, InputError) as error:
        print(f"corank: {' '.join(str(error).split())}", file=sys.stderr)
        return MISTAKE
    except KeyboardInterrupt:
        print("corank: interrupted; what was finished is kept", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:  # whoever read the output has enough of it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def _shape(text: str) -> tuple[int, ...]:
    parts = text.split(",")
    if not all(part.isdecimal() and int(part) > 0 for part in parts):
        raise InputError(f"--input-shape must be positive whole numbers as in 3,32,32, got {text!r}")
    return tuple(int(part) for part in parts)


def _hastened(options: Study) -> Study:
    """The study with little of everything that it was not told."""
    default = Study()
    little = {"samples": 1024, "fit_samples": 10_000, "epochs": 1}
    return replace(options, **{k: v for k, v in little.items() if getattr(options, k) == getattr(default, k)})


def _seeded(method: Any, seed: int) -> Any:
    """The method with the command's seed, if it has one of its own: `--seed` is one option."""
    return replace(method, seed=seed) if "seed" in (field.name for field in fields(method)) else method


def _say(stage: str) -> None:
    if is_first_process():
        print(f"corank: {stage}", file=sys.stderr, flush=True)


def _print_json(values: Any) -> None:
    print(json_module.dumps(jsonable(values), indent=1, allow_nan=False), flush=True)


def _print_table(table: Table) -> None:
    console = Console(width=None if sys.stdout.isatty() else PIPE_WIDTH)
    console.print(table_text(table.columns, table.rows, table.caption))


for _name, _method in methods_of(corank.compress, Compressor).items():  # type: ignore[type-abstract]
    compress_app.command(_compress_command(_method), name=_name)
