"""The commands of attacks: one vector for all inputs, what a network withstands, what transfers to others."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, Parameter

import corank.attack
from corank.attack.auto import Auto
from corank.attack.budget import Norm
from corank.attack.universal import UniversalAttack
from corank.cli.methods import resolve_types, with_layers
from corank.cli.output import print_json, print_table, say
from corank.cli.source import Flag, Options, Source, seeded
from corank.discover import methods_of
from corank.errors import InputError
from corank.experiment import Opened, attack_setting, open_network
from corank.experiment.attack_evaluate import Judging, run_evaluation
from corank.experiment.attack_sections import verdict_in_words
from corank.experiment.attack_tables import evaluation_table, transfer_table, universal_table
from corank.experiment.attack_transfer import run_transfer
from corank.experiment.attack_universal import run_universal
from corank.experiment.words import sentence
from corank.report import PAGE
from corank.train.devices import checked_device
from corank.zoo import Dataset

attack_app = App(name="attack", help="Perturb the inputs of a network, and judge what it withstands.")
universal_app = App(name="universal", help="Find one vector that fools a network on most inputs; a method may follow.")
attack_app.command(universal_app)


@dataclass(frozen=True, kw_only=True)
class Setting(attack_setting.Setting):
    """Where a network is attacked, and on which class.

    Args:
        space: pixel, that of the data, or normalised, behind the network's normalisation, as in the papers.
        clip: perturbed inputs to the bounds of the data, or not; by default in pixel space only.
        class_: the name or number of the only class whose images are taken; by default all are.
    """

    clip: Annotated[bool | None, Parameter(negative="--no-clip")] = None


resolve_types(Setting)


@Options
@dataclass(frozen=True, kw_only=True)
class Several:
    """Networks that are compared, and the data."""

    network: tuple[str, ...]
    """a run folder or package.module:factory; at least two."""
    random_weights: Flag = False
    """take factories' networks as they are made."""
    data: str | None = None
    """as for other commands; by default the data of the zoo that the first network was trained on, else digits."""
    data_root: Path | None = None
    """the folder with named data; else the environment variable CORANK_DATA."""
    seed: int = 0
    """of every random draw."""
    device: str = "cpu"
    """cpu, cuda or cuda:N."""

    def open(self) -> tuple[dict[str, Opened], Dataset]:
        """The networks by name, and the data."""
        first, *rest = self.network
        source = Source(
            network=first, random_weights=self.random_weights, data=self.data, data_root=self.data_root,
            seed=self.seed, device=self.device,
        )  # fmt: skip
        opened, dataset = source.open()
        return {first: opened, **_others("--network", tuple(rest), source, dataset)}, dataset


def _others(option: str, specs: tuple[str, ...], beside: Source, dataset: Dataset) -> dict[str, Opened]:
    """Further networks for the same data, on the same device.

    Raises:
        InputError: one is named twice, has no trained weights or does not fit the data.
    """
    found: dict[str, Opened] = {}
    for spec in specs:
        if spec in (*found, beside.network):
            raise InputError(f"{option} {spec!r} is the same network once more: name another")
        opened = open_network(spec, dataset=dataset, normalise=not beside.random_weights, seed=beside.seed)
        if not (opened.is_trained or beside.random_weights):
            raise InputError(f"{option} {spec!r} has no trained weights: name a run folder, as corank train writes it")
        opened.network.to(checked_device(beside.device))
        found[spec] = opened
    return found


def _universal_command(method: type[UniversalAttack]) -> Any:
    """The command of one universal attack: its fields are the options."""

    def command(
        *,
        source: Source,
        setting: Annotated[Setting, Options] = Setting(),
        options: Any,
        images: int = 200,
        heldout: int = 10_000,
        out: Path | None = None,
        overwrite: Flag = False,
        json: Flag = False,
    ) -> None:
        source.spare(out, overwrite)
        opened, dataset = source.open()
        chosen = with_layers(seeded(options, source.seed), opened.network)
        found = run_universal(
            opened, dataset, chosen, out, setting=setting, images=images, heldout=heldout,
            seed=source.seed, overwrite=overwrite, report=say,
        )  # fmt: skip
        if json:
            print_json(found)
        else:
            print_table(universal_table(found))
            print(sentence(found["message"]))
            _print_page(out)

    command.__annotations__["options"] = Annotated[method, Options]
    command.__name__ = "universal"
    idea = (inspect.getdoc(inspect.getmodule(method)) or "").split("\n\n")[0]
    command.__doc__ = " ".join(idea.split()) + _UNIVERSAL_OPTIONS
    return command


_UNIVERSAL_OPTIONS = """

    Args:
        images: of the training split that the vector is found on, at most.
        heldout: images of the test split that it is judged on, at most.
        out: a folder for a page with figures, universal.json and the vector; an interrupted search goes on from it.
        overwrite: replace the universal perturbation that is in that folder.
        json: print what was found as JSON.
"""


@attack_app.command
def evaluate(
    *,
    given: Source,
    setting: Annotated[Setting, Options] = Setting(),
    radius: tuple[float, ...],
    norm: Norm = "linf",
    attack: tuple[str, ...] = (),
    auto_attack: Annotated[bool, Parameter(name="--autoattack", show_default=False)] = False,
    source: tuple[str, ...] = (),
    images: int = 1000,
    audit: Annotated[bool, Parameter(negative="--no-audit")] = True,
    queries: int = 5000,
    clean_trained: Flag = False,
    noise: Flag = False,
    out: Path | None = None,
    overwrite: Flag = False,
    json: Flag = False,
) -> None:
    """Attack a network at each of some radii in several ways, take each image's worst, and audit the result.

    Args:
        given: the network and the data.
        setting: where it is attacked.
        radius: of the perturbations, one or several.
        norm: in which radii are measured.
        attack: a method by name; several may be given. By default the standard ones.
        auto_attack: try AutoAttack too; needs the extra autoattack, and takes its time.
        source: another network, on which perturbations are made too; several may be given.
        images: of the test split, at most.
        audit: look for signs that the attacks were too weak.
        queries: of the search without gradients in the audit, for each image.
        clean_trained: the network was trained without attacks and defences; the audit then knows what cannot be.
        noise: measure accuracy under random pixel noise too.
        out: a folder for a page with figures and evaluation.json.
        overwrite: replace the evaluation that is in that folder.
        json: print what was found as JSON.
    """
    given.spare(out, overwrite)
    opened, dataset = given.open()
    judging = Judging(
        radius=radius, norm=norm, attack=attack, auto_attack=auto_attack, images=images, audit=audit,
        queries=queries, clean_trained=clean_trained, noise=noise, seed=given.seed,
    )  # fmt: skip
    found = run_evaluation(
        opened, dataset, judging, out, setting=setting, sources=_others("--source", source, given, dataset),
        overwrite=overwrite, report=say,
    )  # fmt: skip
    if json:
        print_json(found)
    else:
        print_table(evaluation_table(found))
        print(verdict_in_words(found))
        _print_page(out)


@attack_app.command
def transfer(
    *,
    given: Several,
    setting: Annotated[Setting, Options] = Setting(),
    options: Annotated[Auto, Options],
    images: int = 200,
    heldout: int = 10_000,
    out: Path | None = None,
    overwrite: Flag = False,
    json: Flag = False,
) -> None:
    """Find one vector for each of several networks, and see how it fools the others.

    Args:
        given: the networks and the data.
        setting: where they are attacked.
        options: of the search.
        images: of the training split that vectors are found on, at most.
        heldout: images of the test split that they are tried on, at most.
        out: a folder for a page with figures, transfer.json and the vectors.
        overwrite: replace the transfer matrix that is in that folder.
        json: print what was found as JSON.
    """
    networks, dataset = given.open()
    found = run_transfer(
        networks, dataset, seeded(options, given.seed), out, setting=setting, images=images, heldout=heldout,
        seed=given.seed, overwrite=overwrite, report=say,
    )  # fmt: skip
    if json:
        print_json(found)
    else:
        print_table(transfer_table(found))
        _print_page(out)


def _print_page(out: Path | None) -> None:
    if out is not None:
        print(f"The page: {out / PAGE}")


for _name, _method in methods_of(corank.attack, UniversalAttack).items():  # type: ignore[type-abstract]
    resolve_types(_method)
    if _method is Auto:
        universal_app.default(_universal_command(_method))
    else:
        universal_app.command(_universal_command(_method), name=_name)
