"""The commands of defences: each is found by walking its room, and its fields are the options."""

from __future__ import annotations

import inspect
from dataclasses import MISSING, fields
from functools import partial
from pathlib import Path
from typing import Annotated, Any

from cyclopts import App

import corank.defend
from corank.attack.budget import Norm
from corank.cli.methods import resolve_types, with_layers
from corank.cli.output import print_json, say
from corank.cli.source import Flag, Options, Source, seeded
from corank.defend import Defence, MaxMarginHead, Watch
from corank.defend.watching import Quantity
from corank.discover import methods_of
from corank.experiment import Training
from corank.experiment.defending import run_defence
from corank.experiment.hybrid import run_hybrid
from corank.experiment.run_folder import Run, said
from corank.report import PAGE

defend_app = App(name="defend", help="Train a network so that it withstands more; the method comes next.")


def _print(what: str, run: Run, out: Path) -> None:
    """How accurate the network is as it is and attacked, and where its page is."""
    found = partial(said, run.metrics, out / "metrics.json")
    print(
        f"{what}: test accuracy {found('test_accuracy'):.2%}, {found('robust_validation_accuracy'):.2%} on attacked "
        f"validation samples (PGD, {found('attack', 'norm')} radius {found('attack', 'radius'):g}), in {out}"
    )
    print(f"The page: {out / PAGE}")


def _command(method: type[Defence]) -> Any:
    """The command of one defence: its fields are the options."""

    def command(
        *,
        source: Source,
        options: Any = None,
        out: Path,
        epochs: int | None = None,
        batch_size: int | None = None,
        learning_rate: float | None = None,
        weight_decay: float | None = None,
        watch: tuple[Quantity, ...] = ("weights",),
        watch_radius: float | None = None,
        watch_norm: Norm | None = None,
        watch_images: int = 500,
        overwrite: Flag = False,
        json: Flag = False,
    ) -> None:
        source.spare(out, overwrite)
        defence = method() if options is None else options
        training = Training(
            epochs=epochs, batch_size=batch_size, learning_rate=learning_rate, weight_decay=weight_decay,
            seed=source.seed, device=source.device,
        )  # fmt: skip
        trained_on = defence.budget_trained_on
        norm = watch_norm or ("linf" if trained_on is None else trained_on.norm)
        watching = Watch(quantities=watch, radius=watch_radius, norm=norm, images=watch_images)
        opened, dataset = source.open(untrained=True)
        chosen = with_layers(seeded(defence, source.seed), opened.network)
        run = run_defence(
            opened, dataset, chosen, training, out, watch=watching, overwrite=overwrite, report=say
        )  # fmt: skip
        if json:
            print_json(run.metrics)
        else:
            _print(f"{opened.origin.name} on {dataset.name}", run, out)

    has_defaults = all(option.default is not MISSING for option in fields(method))
    command.__annotations__["options"] = Annotated[method | None if has_defaults else method, Options]
    if not has_defaults:
        assert command.__kwdefaults__ is not None
        del command.__kwdefaults__["options"]
    idea = (inspect.getdoc(inspect.getmodule(method)) or "").split("\n\n")[0]
    command.__doc__ = " ".join(idea.split()) + _OPTIONS
    return command


_OPTIONS = """

    Args:
        out: the run folder of the defended network; an interrupted training goes on from it.
        epochs: passes over the training images; the default depends on the network.
        batch_size: images a step.
        learning_rate: the largest of the schedule.
        weight_decay: of the optimiser.
        watch: weights, information or variance-ratios, followed epoch by epoch; several may be given.
        watch_radius: of the attack that accuracy is followed under; by default that trained on, if in the same norm,
            else a twentieth of the range of the data.
        watch_norm: of that attack; by default that trained on, else linf.
        watch_images: of the validation split that are attacked after each epoch, at most.
        overwrite: replace the run that is in that folder.
        json: print metrics.json.
"""


def _max_margin(
    *,
    source: Source,
    options: Annotated[MaxMarginHead, Options],
    out: Path,
    images: int = 200,
    overwrite: Flag = False,
    json: Flag = False,
) -> None:
    """A linear max-margin classifier on few directions of a layer of a trained network, in place of what follows.

    Args:
        source: the network and the data.
        options: how the model is made.
        out: the run folder of the hybrid model.
        images: of the test split that are perturbed until they fool the network, to see what the model makes of them.
        overwrite: replace the run that is in that folder.
        json: print metrics.json.
    """
    source.spare(out, overwrite)
    opened, dataset = source.open()
    head = with_layers(seeded(options, source.seed), opened.network)
    run = run_hybrid(opened, dataset, head, out, images=images, overwrite=overwrite, report=say)
    if json:
        print_json(run.metrics)
        return
    found = partial(said, run.metrics, out / "metrics.json")
    rightly = found("right_where_fooled")
    print(
        f"{opened.origin.name} on {dataset.name}: test accuracy {found('test_accuracy'):.2%}, of the network "
        f"{found('original_test_accuracy'):.2%}, with {found('dimensions')} of {found('features')} directions of "
        f"{found('layer')!r}"
        + ("" if rightly is None else f"; {rightly:.2%} right of what just fools the network")
        + f", in {out}"
    )
    print(f"The page: {out / PAGE}")


resolve_types(MaxMarginHead)
defend_app.command(_max_margin, name="max-margin")
for _name, _method in methods_of(corank.defend, Defence).items():  # type: ignore[type-abstract]
    resolve_types(_method)
    defend_app.command(_command(_method), name=_name)
