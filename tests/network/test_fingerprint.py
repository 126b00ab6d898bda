from __future__ import annotations

import torch

from corank.network import fingerprint


def test_a_fingerprint_follows_names_shapes_types_and_every_bit() -> None:
    tensors = {"a": torch.zeros(2, 3), "b": torch.tensor(1.0)}
    same = {"b": torch.tensor(1.0), "a": torch.zeros(3, 2).T}
    assert fingerprint(same) == fingerprint(tensors)
    others = [
        {**tensors, "b": torch.tensor(1.0 + 2**-23)},
        {**tensors, "a": torch.zeros(3, 2)},
        {**tensors, "a": torch.zeros(2, 3, dtype=torch.int32)},
        {"a": tensors["a"], "c": tensors["b"]},
    ]
    assert len({fingerprint(tensors), *map(fingerprint, others)}) == 5
    fingerprint({"flags": torch.tensor([True]), "half": torch.ones(2, dtype=torch.bfloat16), "none": torch.ones(0)})
