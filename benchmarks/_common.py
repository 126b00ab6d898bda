"""What every benchmark needs: the machine, medians, the teacher and its data, and a JSON file for the numbers."""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from corank.experiment import open_network
from corank.zoo import Batches, Split, load_data

RESULTS = Path(__file__).parent / "results"


def write(name: str, question: str, numbers: dict[str, Any]) -> None:
    """Print the numbers and keep them, with the machine that they were measured on."""
    found = {"question": question, "machine": machine(), **numbers}
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.json").write_text(json.dumps(found, indent=1) + "\n")
    print(json.dumps(found, indent=1))


def machine() -> dict[str, Any]:
    """Processor, threads and versions."""
    names = [line.split(":")[1].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")]
    return {
        "processor": names[0] if names else platform.processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "python": platform.python_version(),
        "date": time.strftime("%Y-%m-%d"),
        "load_before": round(os.getloadavg()[0], 2),
    }


def arguments(description: str, **defaults: int) -> argparse.Namespace:
    """Whole-number options with defaults."""
    parser = argparse.ArgumentParser(description=description)
    for name, value in {"threads": 2, **defaults}.items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=int, default=value)
    found = parser.parse_args()
    torch.set_num_threads(found.threads)
    return found


def seconds(work: Callable[[], Any]) -> float:
    """The time of one call."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def spread(values: list[float]) -> dict[str, float]:
    """Median, least and largest value."""
    return {"median": statistics.median(values), "low": min(values), "high": max(values)}


def vgg19_with_data(samples: int, seed: int = 0) -> tuple[torch.nn.Module, Split, str]:
    """VGG-19 and images: the trained one on cifar10-jpeg where both are found, else random ones, which is said."""
    root = os.environ.get("CORANK_DATA")
    folder = Path(os.environ.get("CORANK_WEIGHTS") or Path(root or ".") / ".." / "weights")
    weights = folder / "vgg19-cifar10-jpeg.safetensors"
    if root and weights.is_file():
        data = load_data("cifar10-jpeg")
        chosen = torch.randperm(len(data.train), generator=torch.Generator().manual_seed(seed))[:samples]
        network = open_network("vgg19", dataset=data, weights=weights).network
        return network, data.train.select(chosen), "VGG-19 trained on cifar10-jpeg, its training images"
    generator = torch.Generator().manual_seed(seed)
    images = torch.randint(256, (samples, 3, 32, 32), generator=generator, dtype=torch.uint8)
    labels = torch.randint(10, (samples,), generator=generator)
    return open_network("vgg19").network, Split(images, labels), "VGG-19 with random weights, random images"


def batches(split: Split, size: int) -> Batches:
    """The split in its order."""
    return Batches(split, size)


def _lines(file: str) -> list[str]:
    return Path(file).read_text().splitlines() if Path(file).is_file() else []
