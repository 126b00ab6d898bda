"""The command line: parse, call, print.

The options of a method are the fields of its class, found by walking its room. Results go to standard output,
progress and messages to standard error. Exit codes: 0 done, 2 the user's mistake in one line, 130 interrupted.
"""

from __future__ import annotations

import json as json_module
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
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
from corank.experiment import Opened, Study, Training, compress_and_evaluate, open_network
from corank.experiment.compressing import compress_options, save_compressed
from corank.experiment.costing import cost_of
from corank.experiment.measuring import write_measurement
from corank.experiment.run_folder import claim, load_run
from corank.experiment.study_run import run_study
from corank.experiment.tables import cost_table, measured_table
from corank.measure import ActiveSubspace
from corank.network import Layer
from corank.report import Table, table_text
from corank.result import jsonable
from corank.train.devices import checked_device
from corank.zoo import Batches, Dataset, load_data

MISTAKE, INTERRUPTED = 2, 130


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


Flag = Annotated[bool, Parameter(negative="")]
Options = Parameter(name="*")

app = App(
    name="corank",
    help=corank.__doc__,
    version=corank.__version__,
    default_parameter=Parameter(converter=convert),
)
compress_app = App(name="compress", help="Make a network smaller; the method comes next.")
app.command(compress_app)


@Options
@dataclass(frozen=True, kw_only=True)
class Source:
    """The network and the data that a command works on."""

    network: str
    """A name of the zoo, a run folder, or package.module:factory."""
    weights: Path | None = None
    """Weights for a zoo name or a factory: safetensors, or .pt read without running code."""
    random_weights: Flag = False
    """Accept a network without trained weights."""
    data: str = "digits"
    """A name of the zoo, a folder of class folders or its archive, an .npz, or package.module:factory."""
    data_root: Path | None = None
    """The folder with named data; else the environment variable CORANK_DATA."""
    seed: int = 0
    """Of every random draw."""
    device: str = "cpu"
    """cpu, cuda or cuda:N."""

    def open(self, *, untrained: bool = False) -> tuple[Opened, Dataset]:
        """The network on its device, and the data."""
        device = checked_device(self.device)
        dataset = load_data(self.data, self.data_root)
        opened = open_network(self.network, dataset=dataset, weights=self.weights, seed=self.seed)
        if not (opened.is_trained or untrained or self.random_weights):
            raise InputError(
                f"network {self.network!r} has no trained weights: train it first (corank train), name a --weights file, "
                "or add --random-weights"
            )
        opened.network.to(device)
        return opened, dataset


@app.command
def study(
    *,
    network: str = "vgg_digits",
    weights: Path | None = None,
    random_weights: Flag = False,
    data: str = "digits",
    data_root: Path | None = None,
    out: Path,
    options: Annotated[Study, Options] = Study(),  # noqa: B008 - frozen
    train_epochs: int | None = None,
    device: str = "cpu",
    quick: Flag = False,
    overwrite: Flag = False,
    json: Flag = False,
) -> None:
    """Measure every layer of a network, cut it at three places, and write a page about it.

    Args:
        network: a name of the zoo, a run folder, or package.module:factory.
        weights: for a zoo name or a factory.
        random_weights: study a network as it was initialised instead of training it.
        data: a name of the zoo, a folder of class folders or its archive, an .npz, or package.module:factory.
        data_root: the folder with named data; else the environment variable CORANK_DATA.
        out: the folder for the page, study.json, figures and the cut networks.
        train_epochs: of a network without weights, which is trained first.
        device: cpu, cuda or cuda:N.
        quick: fewer samples and one epoch of fine-tuning.
        overwrite: replace another study in that folder.
        json: print what study.json holds.
    """
    source = Source(
        network=network, weights=weights, random_weights=random_weights, data=data, data_root=data_root,
        seed=options.seed, device=device,
    )  # fmt: skip
    opened, dataset = source.open(untrained=True)
    chosen = replace(options, samples=1024, fit_samples=10_000, epochs=1) if quick else options
    opened = replace(opened, is_trained=opened.is_trained or random_weights)
    training = Training(epochs=train_epochs, seed=options.seed, device=device)
    found = run_study(opened, dataset, chosen, training, out, overwrite=overwrite, report=_say)
    if json:
        _print_json(found)
        return
    for sentence in found["summary"]:
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
        out: the run folder.
        epochs: passes over the training images; the default depends on the network.
        batch_size: images a step.
        learning_rate: the largest of the schedule.
        weight_decay: of the optimiser.
        precision: 32-true or bf16-mixed.
        processes: how many train together.
        overwrite: replace a finished run with other options.
        json: print metrics.json.
    """
    training = Training(
        epochs=epochs, batch_size=batch_size, learning_rate=learning_rate, weight_decay=weight_decay,
        seed=source.seed, device=source.device, precision=precision, processes=processes,
    )  # fmt: skip
    opened, dataset = source.open(untrained=True)
    run = training.run(opened, dataset, out, overwrite=overwrite)
    if json:
        _print_json(run.metrics)
    else:
        print(f"{opened.origin.name} on {dataset.name}: test accuracy {run.metrics['test_accuracy']:.2%}, in {out}")


@app.command
def measure(
    *,
    source: Source,
    options: Annotated[ActiveSubspace, Options] = ActiveSubspace(samples=4096),  # noqa: B008 - frozen
    batch_size: int = 64,
    out: Path | None = None,
    json: Flag = False,
) -> None:
    """Find the active subspace and count the active neurons of the hidden layers, in one pass.

    Args:
        batch_size: samples a pass.
        out: a folder for a page with figures and measurement.json.
        json: print a row a layer as JSON.
    """
    opened, dataset = source.open()
    batches = Batches(dataset.train, batch_size, shuffle=True, seed=source.seed)
    found = options.measure(opened.network, batches)
    if out is not None:
        write_measurement(found, out, opened.origin.name, dataset.name)
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
    latency: bool = True,
    json: Flag = False,
) -> None:
    """Count parameters, storage and multiply-adds of a network, and of its ASNet if it is cut at a layer.

    Args:
        network: a name of the zoo, a run folder, or package.module:factory.
        layer: where to cut: a name, or the number of a convolution.
        rank: directions kept at the cut.
        order: of the polynomial.
        classes: outputs of a network of the zoo.
        input_shape: of one input of a factory's network, as in 3,32,32.
        weights: for a zoo name or a factory; costs do not depend on them.
        latency: measure it too, at batch sizes 1 and 64.
        json: print JSON.
    """
    opened = open_network(
        network, weights=weights, classes=classes, shape=None if input_shape is None else _shape(input_shape)
    )
    found = cost_of(opened, layer, rank=rank, order=order, latency=latency)
    if json:
        _print_json(found)
    else:
        _print_table(cost_table(found))


def _compress_command(method: type[Compressor]) -> Any:
    """The command of one compressor: its fields are the options."""

    def command(
        *, source: Source, method: Any, out: Path, batch_size: int = 64, overwrite: Flag = False, json: Flag = False
    ) -> None:
        opened, dataset = source.open()
        options = compress_options(method, opened.origin.name, dataset)
        finished = claim(out, options, overwrite=overwrite)
        if finished is None:
            batches = Batches(dataset.train, batch_size, shuffle=True, seed=source.seed)
            start = time.perf_counter()
            found = compress_and_evaluate(opened.network, method, batches, dataset)
            save_compressed(out, found, opened.origin, dataset, options, time.perf_counter() - start)
            finished = load_run(out)
        if json:
            _print_json(finished.metrics)
        else:
            print(_compressed_in_words(finished.metrics, out))

    command.__annotations__["method"] = Annotated[method, Options]
    command.__doc__ = (method.__doc__ or "").split("\n\n")[0] + _COMPRESS_OPTIONS
    return command


_COMPRESS_OPTIONS = """

    Args:
        out: the run folder of the smaller network.
        batch_size: samples a pass.
        overwrite: replace a finished run with other options.
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
    return 0


def _shape(text: str) -> tuple[int, ...]:
    parts = text.split(",")
    if not all(part.isdecimal() and int(part) > 0 for part in parts):
        raise InputError(f"--input-shape must be positive whole numbers as in 3,32,32, got {text!r}")
    return tuple(int(part) for part in parts)


def _compressed_in_words(metrics: dict[str, Any], out: Path) -> str:
    return (
        f"test accuracy {metrics['test_accuracy']:.2%} (original {metrics['original_test_accuracy']:.2%}), "
        f"{metrics['compressed']['overall']['storage_mb']:.3g} MB, {metrics['speedup']:.1f} times faster at batch 1, in {out}"
    )


def _say(stage: str) -> None:
    print(f"corank: {stage}", file=sys.stderr, flush=True)


def _print_json(values: Any) -> None:
    print(json_module.dumps(jsonable(values), indent=1))


def _print_table(table: Table) -> None:
    Console().print(table_text(table.columns, table.rows, table.caption))


for _name, _method in methods_of(corank.compress, Compressor).items():
    compress_app.command(_compress_command(_method), name=_name)
