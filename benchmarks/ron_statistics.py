"""How long does RON take for the last ten convolutions of VGG-19, and is the network faster by what it saves?

The call that users make, `RON(layer=6, epochs=0)`, with its parts by the clock and by the processor's seconds, beside
one plain forward pass over the same samples, which is the least that any statistics cost; and the latency of the
networks in turns, with all features read (the default) and a narrow one that reads 256 directions. On a machine that
does other work at the same time the processor's seconds of one thread say more than the clock's.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import Any
from unittest.mock import patch

import torch
from _common import arguments, batches, vgg19_with_data, write
from torch import Tensor, nn

from corank.compress import RON
from corank.compress import ron as ron_module
from corank.compress.reduced import bases as bases_module
from corank.compress.reduced import reduction as reduction_module
from corank.compress.ronetwork import RONetwork
from corank.network import evaluation_mode

LAYER = 6
VARIANTS = {"energy 0.99": {"energy": 0.99}, "energy 0.9, 256 directions read": {"energy": 0.9, "project": 256}}
BATCH = 64
BARS = {"seconds_on_two_cores": 60, "latency_over_multiply_adds": 0.9}


def main() -> None:
    """Measure and write the numbers."""
    options = arguments((__doc__ or "").splitlines()[0], samples=4096, seconds=40)
    network, split, setting = vgg19_with_data(options.samples)
    data = batches(split, BATCH)
    rows: list[dict[str, Any]] = []
    networks: dict[str, nn.Module] = {"original": network}
    floor = Stopwatch()
    with torch.inference_mode(), evaluation_mode(network):
        floor.timed("one forward pass", lambda: [network(x) for x, _ in data] and None)()
    print(floor.parts, flush=True)
    for name, choice in VARIANTS.items():
        found, parts = built(RON(layer=LAYER, samples=options.samples, epochs=0, **choice), network, data)  # type: ignore[arg-type]
        networks[name] = found.network
        rows.append({
            "variant": name, "seconds": parts, "over_one_pass": over(parts["all"], floor.parts["one forward pass"]),
            "multiply_adds_ratio": found.multiply_adds_ratio,
            "parameters_ratio": found.original.parameters / found.overall.parameters, "agreement": found.agreement,
            "layers": [layer.row() for layer in found.layers], "message": found.message,
        })  # fmt: skip
        print(rows[-1], flush=True)
    timings = [row for batch in (1, 64) for row in in_turns(networks, torch.rand(batch, 3, 32, 32), options.seconds)]
    gains = {row["variant"]: row["multiply_adds_ratio"] for row in rows}
    for row in timings:
        if row["network"] in gains:
            row["latency_over_multiply_adds"] = row["faster"] / gains[row["network"]]
    write(
        "ron_statistics",
        (__doc__ or "").splitlines()[0],
        {"setting": {**vars(options), "network": setting}, "bars": BARS, "one_forward_pass": floor.parts, "rows": rows,
         "latency": timings},
    )  # fmt: skip


class Stopwatch:
    """Seconds by the clock and by the processor of named calls, added up."""

    def __init__(self) -> None:
        self.parts: dict[str, dict[str, float]] = {}

    def timed(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        """The call, with its time added to a name."""

        def run(*args: Any, **named: Any) -> Any:
            start, busy = time.perf_counter(), time.process_time()
            found = call(*args, **named)
            own = self.parts.setdefault(name, {"clock": 0.0, "processor": 0.0})
            own["clock"] += time.perf_counter() - start
            own["processor"] += time.process_time() - busy
            return found

        return run


def built(compressor: RON, network: nn.Module, data: Any) -> tuple[RONetwork, dict[str, dict[str, float]]]:
    """The reduced network, and the seconds of its parts."""
    watch = Stopwatch()
    parts = {
        "pass with sketches": (ron_module, "measure_bases"),
        "row selection": (bases_module, "select_rows"),
        "maps": (reduction_module.Reduction, "build"),
        "refit": (ron_module, "refit"),
        "errors on held-out samples": (ron_module, "assess"),
    }
    with ExitStack() as stack:
        for part, (place, name) in parts.items():
            stack.enter_context(patch.object(place, name, method(watch.timed(part, getattr(place, name)))))
        found: RONetwork = watch.timed("all", compressor.compress)(network, data)
    for kind in ("clock", "processor"):
        watch.parts["maps"][kind] -= watch.parts["row selection"][kind]  # which happens in between
    known = [watch.parts[part] for part in parts]
    watch.parts["rest"] = {
        kind: watch.parts["all"][kind] - sum(part[kind] for part in known) for kind in ("clock", "processor")
    }
    return found, watch.parts


def method(call: Callable[..., Any]) -> Callable[..., Any]:
    """As a plain function, which a class binds to its objects."""
    return lambda *args, **named: call(*args, **named)


def over(one: Mapping[str, float], other: Mapping[str, float]) -> dict[str, float]:
    """How many times longer."""
    return {kind: one[kind] / other[kind] for kind in one}


def in_turns(networks: Mapping[str, nn.Module], x: Tensor, seconds: float) -> list[dict[str, Any]]:
    """Milliseconds a call by the clock and by the processor, all networks taking turns."""
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in networks}
    until = time.perf_counter() + seconds
    with torch.inference_mode():
        for network in networks.values():
            network.eval()(x)
        while time.perf_counter() < until or len(taken["original"]) < 5:
            for name, network in networks.items():
                start, busy = time.perf_counter(), time.process_time()
                network(x)
                taken[name].append((1e3 * (time.perf_counter() - start), 1e3 * (time.process_time() - busy)))
    medians = {name: [statistics.median(kind) for kind in zip(*calls, strict=True)] for name, calls in taken.items()}
    return [
        {
            "network": name, "batch": len(x), "calls": len(taken[name]), "clock_ms": clock, "processor_ms": processor,
            "least_ms": min(call for call, _ in taken[name]), "faster_by_clock": medians["original"][0] / clock,
            "faster": medians["original"][1] / processor,
        }
        for name, (clock, processor) in medians.items()
    ]  # fmt: skip


if __name__ == "__main__":
    main()
