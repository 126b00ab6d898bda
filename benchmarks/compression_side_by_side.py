"""VGG-19 at two and four times fewer multiply-adds: pruning, Tucker, ASNet, RON, and RON on top of pruning.

All are fine-tuned by distillation from the same images in the same order for the same number of steps, each with
the step size that serves it best on validation images (the same choices for all methods). Torch-Pruning's channels are
the least by l1 norm, widths multiples of 8; ASNet has 50 directions and order 2 behind the last cut that the budget
reaches; RON is as wide as the budget allows, from the place that serves best on validation images; pruning + RON prunes
to the root of the ratio, trains half of the steps, reduces and trains the other half. Tucker needs tensorly.
Accuracies are of test images, each network evaluated once before and once after training. Latencies are those of one
image and of 64, networks taking turns. Every network is a file of the store of results and is not made again.
"""

from __future__ import annotations

import copy
import math
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from _common import arguments, write
from _ron import within_budget
from torch import Tensor, nn

from corank.compress import ASNet, Prune
from corank.compress.fine_tuning import ByDistillation, recovered
from corank.experiment import open_network
from corank.experiment.bench import thinned, top_accuracies
from corank.experiment.store import Store, open_store
from corank.network import GraphNetwork, capture, cost, latencies, load_graph, save_graph
from corank.network.exporting import export, load_exported
from corank.zoo import Batches, Dataset, Split, load_data

BATCH = 64
MEASURING_BATCH = 250
RATES = (1e-3, 1e-4, 1e-5)
RATIOS = (2.0, 4.0)
ASNET_CUTS = {2.0: 7, 4.0: 4}  # the last convolutions before which so much less is computed
PLACES = 3
LATENCY_SECONDS = 15.0


def main() -> None:
    """Build, train, evaluate, time and write the numbers."""
    options = arguments(
        (__doc__ or "").splitlines()[0], threads=1, steps=60, validation=1000, test=4000, samples=4096, latency=1
    )
    found = Bench(options)
    made = (found.row(method, ratio) for method in METHODS for ratio in RATIOS)
    rows = [row for row in made if row is not None]
    networks = {name: found.network(name) for name in ("VGG-19", *(str(row["network"]) for row in rows))}
    write(
        "compression_side_by_side",
        (__doc__ or "").splitlines()[0],
        {
            "setting": {**vars(options), "rates": RATES, "batch": BATCH}, "data": "cifar10-jpeg",
            "teacher": found.original(), "rows": rows, "latency": timed(networks) if options.latency else [],
        },
    )  # fmt: skip


class Bench:
    """The teacher, its data, and networks that are made once."""

    def __init__(self, options: Any) -> None:
        data = load_data("cifar10-jpeg")
        self.options = options
        self.data: Dataset = replace(
            data, validation=thinned(data.validation, options.validation), test=thinned(data.test, options.test)
        )
        weights = Path(os.environ["CORANK_WEIGHTS"]) / "vgg19-cifar10-jpeg.safetensors"
        self.teacher = open_network("vgg19", dataset=self.data, weights=weights).network
        self.remembered = Remembered(self.teacher)
        self.store: Store = open_store(None)
        self.multiply_adds = cost(self.teacher, self.data.shape).multiply_adds

    def original(self) -> dict[str, Any]:
        """The accuracy of the teacher."""

        def evaluate() -> dict[str, Any]:
            return {"accuracy": percent(self.teacher, self.data.test),
                    "validation": percent(self.teacher, self.data.validation)}  # fmt: skip

        return self.store.once(self._key("teacher"), evaluate)

    def row(self, method: str, ratio: float) -> dict[str, Any] | None:
        """What became of one method at one ratio; None where it is not installed or not asked for."""
        name = f"{method}, {ratio:g} x"
        if (found := self.store.find(self._key(name))) is not None:
            return found
        only = os.environ.get("CORANK_ONLY")
        if only and only not in name:
            return None
        print("making", name, flush=True)
        try:
            built = METHODS[method](self, ratio)
        except ImportError:
            return None
        return self.store.once(self._key(name), lambda: self._made(name, built))

    def _made(self, name: str, built: Built) -> dict[str, Any]:
        trained = self.tuned(built.network, built.steps)
        own, dense = cost(trained.network, self.data.shape), cost(self.teacher, self.data.shape)
        self._folder(name).mkdir(parents=True, exist_ok=True)
        save_graph(capture(trained.network, torch.zeros(2, *self.data.shape)), self._folder(name))
        row = {
            "network": name, "how": built.how, "multiply_adds_ratio": dense.multiply_adds / own.multiply_adds,
            "parameters_ratio": dense.parameters / own.parameters, "storage_mb": own.storage_bytes / 2**20,
            "accuracy_before": percent(built.network, self.data.test), "before_is_after_steps": built.steps_done,
            "accuracy_after": percent(trained.network, self.data.test), "rate": trained.rate,
            "validation_by_rate": trained.by_rate,
        }  # fmt: skip
        print(row, flush=True)
        return row

    def tuned(self, network: nn.Module, steps: int) -> Tuned:
        """The network after so many steps, with the step size that serves it best on validation images."""
        images = thinned(self.data.train, steps * BATCH)  # of all classes; the stored order is by class
        batches = Batches(images, BATCH, shuffle=True)
        by_rate: dict[str, float] = {}
        best: tuple[float, float, nn.Module] | None = None
        for rate in RATES:
            tuning = ByDistillation(beta=0.1, pre_rate=rate, head_rate=rate)
            trained, _ = recovered(network, self.remembered, batches, tuning, epochs=1)
            accuracy = by_rate[f"{rate:g}"] = percent(trained, self.data.validation)
            if best is None or accuracy > best[0]:
                best = accuracy, rate, trained
        assert best is not None
        return Tuned(network=best[2], rate=best[1], by_rate=by_rate)

    def batches(self) -> Batches:
        """Training batches to build from."""
        return Batches(self.data.train, MEASURING_BATCH, shuffle=True)

    def network(self, name: str) -> nn.Module:
        """A finished network, or the teacher."""
        return self.teacher if name == "VGG-19" else load_graph(self._folder(name))

    def _key(self, name: str) -> str:
        options = self.options
        told = f"steps-{options.steps}-validation-{options.validation}-test-{options.test}-samples-{options.samples}"
        return f"benchmarks/side_by_side/{told}/{name.replace(' ', '-').replace(',', '')}"

    def _folder(self, name: str) -> Path:
        return self.store.path(f"{self._key(name)}.network")


@dataclass(frozen=True, kw_only=True, eq=False)
class Built:
    """A compressed network before its last training: how it was made, and how many steps were made and are left."""

    network: nn.Module
    how: str
    steps: int
    steps_done: int = 0


@dataclass(frozen=True, kw_only=True, eq=False)
class Tuned:
    """A network after training: the step size, and the validation accuracy by step size."""

    network: nn.Module
    rate: float
    by_rate: dict[str, float]


class Remembered(nn.Module):
    """A teacher that keeps its answers in training, where all students see the same batches."""

    def __init__(self, teacher: nn.Module) -> None:
        super().__init__()
        self.teacher = teacher
        self.known: dict[bytes, Tensor] = {}

    def forward(self, x: Tensor) -> Tensor:
        """Logits."""
        key = x[:, :, ::7, ::7].numpy().tobytes()
        if key not in self.known:
            self.known[key] = self.teacher(x)
        return self.known[key]


# Methods: from the bench and a ratio to a network


def pruned(scope: Any) -> Callable[[Bench, float], Built]:
    """Torch-Pruning to the ratio."""

    def build(bench: Bench, ratio: float) -> Built:
        small = Prune(multiply_adds_ratio=ratio, scope=scope, multiple=8, epochs=0)
        found = small.compress(bench.teacher, bench.batches())
        widths = ", ".join(str(width.after) for width in found.widths)
        return Built(network=found.network, how=f"widths {widths}", steps=bench.options.steps)

    return build


def asnet(bench: Bench, ratio: float) -> Built:
    """Cut, 50 directions, order 2."""
    found = ASNet(layer=ASNET_CUTS[ratio], rank=50, order=2, samples=bench.options.samples, epochs=0).compress(
        bench.teacher, bench.batches()
    )
    return Built(network=found.network, how=f"cut after convolution {ASNET_CUTS[ratio]}", steps=bench.options.steps)


def ron(bench: Bench, ratio: float) -> Built:
    """As wide as the budget allows, from the best of the last places that it reaches."""
    network, how = best_ron(bench, bench.teacher, bench.multiply_adds / ratio)
    return Built(network=network, how=how, steps=bench.options.steps)


def pruned_ron(bench: Bench, ratio: float) -> Built:
    """Pruned to the root of the ratio and trained, then reduced."""
    half = bench.options.steps // 2
    narrow = pruned("uniform")(bench, math.sqrt(ratio))
    trained = bench.tuned(narrow.network, half)
    network, how = best_ron(bench, trained.network, bench.multiply_adds / ratio)
    return Built(network=network, how=f"{narrow.how}; RON {how}", steps=bench.options.steps - half, steps_done=half)


def best_ron(bench: Bench, network: nn.Module, multiply_adds: float) -> tuple[GraphNetwork, str]:
    """The best on validation images."""
    found = within_budget(network, bench.batches(), multiply_adds, count=PLACES, samples=bench.options.samples)
    accuracies = {how: percent(one, bench.data.validation) for how, one in found.items()}
    print(accuracies, flush=True)
    how = max(accuracies, key=lambda one: accuracies[one])
    return found[how], how


def tucker(bench: Bench, ratio: float) -> Built:
    """Every convolution but the first by Tucker-2, input and output ranks the same share of all channels."""
    import tensorly
    from tensorly.decomposition import partial_tucker

    tensorly.set_backend("pytorch")
    names = [name for name, layer in bench.teacher.named_modules() if isinstance(layer, nn.Conv2d)][1:]

    def parts(layer: nn.Conv2d, share: float, *, is_counted: bool) -> nn.Sequential:
        ranks = [max(8, int(share * size / 8) * 8) for size in layer.weight.shape[:2]]
        first = nn.Conv2d(layer.in_channels, ranks[1], 1, bias=False)
        core = nn.Conv2d(ranks[1], ranks[0], layer.kernel_size, layer.stride, layer.padding, bias=False)  # type: ignore[arg-type]
        last = nn.Conv2d(ranks[0], layer.out_channels, 1, bias=layer.bias is not None)
        if not is_counted:
            (middle, (left, right)), _ = partial_tucker(
                layer.weight.detach(), rank=ranks, modes=[0, 1], init="svd", n_iter_max=5
            )
            first.weight.data, core.weight.data = right.T[..., None, None].contiguous(), middle.contiguous()
            last.weight.data = left[..., None, None].contiguous()
            if layer.bias is not None:
                last.bias = copy.deepcopy(layer.bias)
        return nn.Sequential(first, core, last)

    def at(share: float, *, is_counted: bool) -> nn.Module:
        small = copy.deepcopy(bench.teacher)
        for name in names:
            layer = small.get_submodule(name)
            assert isinstance(layer, nn.Conv2d)
            small.set_submodule(name, parts(layer, share, is_counted=is_counted))
        return small.eval()

    shares = [number / 64 for number in range(1, 65)]
    fitting = [
        share
        for share in shares
        if cost(at(share, is_counted=True), bench.data.shape).multiply_adds <= bench.multiply_adds / ratio
    ]
    network = at(fitting[-1], is_counted=False)
    return Built(network=network, how=f"ranks {fitting[-1]:.3f} of all channels", steps=bench.options.steps)


METHODS: dict[str, Callable[[Bench, float], Built]] = {
    "pruning, uniform": pruned("uniform"),
    "RON": ron,
    "ASNet": asnet,
    "pruning + RON": pruned_ron,
    "pruning, global": pruned("global"),
    "Tucker": tucker,
}


def percent(network: nn.Module, split: Split) -> float:
    """Accuracy."""
    return 100 * top_accuracies(network, split)["top1"]


def timed(networks: dict[str, nn.Module]) -> list[dict[str, Any]]:
    """Milliseconds in PyTorch and in ONNX Runtime, all networks in turns."""
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        programs: dict[str, nn.Module] = dict(networks)
        for number, (name, network) in enumerate(networks.items()):
            file = Path(folder, f"{number}.onnx")
            export(network, file, (3, 32, 32))
            programs[f"{name} (ONNX Runtime)"] = load_exported(file)
        for batch in (1, 64):
            found = latencies(programs, torch.rand(batch, 3, 32, 32), seconds=LATENCY_SECONDS * math.sqrt(batch))
            for name, latency in found.items():
                original = found["VGG-19 (ONNX Runtime)" if name.endswith("Runtime)") else "VGG-19"]
                rows.append({"network": name, **latency.row(), "faster": original.median_ms / latency.median_ms,
                             "faster_low": original.low_ms / latency.low_ms})  # fmt: skip
    return rows


if __name__ == "__main__":
    main()
