"""Networks that take several tensors, return objects with logits, or have no graph."""

from __future__ import annotations

from collections import OrderedDict, UserDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from corank.network import Inputs


class Output(OrderedDict[str, Any]):
    """What libraries of transformers return: parts by key and by attribute."""

    def __getattr__(self, name: str) -> Any:
        if name in self:
            return self[name]
        raise AttributeError(name)


class Encoder(nn.Module):
    """Tokens and their mask; every block returns a tuple, the network an object."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(11, 8)
        self.place = nn.Embedding(6, 8)
        self.blocks = nn.ModuleList([Block(), Block()])
        self.pooler = nn.Linear(8, 8)
        self.unused = nn.Linear(8, 8)
        self.classifier = nn.Linear(8, 3)

    def forward(self, input_ids: Tensor, attention_mask: Tensor | None = None) -> Output:
        x = self.embed(input_ids) + self.place(torch.arange(input_ids.size(1), device=input_ids.device))
        padding = None if attention_mask is None else attention_mask == 0
        weights = None
        for block in self.blocks:
            x, weights = block(x, padding)
        return Output(logits=self.classifier(torch.tanh(self.pooler(x[:, 0]))), hidden=x, attentions=weights)


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.norm = nn.LayerNorm(8)
        self.wide = nn.Linear(8, 12)
        self.narrow = nn.Linear(12, 8)
        self.activation = nn.ReLU(inplace=True)

    def forward(self, x: Tensor, padding: Tensor | None) -> tuple[Tensor, Tensor]:
        y, weights = self.attention(x, x, x, key_padding_mask=padding)
        y = self.norm(x + y)
        return y + self.narrow(self.activation(self.wide(y))), weights


class TwoInputs(nn.Module):
    """An image and a vector."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 4, 3)
        self.relu = nn.ReLU(inplace=True)
        self.vector = nn.Linear(5, 4)
        self.last = nn.Linear(8, 3)

    def forward(self, image: Tensor, vector: Tensor) -> Tensor:
        seen = self.relu(self.conv(image)).mean((2, 3))
        return self.last(torch.cat([seen, torch.tanh(self.vector(vector))], 1))


class Deciding(nn.Module):
    """How often its shared layer runs depends on the values; a recurrent layer returns a tuple."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(3, 4, batch_first=True)
        self.shared = nn.Linear(4, 4)
        self.relu = nn.ReLU(inplace=True)
        self.counting = Counting()
        self.aside = nn.Linear(4, 4)
        self.idle = nn.Linear(4, 4)
        self.last = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        y = self.lstm(x)[0][:, -1]
        for _ in range(2 if bool(x.sum() < 1e9) else 3):
            y = self.relu(self.shared(y)) + y
        logits = self.last(y + self.counting(y))
        self.aside(y)
        return logits


class Counting(nn.Module):
    """Has a weight and gives whole numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(4, 4))

    def forward(self, x: Tensor) -> Tensor:
        return (x @ self.weight > 0).sum(1, keepdim=True)


@dataclass(frozen=True)
class Case:
    """A network in double precision and evaluation mode with batches for it."""

    network: nn.Module
    batch: Callable[[int], Inputs]


def cases() -> dict[str, Case]:
    with torch.random.fork_rng():
        torch.manual_seed(5)
        return {
            "encoder": Case(Encoder().double().eval(), _tokens),
            "user dict": Case(Encoder().double().eval(), lambda size: UserDict(_tokens(size))),
            "two": Case(TwoInputs().double().eval(), _image_and_vector),
            "deciding": Case(Deciding().double().eval(), _sequence),
        }


def _tokens(size: int) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(size)
    mask = torch.ones(size, 6, dtype=torch.int64)
    mask[::2, 4:] = 0
    return {"input_ids": torch.randint(11, (size, 6), generator=generator), "attention_mask": mask}


def _image_and_vector(size: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(size)
    image = torch.randn(size, 2, 6, 6, generator=generator, dtype=torch.float64)
    return image, torch.randn(size, 5, generator=generator, dtype=torch.float64)


def _sequence(size: int) -> Tensor:
    return torch.randn(size, 5, 3, generator=torch.Generator().manual_seed(size), dtype=torch.float64)
