"""The diagnosis as a chapter and as a page: words, tables, figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

import numpy as np

from corank.experiment.fragility.fragility import Extreme, Fragility, column
from corank.experiment.fragility.words import (
    NAMES,
    better_in_words,
    fragile_in_words,
    in_words,
    left_out,
    remarks,
    scale_in_words,
)
from corank.report import Column, Figure, Page, Section, Table
from corank.report.figures import (
    FragilePicture,
    Guess,
    cosine_histogram,
    cosines_along_path,
    fragile_inputs,
    is_picture,
    predicted_against_found,
)
from corank.report.format import number, percent
from corank.zoo import Dataset

WHY = (
    "Between an image and the nearest example of another class lies what separates the two. A network decides along "
    "the gradient of the difference of their logits. Where that gradient holds only a small part of the separating "
    "direction (small |cos θ|), a push along the gradient changes the class much sooner than a step towards the "
    "example would: the feature is compressed (Gao et al., Feature Compression Is the Root Cause of Adversarial "
    "Fragility in Neural Network Classifiers)."
)
FORETOLD = (
    "Each guess is made before any attack: the plain one is margin / |grad| at the input, the smallest over the "
    "classes. The prediction takes the gradient once more, half way to where the plain guess meets the boundary, and "
    "the shortest step to that plane that keeps every pixel within its bounds."
)


def fragility_page(found: Fragility, result: Mapping[str, Any], dataset: Dataset) -> Page:
    """The page of a diagnosis.

    Args:
        found: the diagnosis.
        result: the same as `fragility.json` holds it.
        dataset: whose images were diagnosed.
    """
    lengths = [image.found for image in found.images if image.found is not None]
    ranks = (("rank correlation, prediction", found.rank_correlation),
             ("rank correlation, margin / |grad|", found.rank_correlation_first_order))  # fmt: skip
    return Page(
        title=f"How fragile {result['network']} is, and why",
        subtitle=f"Feature compression on {result['data']}: what is enough to change a class, foretold and found",
        summary=in_words(found, result["network"]),
        facts=(
            ("images", len(found.images)),
            *((("smallest perturbation, median", number(median(lengths))),) if lengths else ()),
            ("mean |cos θ|", number(found.mean_abs_cosine)),
            *((title, f"{value:.3f}") for title, value in ranks if value is not None),
        ),
        sections=(why_section(found, dataset), foretold_section(found), pictures_section(found, dataset)),
        provenance=_provenance(result),
    )


def fragility_chapter(found: Fragility, network: str, dataset: Dataset) -> Section:
    """The chapter of a study: the paragraph, the scatter, the path and the pictures."""
    paragraph = " ".join((*fragile_in_words(found, network), better_in_words(found)))
    pictures = pictures_section(found, dataset).figures
    return Section(
        "How fragile, and why",
        text=(WHY, paragraph, *remarks(found)),
        tables=(classes_table(found, dataset),),
        figures=(scatter(found), path(found, dataset), *pictures),
        left_out=left_out(found),
    )


def why_section(found: Fragility, dataset: Dataset) -> Section:
    """What the network looks at."""
    sizes = np.array([image.pair.cosine for image in found.images])
    return Section(
        "What the network looks at",
        text=(WHY, *remarks(found)),
        tables=(classes_table(found, dataset),),
        figures=(*((cosine_histogram(sizes),) if len(sizes) > 1 else ()), path(found, dataset)),
        left_out=left_out(found),
    )


def foretold_section(found: Fragility) -> Section:
    """Foretold and found."""
    return Section(
        "Foretold and found",
        text=(FORETOLD, better_in_words(found), scale_in_words(found)),
        tables=(agreement_table(found.to_dict()["agreement"]),),
        figures=(scatter(found),),
    )


def pictures_section(found: Fragility, dataset: Dataset) -> Section:
    """The most and the least fragile inputs."""
    return Section(
        "The most and the least fragile", tables=(extremes_table(found, dataset),), figures=_pictures(found, dataset)
    )


def classes_table(found: Fragility, dataset: Dataset) -> Table:
    """A row a class, the whole last."""
    columns = (
        Column("class"),
        Column("images"),
        Column("|cos θ|", note="mean share of the direction to another class that is seen", show=percent),
        Column("L / 2", note="median of half the distance to the nearest example of another class", show=number),
        Column("predicted", note="median of the smallest perturbation, before any attack", show=number),
        Column("found", note="median of the smallest perturbation that attacks found", show=number),
    )  # fmt: skip
    rows = tuple(
        (
            dataset.class_names[row.label], row.images, row.mean_abs_cosine, row.median_L / 2, row.median_predicted,
            row.median_found,
        )
        for row in found.classes
    )  # fmt: skip
    whole = (
        "all", len(found.images), found.mean_abs_cosine, median(image.pair.L for image in found.images) / 2,
        _median(found, "predicted"), _median(found, "found"),
    )  # fmt: skip
    return Table(columns, (*rows, whole), "Classes of the images.")


def agreement_table(rows: Sequence[Mapping[str, Any]]) -> Table:
    """A row a guess, from what `fragility.json` holds: how well it foretells what attacks found."""
    columns = (
        Column("into", note="the class that the perturbation leads to: any, or that of the path's end"),
        Column("guess"),
        Column("rank correlation", note="Spearman's, with what attacks found", show=_three),
        Column("median ratio", note="of the guess to what was found", show=number),
        Column("median error", note="half of the guesses are off by at most this share", show=percent),
        Column("images"),
    )
    titles = {"found": "any class", "Q": "path's end"}
    names = ("rank_correlation", "median_ratio", "median_error", "images")
    body = tuple((titles[row["of"]], NAMES[row["guess"]], *(row[name] for name in names)) for row in rows)
    return Table(columns, body, "Guesses of the smallest perturbation beside what attacks found.")


def extremes_table(found: Fragility, dataset: Dataset) -> Table:
    """The inputs of the pictures."""
    columns = (
        Column("test image"), Column("class"), Column("nearest other"), Column("L", show=number),
        Column("|cos θ|", show=number), Column("predicted", show=number), Column("found", show=number),
        Column("fooled into"),
    )  # fmt: skip
    rows = []
    for extreme in found.extremes:
        image = found.images[extreme.place]
        pair = image.pair
        rows.append((
            pair.input, dataset.class_names[pair.label], _name(dataset, pair.other), pair.L, abs(pair.cosine),
            image.predicted, image.found, _name(dataset, image.found_class),
        ))  # fmt: skip
    return Table(columns, tuple(rows), "Those that the least is enough for, then those that need most.")


def scatter(found: Fragility) -> Figure:
    """Both guesses against what was found."""
    guesses = []
    for name, rank in (("first_order", found.rank_correlation_first_order), ("predicted", found.rank_correlation)):
        title = NAMES[name] if rank is None else f"{NAMES[name]}: {rank:.3f}"
        guesses.append(Guess(title, column(found.images, name)))
    caption = (
        "The smallest perturbation of each input as it was foretold before any attack and as attacks found it; above "
        "each panel the rank correlation."
    )
    return predicted_against_found(guesses, column(found.images, "found"), caption=caption)


def path(found: Fragility, dataset: Dataset) -> Figure:
    """The angle along the paths; of the most and the least fragile input, beside all."""
    cosines = np.array([image.pair.cosines for image in found.images])
    ends = (found.extremes[0], found.extremes[len(found.extremes) // 2]) if len(found.extremes) > 1 else found.extremes
    singled = {}
    for which, extreme in zip(("most fragile", "least fragile"), ends, strict=False):
        pair = found.images[extreme.place].pair
        way = f"{dataset.class_names[pair.label]} to {_name(dataset, pair.other)}"
        singled[f"{which} ({way})" if len(found.images) > 1 else way] = cosines[extreme.place]
    return cosines_along_path(found.alphas, cosines, singled)


def _pictures(found: Fragility, dataset: Dataset) -> tuple[Figure, ...]:
    if not is_picture(dataset.shape) or not found.extremes:
        return ()
    half = max(1, len(found.extremes) // 2)
    most, least = found.extremes[:half], found.extremes[half:]
    shown = [("most-fragile", most, "The inputs that the least perturbation is enough for")]
    if least:
        shown.append(("least-fragile", least, "The inputs that need the largest perturbation"))
    return tuple(
        fragile_inputs(name, [_picture(found, one, dataset) for one in some], dataset.bounds, which=which)
        for name, some, which in shown
    )


def _picture(found: Fragility, extreme: Extreme, dataset: Dataset) -> FragilePicture:
    image = found.images[extreme.place]
    return FragilePicture(
        image=extreme.image, nearest=extreme.end, perturbation=extreme.perturbation,
        label=dataset.class_names[image.pair.label], other=_name(dataset, image.pair.other),
        fooled=_name(dataset, image.found_class), distance=image.pair.L, length=image.found or 0.0,
    )  # fmt: skip


def _name(dataset: Dataset, label: int) -> str:
    """The class of an output; those beyond the classes of the data are numbered."""
    return dataset.class_names[label] if label < dataset.classes else f"output {label}"


def _median(found: Fragility, name: str) -> float | None:
    values = column(found.images, name)
    values = values[np.isfinite(values)]
    return float(np.median(values)) if len(values) else None


def _three(value: float) -> str:
    return f"{value:.3f}"


def _provenance(result: Mapping[str, Any]) -> dict[str, Any]:
    left = ("data", "weights", "images", "network")
    options = {
        name.replace("_", " ").strip(): value
        for name, value in result["options"].items()
        if name not in left and value is not None
    }
    low, high = result["bounds"]
    told = {
        "data": result["data"],
        "where": f"pixel space, clipped to {low:.4g} to {high:.4g}",
        "attacks": "fast minimum-norm (towards the path's end and free) and DeepFool, Euclidean norm",
        "seconds": number(float(result["seconds"])),
    }
    return {**told, **options, **result["versions"]}
