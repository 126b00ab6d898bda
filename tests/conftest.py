"""What every test may rely on: fixed seeds, one thread, no display, short timings, the data folder where there is one.

Hypothesis draws the same examples in every run, so that a failure is met again by whoever looks for it.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import settings
from torch import Tensor, nn

from corank.network import Latency, latencies

os.environ["MPLBACKEND"] = "Agg"
torch.set_num_threads(1)
settings.register_profile("corank", derandomize=True, deadline=None, max_examples=25)
settings.load_profile("corank")


@pytest.fixture(autouse=True)
def fixed_seeds() -> None:
    """Global generators start every test alike; tests of chance pass their own generator."""
    random.seed(0)
    np.random.seed(0)
    torch.manual_seed(0)


@pytest.fixture(autouse=True, scope="session")
def short_timings() -> Iterator[None]:
    """Where a command times networks for seconds, a tenth of one will do: no test asks how exact it is."""

    def shorter(networks: Mapping[str, nn.Module], x: Tensor, *, seconds: float) -> dict[str, Latency]:
        return latencies(networks, x, seconds=min(seconds, 0.1))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("corank.experiment.compressing.latencies", shorter)
        yield


@pytest.fixture(scope="session")
def data_root() -> Path:
    """The folder of the large data sets; tests that need it are skipped where it is not named."""
    named = os.environ.get("CORANK_DATA")
    if not named:
        pytest.skip("CORANK_DATA does not name the folder that holds mnist/ and cifar10-jpeg.tar.xz")
    folder = Path(named)
    assert folder.is_dir(), f"CORANK_DATA must name a folder, got {named!r}"
    return folder
