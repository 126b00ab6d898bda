from __future__ import annotations

import torch

from corank.train.randomness import derived_seed, drawn_with, private_randomness, seed_device


class Noise:
    """Three batches drawn from the global generator while they are asked for."""

    def __iter__(self):
        return ((torch.rand(2), torch.rand(2)) for _ in range(3))


def test_the_caller_and_the_batches_do_not_disturb_each_other() -> None:
    torch.manual_seed(11)
    undisturbed = torch.rand(3)
    alone = list(drawn_with(5, Noise()))

    torch.manual_seed(11)
    mixed, callers = [], []
    for batch in drawn_with(5, Noise()):
        mixed.append(batch)
        callers.append(torch.rand(()))
    assert torch.equal(torch.stack(callers), undisturbed)
    for first, second in zip(alone, mixed, strict=True):
        assert torch.equal(torch.stack(first), torch.stack(second))
    assert not torch.equal(alone[0][0], next(drawn_with(6, Noise()))[0])


def test_the_global_state_is_left_as_found() -> None:
    before = torch.get_rng_state()
    with private_randomness(torch.device("cpu")):
        seed_device(3, torch.device("cpu"))
        torch.rand(5)
    assert torch.equal(torch.get_rng_state(), before)


def test_seeds_derived_from_different_parts_differ() -> None:
    parts = [(seed, epoch, kind) for seed in range(10) for epoch in range(10) for kind in ("data", "noise")]
    seeds = {derived_seed(*part) for part in parts}
    assert len(seeds) == len(parts)
    assert all(0 <= seed < 2**63 for seed in seeds)
