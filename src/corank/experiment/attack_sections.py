"""What attacks found as chapters of a page: plain words, tables and figures."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from corank.attack.audit import Audited
from corank.attack.evaluation import Evaluation
from corank.attack.ledger import WORST
from corank.attack.transfer import TransferMatrix
from corank.attack.universal import Universal
from corank.attack.victim import Victim
from corank.experiment.attack_setting import Scene
from corank.experiment.attack_tables import (
    accuracy_title,
    audit_table,
    evaluation_table,
    space_in_words,
    transfer_table,
    universal_table,
    vector_in_words,
)
from corank.experiment.words import counted, together
from corank.report import Column, Figure, Page, Section, Table, figures_of
from corank.report.figures import Triptych, classes_into, is_picture, triptychs
from corank.report.format import number, percent
from corank.zoo import Dataset

PICTURES = 6  # triptychs
ATTACKED = (
    "Each attack looks for a small change of each image that makes the network err. What a single one leaves is only "
    "an upper bound: what counts is each image's worst case over all attacks."
)
AUDITED = (
    "A network can hide from attacks without withstanding them: its gradients vanish, mislead or are random. These "
    "tests look for the traces of that. One flag is enough to withhold the word robust."
)
NOISE = "Noise that knows nothing of the network is no attack, and what withstands it may still fail under one."
TRANSFER = (
    "A vector that is found on one network is added to the images of others. Where it fools them too, they hang on the "
    "same directions of their input."
)
UNIVERSAL = (
    "A universal perturbation is one vector that is added to every image. What it changes shows which directions of "
    "its input a network hangs on: an input pushed along them leaves its class, whatever it shows."
)


def universal_page(
    found: Universal, result: Mapping[str, Any], scene: Scene, dataset: Dataset, *, folder: Path
) -> Page:
    """The page of a universal perturbation.

    Args:
        found: what was found.
        result: the same as `universal.json` holds it.
        scene: the network and the images.
        dataset: that they are of.
        folder: of the page, as the user named it.
    """
    return Page(
        title=f"One vector against {result['network']}",
        subtitle=f"A universal perturbation on {dataset.name}: {vector_in_words(result)}",
        summary=universal_in_words(result)[:-1],
        facts=(
            ("held-out images fooled", percent(result["fooling_ratio"]["heldout"])),
            ("held-out errors", percent(result["error_rate"]["heldout"])),
            ("before", percent(result["error_rate_before"]["heldout"])),
            ("seconds", number(result["seconds"])),
        ),
        sections=(
            universal_section(found, result, scene, dataset, told=universal_in_words(result)[-1:]),
            _loading(result, folder),
        ),
        provenance=provenance(result),
    )


def universal_in_words(result: Mapping[str, Any]) -> tuple[str, ...]:
    """What a universal perturbation does, in plain sentences."""
    images, fooled, errors = result["images"], result["fooling_ratio"], result["error_rate"]
    whose = "" if result["class"] is None else f" of class {result['class']}"
    into = max(result["into"], key=lambda row: row["heldout"])
    return (
        f"One vector ({vector_in_words(result)}) changes the class that {result['network']} gives to "
        f"{percent(fooled['heldout'])} of {images['heldout']:,} held-out images{whose} of {result['data']}; of the "
        f"{images['train']:,} training images that it was found on, to {percent(fooled['train'])}.",
        f"The error rate on the held-out images goes from {percent(result['error_rate_before']['heldout'])} to "
        f"{percent(errors['heldout'])}; {percent(into['heldout'] / images['heldout'])} end in class {into['class']}.",
        f"The search ({result['method'].replace('-', ' ')}) took {number(float(result['seconds']))} seconds, the "
        f"gradients of {result['sample_gradients']:,} samples and {result['forward_passes']:,} passes forward: "
        f"{result['message']}.",
    )


def universal_section(
    found: Universal, result: Mapping[str, Any], scene: Scene, dataset: Dataset, *, told: tuple[str, ...]
) -> Section:
    """The chapter of a universal perturbation, with what is told of it besides what it is."""
    names = tuple(row["class"] for row in result["into"])
    own = figures_of(found)
    pictures = _triptychs(found, scene, dataset, names)
    return Section(
        "What one vector does",
        text=(UNIVERSAL, *told),
        tables=(universal_table(result),),
        figures=(*pictures, classes_into(found, names), own["fooling-curve"]),
    )


def evaluation_page(evaluation: Evaluation, audited: Audited | None, result: Mapping[str, Any]) -> Page:
    """The page of an evaluation.

    Args:
        evaluation: accuracy by attack and budget.
        audited: whether that can be believed; None where it was not asked.
        result: the same as `evaluation.json` holds it.
    """
    title, worst = accuracy_title(result), evaluation.of(WORST)
    return Page(
        title=f"What {result['network']} withstands",
        subtitle=f"{title.capitalize()} on {result['data']}: {result['norm']} perturbations {space_in_words(result)}",
        summary=evaluation_in_words(result),
        facts=(
            ("accuracy", percent(result["accuracy"])),
            *((f"{title}, radius {row.radius:g}", percent(row.accuracy)) for row in worst[:4]),
        ),
        sections=(
            evaluation_section(evaluation, result, told=()),
            *(() if audited is None else (audit_section(audited),)),
            *(() if result["noise"] is None else (_noise_section(result["noise"]),)),
        ),
        provenance=provenance(result),
    )


def evaluation_in_words(result: Mapping[str, Any]) -> tuple[str, ...]:
    """What a network withstands and whether that can be believed, in plain sentences."""
    worst = [row for row in result["robust_accuracy"] if row["attack"] == WORST]
    whose = "" if result["class"] is None else f" of class {result['class']}"
    shares = [f"{percent(row['accuracy'])} at radius {row['radius']:g}" for row in worst]
    return (
        f"{result['network']} classifies {percent(result['accuracy'])} of {result['images']:,} test images{whose} of "
        f"{result['data']} correctly; under the worst of all attacks on each image, {together(shares)} "
        f"({result['norm']} perturbations {space_in_words(result)}).",
        verdict_in_words(result),
    )


def verdict_in_words(result: Mapping[str, Any]) -> str:
    """What the audit says of an evaluation."""
    if result["audit"] is None:
        return "This was not audited: attacks may have been too weak, so these numbers are no more than upper bounds."
    run = [row for row in result["audit"] if row["verdict"] != "not run"]
    flagged = [f"{row['number']} ({row['test']})" for row in run if row["verdict"] == "flagged"]
    at = f"at radius {result['audit_radius']:g}"
    if flagged:
        return (
            f"The audit {at} flagged {counted(len(flagged), 'test')} of {len(run)}, {together(flagged)}: the attacks "
            "may have been too weak, and what they left is called accuracy under attack, no more."
        )
    return (
        f"None of the {len(run)} tests that the audit {at} could run was flagged, so this may be called robust "
        "accuracy; that proves nothing, because a defence can be made to pass, and attacks adapted to it are its "
        "author's duty."
    )


def evaluation_section(evaluation: Evaluation, result: Mapping[str, Any], *, told: tuple[str, ...]) -> Section:
    """The chapter of an evaluation, with what is told of it besides how it is made."""
    return Section(
        accuracy_title(result).capitalize(),
        text=(ATTACKED, *told),
        tables=(evaluation_table(result),),
        figures=tuple(figures_of(evaluation).values()),
    )


def audit_section(audited: Audited) -> Section:
    """The chapter of an audit."""
    left_out = tuple((f"{row.number} {row.test}", row.note) for row in audited.rows if row.verdict == "not run")
    return Section(
        "Were the attacks strong enough?",
        text=(AUDITED,),
        tables=(audit_table([row for row in audited.rows if row.verdict != "not run"]),),
        figures=tuple(figures_of(audited).values()),
        left_out=left_out,
    )


def _noise_section(noise: Mapping[str, Any]) -> Section:
    columns = (
        Column("noisy pixels", show=percent),
        Column("accuracy", show=percent),
        Column("from", note="95 % interval", show=percent),
        Column("to", show=percent),
    )
    rows = tuple((row["probability"], row["accuracy"], row["low"], row["high"]) for row in noise["noisy"])
    caption = f"Accuracy with random pixels: noise of standard deviation {number(noise['deviation'])}."
    return Section("Random noise", text=(NOISE,), tables=(Table(columns, rows, caption),))


def transfer_page(matrix: TransferMatrix, result: Mapping[str, Any]) -> Page:
    """The page of a transfer matrix.

    Args:
        matrix: what each network's perturbation does to all of them.
        result: the same as `transfer.json` holds it.
    """
    told = transfer_in_words(result)
    return Page(
        title="One network's perturbation against another",
        subtitle=f"Universal perturbations on {result['data']}: {vector_in_words(result)}",
        summary=told,
        sections=(
            Section(
                "What transfers", text=(TRANSFER,), tables=(transfer_table(result),),
                figures=tuple(figures_of(matrix).values()),
            ),
        ),
        provenance=provenance(result),
    )  # fmt: skip


def transfer_in_words(result: Mapping[str, Any]) -> tuple[str, ...]:
    """What transfers, in plain sentences."""
    own = [row for row in result["matrix"] if row["attacked"] == row["source"]]
    best = max((row for row in result["matrix"] if row not in own), key=lambda row: row["fooling_ratio"])
    shares = [f"{percent(row['fooling_ratio'])} of {row['attacked']}" for row in own]
    return (
        f"By its own perturbation each network is fooled on so many of {result['images']['heldout']:,} held-out "
        f"images: {together(shares)}.",
        f"Between two networks most transfers from {best['source']} to {best['attacked']}, where "
        f"{percent(best['fooling_ratio'])} are fooled.",
    )


def _triptychs(found: Universal, scene: Scene, dataset: Dataset, names: tuple[str, ...]) -> tuple[Figure, ...]:
    """Held-out images that were classified rightly and are fooled, of different classes where there are such."""
    if not is_picture(dataset.shape):
        return ()
    attacked, (inputs, labels) = scene.attacked, scene.heldout
    victim = Victim(attacked.network, attacked.bounds)
    before, after = victim.classes(inputs), victim.classes(victim.clipped(inputs + found.vector))
    shown = _telling((before == labels) & (after != before), labels)
    pixels = attacked.pixels(inputs[shown])
    perturbation = attacked.in_pixels(found.vector[None])[0]
    rows = [
        Triptych(image=image, perturbation=perturbation, before=names[was], after=names[now])
        for image, was, now in zip(pixels, before[shown].tolist(), after[shown].tolist(), strict=True)
    ]
    return (triptychs(rows, dataset.bounds),)


def _telling(chosen: Tensor, labels: Tensor) -> Tensor:
    """The numbers of a few samples: the chosen ones first, of each class one before of any a second."""
    seen: dict[tuple[bool, int], int] = {}
    keys = []
    for place, (is_chosen, label) in enumerate(zip(chosen.tolist(), labels.tolist(), strict=True)):
        nth = seen[is_chosen, label] = seen.get((is_chosen, label), 0) + 1
        keys.append((not is_chosen, nth, label, place))
    return torch.tensor([place for *_, place in sorted(keys)[:PICTURES]], device=labels.device)


def _loading(result: Mapping[str, Any], folder: Path) -> Section:
    """How the perturbation is loaded."""
    where = "pixels" if result["space"] == "pixel" else "inputs behind the normalisation"
    code = (
        "from safetensors.torch import load_file\n"
        f'vector = load_file({str(folder / "vector.safetensors")!r})["vector"]  # is added to {where}\n'
    )
    return Section("Use it", text=("The vector has the shape of one image, without a batch.",), code=code)


def provenance(result: Mapping[str, Any]) -> dict[str, Any]:
    """Where the numbers of an attack come from."""
    left_out = ("data", "weights", "images")
    options = {
        name.replace("_", " ").strip(): ", ".join(value) if isinstance(value, dict) else value
        for name, value in result["options"].items()
        if name not in left_out and value not in (None, [], {})
    }
    told = {"data": result["data"], "where": space_in_words(result), "seconds": number(float(result["seconds"]))}
    return {**told, **options, **result["versions"]}
