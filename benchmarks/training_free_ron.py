"""How much cheaper do networks become by RON without any training, and is it said beforehand where this fails?

For VGG-19 on `cifar10-jpeg`: the rows of Daulbaev 2023, Table 5.1 (ranks by variational Bayes, rows x 1.5), with the
thesis' interpolated maps and with fitted ones, and the best network at 1.6 times fewer multiply-adds. For VGG-7 and
ResNet-20, where CORANK_RUNS names a folder with run folders `vgg7` and `resnet20`, the best at 1.5 times.

Choices are made on validation images. What they lose there is the forecast; it is written before any test image is
seen. The rival is the truncated SVD of all convolutions at the same multiply-adds, ranks by equal energy. Each
chosen network meets the test images once. What is finished is kept in the store of results.
"""

from __future__ import annotations

import copy
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal, get_args

import torch
from _common import arguments, write
from _ron import ROWS, Measured, within_budget
from torch import Tensor, nn

from corank.compress.reduced.assessment import assess
from corank.compress.reduced.ranks import bayesian
from corank.compress.reduced.reduction import Reduction
from corank.compress.reduced.refit import refit
from corank.experiment import open_network
from corank.experiment.bench import thinned
from corank.experiment.store import Store, open_store
from corank.network import Reader, cost, evaluation_mode
from corank.zoo import Batches, Dataset, Split, load_data

# Daulbaev 2023, Table 5.1: accuracy gained without fine-tuning, and how many times fewer multiply-adds, by first layer.
PRINTED = {10: (93.79, 1.53), 9: (93.46, 1.68), 8: (90.58, 1.93), 7: (85.79, 2.30), 6: (72.53, 3.01), 5: (58.12, 3.66)}
PRINTED_TEACHER = 93.70
BATCH = 250
Kind = Literal["channel", "spatial"]


def main() -> None:
    """Reduce, forecast, evaluate and write the numbers."""
    options = arguments(
        (__doc__ or "").splitlines()[0],
        threads=1,
        samples=12000,
        sketch=1792,
        table_samples=4096,
        validation=2000,
        test=10000,
        places=3,
        rivals=1,
        table=1,
    )
    store, data = open_store(None), load_data("cifar10-jpeg")
    data = replace(data, validation=thinned(data.validation, options.validation), test=thinned(data.test, options.test))
    weights = Path(os.environ["CORANK_WEIGHTS"]) / "vgg19-cifar10-jpeg.safetensors"
    vgg19 = open_network("vgg19", dataset=data, weights=weights).network
    found: dict[str, Any] = {"vgg19": studied("vgg19", vgg19, data, 1.6, options, store)}
    if options.table:
        found["table"] = table(vgg19, data, options, store)
    for name in ("vgg7", "resnet20"):
        run = Path(os.environ.get("CORANK_RUNS", "")) / name
        if (run / "weights.safetensors").is_file():
            network = open_network(str(run), dataset=data).network
            found[name] = studied(name, network, data, 1.5, options, store)
    write(
        "training_free_ron",
        (__doc__ or "").splitlines()[0],
        {"setting": vars(options), "data": "cifar10-jpeg", **found},
    )


def key(name: str, options: Any) -> str:
    """Where the store keeps a part of this."""
    told = (options.samples, options.sketch, options.validation, options.test, options.places, options.rivals)
    return "-".join(str(part) for part in (f"benchmarks/training_free_ron/{name}", *told))


# The best network at a ratio, with its forecast and its rival


def studied(name: str, network: nn.Module, data: Dataset, ratio: float, options: Any, store: Store) -> dict[str, Any]:
    """The forecast, kept before the test images are looked at, and then what came out."""
    made: dict[str, tuple[nn.Module, str]] = {}

    def make() -> None:
        if not made:
            made.update(candidates(network, data, ratio, options))

    def forecast() -> dict[str, Any]:
        make()
        of = {label: one for label, (one, _) in made.items()}
        rows = accuracies({"teacher": network, **of}, network, data.validation)
        chosen = {
            method: max((label for label in of if made[label][1] == method), key=lambda label: rows[label]["accuracy"])
            for method in sorted({method for _, method in made.values()})
        }
        for label, one in of.items():
            rows[label] |= accounts(one, network, data)
        lost = {method: rows["teacher"]["accuracy"] - rows[label]["accuracy"] for method, label in chosen.items()}
        return {
            "written": time.strftime("%FT%TZ", time.gmtime()), "ratio_asked": ratio, "chosen": chosen,
            "forecast_drop": lost, "forecast_says_under_one_point": {name: drop < 1 for name, drop in lost.items()},
            "candidates": rows,
        }  # fmt: skip

    said = store.once(key(f"{name}-forecast", options), forecast)
    print(name, said, flush=True)

    def evaluate() -> dict[str, Any]:
        make()
        rows = accuracies(
            {"teacher": network, **{method: made[label][0] for method, label in said["chosen"].items()}},
            network, data.test,
        )  # fmt: skip
        drops = {method: rows["teacher"]["accuracy"] - rows[method]["accuracy"] for method in said["chosen"]}
        return {"test": rows, "test_drop": drops, "under_one_point": {name: drop < 1 for name, drop in drops.items()}}

    return {**said, **store.once(key(f"{name}-test", options), evaluate)}


def candidates(network: nn.Module, data: Dataset, ratio: float, options: Any) -> dict[str, tuple[nn.Module, str]]:
    """Networks of so many times fewer multiply-adds, by a name, with their methods."""
    most = cost(network, data.shape).multiply_adds / ratio
    batches = Batches(data.train, BATCH, shuffle=True)
    made = within_budget(
        network,
        batches,
        most,
        count=options.places,
        samples=options.samples,
        sketch_size=options.sketch,
        is_apart=True,
    )
    found: dict[str, tuple[nn.Module, str]] = {f"RON {label}": (one, "RON") for label, one in made.items()}
    for kind in get_args(Kind) if options.rivals else ():
        found[f"SVD, {kind}"] = (truncated(network, data, most, kind), "SVD")
    return found


# Table 5.1


def table(network: nn.Module, data: Dataset, options: Any, store: Store) -> list[dict[str, Any]]:
    """Its rows without fine-tuning, with both kinds of maps."""

    def rows(firsts: tuple[int, ...]) -> dict[str, Any]:
        batches = Batches(data.train, BATCH, shuffle=True)
        measured = Measured(network, batches, [first - 1 for first in firsts], options.table_samples)
        return {"rows": rows_from(measured, data)}

    found: list[dict[str, Any]] = []
    for firsts in ((8, 9, 10), (5, 6, 7)):  # together in one pass as far as their samples fit into memory
        found += store.once(key(f"table-{firsts[0]}", options), partial(rows, firsts))["rows"]
    return found


def rows_from(measured: Measured, data: Dataset) -> list[dict[str, Any]]:
    """The rows of what was measured together."""
    rows: list[dict[str, Any]] = []
    ends: dict[str, tuple[str, nn.Module]] = {}
    dense = cost(measured.graph, data.shape).multiply_adds
    for layer, end in measured.endings.items():
        first = int(layer) + 1
        ranks = [max(1, bayesian(basis).rank) for basis in end.bases.layers]
        reduction, built = end.interpolated(
            Reduction(end.tail, end.bases, ranks).shape.sized(ranks, rows=ROWS, multiple=1)
        )
        fitted = copy.deepcopy(built)
        refit(reduction, fitted, end.recorded)
        own = cost(end.halves.pre, data.shape) + cost(built.network, end.tail.shape)
        for maps, one in (("interpolated", built), ("fitted", fitted)):
            said = assess(reduction, one, end.bases)
            rows.append({
                "from_layer": first, "maps": maps, "ranks": ranks, "multiply_adds_ratio": dense / own.multiply_adds,
                "parameters": own.parameters, "samples_fit": len(end.recorded.labels),
                "forecast_drop": 100 * (said.accuracy_original - said.accuracy),
                "forecast_agreement": 100 * said.agreement,
                "printed_drop": PRINTED_TEACHER - PRINTED[first][0], "printed_ratio": PRINTED[first][1],
            })  # fmt: skip
            ends[f"{first} {maps}"] = (end.halves.point.label, one.network)
            print(rows[-1], flush=True)
    found = through_ends(measured, ends, data.test)
    for row in rows:
        row["test_accuracy"] = found[f"{row['from_layer']} {row['maps']}"]
        row["test_drop"] = found["teacher"] - row["test_accuracy"]
    return rows


def through_ends(measured: Measured, ends: Mapping[str, tuple[str, nn.Module]], split: Split) -> dict[str, float]:
    """Accuracies in percent of the network and of all its reduced ends, from one pass over the images."""
    labels = sorted({label for label, _ in ends.values()})
    right = dict.fromkeys(["teacher", *ends], 0)
    reader: Reader | None = None
    for x, y in Batches(split, BATCH):
        reader = reader or Reader(measured.graph, labels, x)
        reading = reader.read(x)
        right["teacher"] += int((reading.logits.argmax(1) == y).sum())
        with torch.inference_mode():
            for name, (label, end) in ends.items():
                right[name] += int((end(reading.activations[label]).argmax(1) == y).sum())
    return {name: 100 * count / len(split) for name, count in right.items()}


# The rival: truncated SVD of weights


@dataclass(frozen=True, eq=False)
class Factors:
    """A convolution's weight as a matrix, decomposed, and how it is made into two convolutions."""

    layer: nn.Conv2d
    kind: Kind
    left: Tensor
    values: Tensor
    right: Tensor

    @classmethod
    def of(cls, layer: nn.Conv2d, kind: Kind) -> Factors:
        """The SVD of `(out, in height width)`, or of `(out height, in width)`, which stand for two filters each."""
        weight = layer.weight.detach()
        matrix = weight.flatten(1) if kind == "channel" else weight.permute(0, 2, 1, 3).flatten(2).flatten(0, 1)
        return cls(layer, kind, *torch.linalg.svd(matrix.double(), full_matrices=False))

    def rank(self, energy: float) -> int:
        """How many singular values hold such a share."""
        held = self.values.square().cumsum(0) / self.values.square().sum()
        return min(len(held), int((held < energy).sum()) + 1)

    def parts(self, rank: int) -> nn.Sequential:
        """Two convolutions in place of one."""
        one, (out, channels, height, width) = self.layer, self.layer.weight.shape
        root = self.values[:rank].sqrt()
        left, right = (self.left[:, :rank] * root).float(), (self.right[:rank] * root[:, None]).float()
        if self.kind == "channel":
            first = nn.Conv2d(channels, rank, (height, width), pair(one.stride), pair(one.padding), bias=False)
            second = nn.Conv2d(rank, out, 1, bias=one.bias is not None)
            weights = right.reshape(rank, channels, height, width), left[:, :, None, None]
        else:
            (down, across), (above, beside) = pair(one.stride), pair(one.padding)
            first = nn.Conv2d(channels, rank, (1, width), (1, across), (0, beside), bias=False)
            second = nn.Conv2d(rank, out, (height, 1), (down, 1), (above, 0), bias=one.bias is not None)
            weights = (
                right.reshape(rank, channels, 1, width),
                left.reshape(out, height, rank).permute(0, 2, 1)[..., None],
            )
        first.weight.data, second.weight.data = (weight.contiguous() for weight in weights)
        if one.bias is not None:
            assert second.bias is not None
            second.bias.data = one.bias.detach().clone()
        return nn.Sequential(first, second)


def truncated(network: nn.Module, data: Dataset, most: float, kind: Kind) -> nn.Module:
    """The network with factors of equal energy for every convolution that gets cheaper by them, at such a cost."""
    factors = {
        name: Factors.of(layer, kind)
        for name, layer in network.named_modules()
        if isinstance(layer, nn.Conv2d) and layer.groups == 1 and max(layer.kernel_size) > 1
    }

    def at(energy: float) -> nn.Module:
        small = copy.deepcopy(network)
        for name, own in factors.items():
            rank = own.rank(energy)
            out, channels, height, width = own.layer.weight.shape
            price = channels * height * width + out if kind == "channel" else channels * width + out * height
            if rank * price < own.layer.weight.numel():
                small.set_submodule(name, own.parts(rank))
        return small.eval()

    low, high = 0.0, 1.0
    while high - low > 1e-4:
        middle = (low + high) / 2
        low, high = (middle, high) if cost(at(middle), data.shape).multiply_adds <= most else (low, middle)
    return at(low)


def pair(given: int | str | tuple[int, ...]) -> tuple[int, int]:
    """Down and across."""
    assert not isinstance(given, str)
    return (given, given) if isinstance(given, int) else (given[0], given[1])


# Accuracies


def accuracies(networks: Mapping[str, nn.Module], teacher: nn.Module, split: Split) -> dict[str, dict[str, Any]]:
    """Accuracy and agreement with the teacher of several networks, in percent."""
    classes: dict[str, list[Tensor]] = {name: [] for name in networks}
    for x, _ in Batches(split, BATCH):
        for name, network in networks.items():
            with torch.inference_mode(), evaluation_mode(network):
                classes[name].append(network(x).argmax(1))
    found = {name: torch.cat(parts) for name, parts in classes.items()}
    original = next(found[name] for name, network in networks.items() if network is teacher)
    return {
        name: {"accuracy": share(own, split.labels), "agreement": share(own, original)} for name, own in found.items()
    }


def share(one: Tensor, other: Tensor) -> float:
    """Of equal entries, in percent."""
    return 100 * float((one == other).double().mean())


def accounts(network: nn.Module, original: nn.Module, data: Dataset) -> dict[str, float]:
    """What a network costs beside the original."""
    own, dense = cost(network, data.shape), cost(original, data.shape)
    return {
        "multiply_adds_ratio": dense.multiply_adds / own.multiply_adds,
        "parameters_ratio": dense.parameters / own.parameters,
    }


if __name__ == "__main__":
    main()
