"""Memory decides in how many passes layers are measured, and only in the last resort how large a sketch is."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from corank.errors import InputError
from corank.measure.heldout import AT_MOST
from corank.measure.observing import Needs
from corank.measure.plan import MEGABYTE, default_memory_mb, plan_passes

WIDTHS = st.lists(st.integers(1, 5000), min_size=1, max_size=12).map(
    lambda widths: {f"layer{place}": width for place, width in enumerate(widths)}
)


def used(widths: dict[str, int], layers: tuple[str, ...], needs: Needs) -> float:
    """Two buffers of a sketch and the directions that are read of it, and the held-out rows, in MB."""
    rows = {label: 3 * (min(needs.gradients, width + 1) + min(needs.activations, width + 1)) for label, width in
            widths.items()}  # fmt: skip
    heldout = AT_MOST if needs.heldout else 0
    return sum(4 * widths[label] * (rows[label] + heldout) for label in layers) / MEGABYTE


@given(
    widths=WIDTHS,
    gradients=st.integers(0, 300),
    activations=st.integers(0, 300),
    heldout=st.booleans(),
    limit=st.floats(21, 500),
)
def test_every_layer_is_measured_once_in_order_and_within_the_limit(
    widths: dict[str, int], gradients: int, activations: int, heldout: bool, limit: float
) -> None:
    needs = Needs(gradients=gradients, activations=activations, heldout=heldout)
    groups = plan_passes(widths, needs, 4, limit)
    assert [label for group in groups for label in group.layers] == list(widths)
    for group in groups:
        assert used(widths, group.layers, group.needs) <= limit
        assert group.needs.heldout == heldout
        fits = all(used(widths, (label,), needs) <= limit for label in group.layers)
        assert (group.needs == needs) == fits, "a sketch is made smaller only where its layer does not fit alone"


def test_a_generous_limit_is_one_pass() -> None:
    (group,) = plan_passes({"a": 100, "b": 200}, Needs(gradients=50), 4, 1e6)
    assert group.layers == ("a", "b")


def test_a_limit_below_the_smallest_sketch_is_refused() -> None:
    with pytest.raises(InputError, match=r"memory_mb must be at least .* for the 1,000,000 features of layer 'wide'"):
        plan_passes({"wide": 1_000_000}, Needs(gradients=200), 4, 1.0)


def test_half_of_the_machine_is_taken_by_default() -> None:
    with open("/proc/meminfo") as file:
        kilobytes = int(file.readline().split()[1])
    assert default_memory_mb(torch.device("cpu")) == pytest.approx(kilobytes / 2048, rel=0.01)
