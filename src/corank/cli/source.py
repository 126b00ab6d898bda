"""What every command is told: the network, the data, the seed and the device; and how texts become values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Annotated, Any

import cyclopts
from cyclopts import Parameter

from corank.errors import InputError
from corank.experiment import Opened, open_network
from corank.experiment.networks import data_of_run, users_code
from corank.network import Layer
from corank.train.devices import checked_device
from corank.zoo import Dataset, load_data

Flag = Annotated[bool, Parameter(show_default=False)]
Options = Parameter(name="*")


def convert(type_: Any, tokens: Sequence[cyclopts.Token]) -> Any:
    """Text to values as usual, but whole numbers are never rounded and a layer in decimals counts convolutions."""
    texts = [token.value for token in tokens]
    if type_ is int and not texts[0].removeprefix("-").isdecimal():
        raise ValueError(f"{texts[0]!r} is no whole number")
    if type_ in (Layer, Layer | None):
        return _layer(texts[0])
    if type_ in (tuple[Layer, ...], Layer | tuple[Layer, ...]):
        return tuple(_layer(text) for text in texts)
    return cyclopts.convert(type_, tokens)


def _layer(text: str) -> Layer:
    return int(text) if text.isdecimal() else text


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
    data: str | None = None
    """a name of the zoo, a folder of class folders or its archive, an .npz, or package.module:factory; name[a,b] takes
    two classes of it. By default the data of the zoo that a run folder was trained on, else digits."""
    data_root: Path | None = None
    """the folder with named data; else the environment variable CORANK_DATA."""
    seed: int = 0
    """of every random draw."""
    device: str = "cpu"
    """cpu, cuda or cuda:N."""

    def open(self, *, untrained: bool = False, options: Mapping[str, Any] | None = None) -> tuple[Opened, Dataset]:
        """The network on its device, and the data; options are for a network of the zoo that has some."""
        device = checked_device(self.device)
        data = self.data or data_of_run(self.network) or "digits"
        with users_code(data):
            dataset = load_data(data, self.data_root)
        opened = open_network(
            self.network, dataset=dataset, weights=self.weights, normalise=not self.random_weights,
            options=options, seed=self.seed,
        )  # fmt: skip
        if self.random_weights and opened.is_trained:
            raise InputError(f"--random-weights does not go with trained weights, which {self.network!r} came with")
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


def seeded(method: Any, seed: int) -> Any:
    """The method with the command's seed, if it has one of its own: `--seed` is one option."""
    return replace(method, seed=seed) if "seed" in (field.name for field in fields(method)) else method
