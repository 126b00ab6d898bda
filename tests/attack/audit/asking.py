"""One question of the audit to one network, without the other nineteen."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from corank.attack.audit import Row
from corank.attack.audit.case import Case
from corank.attack.audit.rows import row_of
from corank.attack.audit.running import QUESTIONS
from corank.attack.budget import Budget
from corank.attack.descent import Steps

from ..masks import split, trained

IMAGES = 200


def honest(seed: int = 0) -> nn.Module:
    """A network of one hidden layer, trained on the clean images."""
    return trained("smooth", seed, epochs=10)


def ask(number: int, network: nn.Module, *, radius: float = 0.1, **options: Any) -> Row:
    """The row of one test on the first images of the test set."""
    _, _, x, y = split(0)
    given = options.pop("images", x[:IMAGES])
    torch.manual_seed(0)  # of networks that draw
    defaults: dict[str, Any] = {
        "was_training": False, "given": given, "x": given.clamp(0, 1), "labels": y[:IMAGES], "bounds": (0.0, 1.0),
        "attack": Steps(steps=20), "sources": (), "data": None, "is_clean_trained": None, "subsample": 100,
        "queries": 100, "seed": 0,
    }  # fmt: skip
    case = Case(network=network, budget=Budget(norm=options.pop("norm", "linf"), radius=radius), **defaults | options)
    (question,) = (one for one in QUESTIONS if one.number == number)
    return row_of(question, question.ask(case))
