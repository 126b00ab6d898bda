"""What a target says, and what it refuses."""

from __future__ import annotations

import pytest

from corank.compress.budget import QUANTITIES, Target
from corank.errors import InputError
from corank.network import Cost

COST = Cost(parameters=3 * 2**19, storage_bytes=6 * 2**20, multiply_adds=40)


@pytest.mark.parametrize("text", ["macs=3x", "params=1.5x", "macs=40000000", "storage-mb=0.25", "latency-ms=4"])
def test_a_target_is_written_as_it_is_read(text: str) -> None:
    target = Target.parsed(text)
    assert Target.parsed(str(target)) == target
    assert target.row() == {"target": str(target)}


@pytest.mark.parametrize(("text", "amount"), [("macs=9", 40), ("params=2x", 3 * 2**19), ("storage-mb=1", 6)])
def test_a_ratio_is_of_the_original_and_a_number_is_itself(text: str, amount: float) -> None:
    target = Target.parsed(text)
    assert target.amount(COST) == amount
    assert target.most(amount) == (amount / 2 if target.is_ratio else target.limit)
    assert target.unit == QUANTITIES[target.quantity]


@pytest.mark.parametrize(
    "text",
    [
        "", "macs", "macs=", "=3x", "macs=3y", "macs=x", "macs=-3", "macs=0", "macs=0x", "macs=1x", "macs=0.5x",
        "macs=inf", "macs=nan", "params=1e999", "macs=3x4", "macs = 3x", "macs=3x\n", "latency=4", "MACS=3x",
    ],
)  # fmt: skip
def test_a_bad_target_is_refused_in_one_line_with_what_came(text: str) -> None:
    with pytest.raises(InputError) as caught:
        Target.parsed(text)
    assert repr(text) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "macs=3x" in str(caught.value)


@pytest.mark.parametrize(("text", "meant"), [("mac=3x", "macs"), ("param=2x", "params"), ("latency=4", "latency-ms")])
def test_a_mistyped_quantity_is_told_what_is_meant(text: str, meant: str) -> None:
    with pytest.raises(InputError, match=f"did you mean {meant}"):
        Target.parsed(text)
