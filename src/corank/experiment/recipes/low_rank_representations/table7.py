"""Sanyal et al. 2020, Table 7: accuracies without attack, and of classifiers that reuse an embedding for other labels.

In (a) and (b) it is the network that classifies. In (c) networks learn the 20 coarse labels of CIFAR-100, and linear
classifiers on what they make of the images tell the coarse labels apart, or the fine ones.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from corank.experiment.bench import Bench, thinned, top_accuracies
from corank.experiment.recipe import Cell, Claim, Column, Grid, Table, every
from corank.experiment.recipes.low_rank_representations.embedded import Embedding, hybrid_of
from corank.experiment.recipes.low_rank_representations.models import (
    BOTTLE_ONE,
    BOTTLE_TWO,
    MNIST,
    ONE,
    PLAIN,
    RESNET18_SVHN,
    RESNET50_COARSE,
    SMALL,
    TWO,
    VGG19,
    VGG19_SVHN,
    Comparing,
    exceeds,
)
from corank.zoo import load_data

ACCURACY, COARSE, FINE = (Column(name=name, unit="%", better="higher") for name in ("accuracy", "coarse", "fine"))
PAIRS = "[0+1,2+3,4+5,6+7,8+9]"  # of digits, as coarse labels


@dataclass(frozen=True, kw_only=True)
class Transfer:
    """What is computed.

    Attributes:
        embedding: of networks that learnt coarse labels, or of those whose accuracy is asked for.
        fine: the same data with fine labels; None where the network's own accuracy is asked for.
    """

    embedding: Embedding
    fine: str | None = None


def _own(comparing: Comparing) -> Transfer:
    return Transfer(embedding=Embedding(comparing=comparing))


def _paired(comparing: Comparing, images: int) -> Transfer:
    coarse = replace(comparing, data=comparing.data + PAIRS)
    return Transfer(embedding=Embedding(comparing=coarse, images=images), fine=comparing.data)


def _no_loss(rows: Sequence[Mapping[str, Any]]) -> bool | None:
    """Whether models with virtual layers are at most half a point less accurate than the plain one."""
    pairs = [
        (row[ACCURACY.name], plain[ACCURACY.name])
        for row in rows
        for plain in rows
        if row["model"] in (ONE, TWO)
        and (plain["data"], plain["network"], plain["model"]) == (row["data"], row["network"], PLAIN)
        and row[ACCURACY.name] is not None
    ]
    return all(ours >= theirs - 0.5 for ours, theirs in pairs) if pairs else None


def _coarse_gain(rows: Sequence[Mapping[str, Any]]) -> bool | None:
    """Whether the hybrid model of 1-LR is the better one for the labels that were learnt."""
    return exceeds(rows, COARSE.name, ONE)


def _fine_loss(rows: Sequence[Mapping[str, Any]]) -> bool | None:
    """Whether the bottleneck loses more for fine labels than the virtual layer does."""
    return exceeds(rows, FINE.name, ONE, BOTTLE_ONE)


_TRANSFERRED = every(data=["CIFAR-100"], network=["R50"], model=[ONE, PLAIN, BOTTLE_ONE])
TABLE = Table(
    title="Accuracy without attack, and of linear classifiers for coarse and fine labels",
    axes=("data", "network", "model"),
    columns=(ACCURACY, COARSE, FINE),
    presets={
        "smoke": (
            Grid(cells=every(data=["digits"], network=["vgg_digits"], model=[PLAIN, ONE]), options=_own(SMALL),
                 stands_in=True),
            Grid(cells=every(data=["digits in pairs"], network=["vgg_digits"], model=[PLAIN]),
                 options=_paired(SMALL, 300), stands_in=True),
        ),
        "quick": (
            Grid(cells=every(data=["MNIST"], network=["cnn4"], model=[TWO, ONE, PLAIN]),
                 options=_own(MNIST), stands_in=True),
            Grid(cells=every(data=["MNIST in pairs"], network=["cnn4"], model=[ONE, PLAIN, BOTTLE_ONE]),
                 options=_paired(replace(MNIST, epochs=2), 10_000), stands_in=True),
        ),
        "paper": (
            Grid(cells=every(data=["CIFAR10"], network=["VGG19"], model=[TWO, PLAIN]), options=_own(VGG19)),
            Grid(cells=every(data=["SVHN"], network=["R18"], model=[TWO, ONE, PLAIN, BOTTLE_TWO]),
                 options=_own(RESNET18_SVHN)),
            Grid(cells=every(data=["SVHN"], network=["VGG19"], model=[TWO, PLAIN]), options=_own(VGG19_SVHN)),
            Grid(cells=_TRANSFERRED,
                 options=Transfer(embedding=Embedding(comparing=RESNET50_COARSE), fine="cifar100")),
        ),
    },
    claims=(
        Claim(quote="the additional constraints cause no loss in accuracy", holds=_no_loss),
        Claim(
            quote="the accuracy of the LR model actually increases when the max-margin classifier is trained to "
            "perform the original task",
            holds=_coarse_gain,
        ),
        Claim(quote="the Bottle-LR model suffers a loss of 14% in accuracy", holds=_fine_loss),
    ),
)  # fmt: skip


def run_cell(cell: Cell[Transfer], bench: Bench) -> Mapping[str, Any]:
    """The accuracy of a network, or those of two classifiers on what it makes of images."""
    options, model = cell.options, str(cell.axes["model"])
    if options.fine is None:
        own = options.embedding.comparing.trained(model, bench)
        return {ACCURACY.name: 100 * own.top1, COARSE.name: None, FINE.name: None}
    fine = load_data(options.fine, bench.sources.data_root)
    fine = replace(fine, test=thinned(fine.test, options.embedding.comparing.test_images))
    coarse, teacher = hybrid_of(options.embedding, model, None, cell.seed, bench)
    finer, _ = hybrid_of(options.embedding, model, None, cell.seed, bench, labelled=fine)
    return {
        ACCURACY.name: None,
        COARSE.name: 100 * top_accuracies(coarse.network, teacher.data.test)["top1"],
        FINE.name: 100 * top_accuracies(finer.network, fine.test)["top1"],
    }
