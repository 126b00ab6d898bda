"""The architectures as a fixture: a test that asks for `architecture` runs on each of them."""

from __future__ import annotations

import pytest
import torch

from .architectures import BUILDERS, Architecture, build


@pytest.fixture(params=list(BUILDERS))
def architecture(request: pytest.FixtureRequest) -> Architecture:
    return build(request.param)


@pytest.fixture(params=list(BUILDERS))
def double(request: pytest.FixtureRequest) -> Architecture:
    """The same in double precision."""
    return build(request.param, torch.float64)
