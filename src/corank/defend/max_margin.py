"""Hybrid max-margin models: a network up to a layer, few principal components of what it gives, a linear classifier.

Sanyal, Kanade and Torr 2020, "Robustness via Deep Low-Rank Representations", section 3.3 and app. C.2 and D.5: the
features are scaled, projected on k directions, and classified by hinge loss with an l2 penalty, by stochastic
gradients. Labels may be others than the network was trained on, finer ones for example: so an embedding is transferred.
The model is a network like any other, and is attacked as such; or it is asked about the examples that fooled the
original (Table 6 there).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import final

import torch
from torch import Tensor, nn

from corank.attack import Examples
from corank.errors import InputError
from corank.linalg.small_gram import leading_factors
from corank.measure import Batches, OnDevice, first_batch
from corank.network import GraphNetwork, Layer, cut, evaluation_mode
from corank.network.guard import unchanged
from corank.result import Result, Scalar
from corank.train.evaluate import device_of

_TOGETHER = 500  # samples that go through the network


class Hybrid(nn.Module):
    """The network up to a layer, then `(h - mean) / scale` on k directions, then a linear classifier.

    Args:
        pre: the network up to the layer.
        mean, scale: of the features, shape (m,).
        directions: orthonormal rows, shape (k, m).
        weight: of the classifier, shape (classes, k).
        bias: of the classifier, shape (classes,).
    """

    mean: Tensor
    scale: Tensor
    directions: Tensor

    def __init__(
        self, pre: GraphNetwork, mean: Tensor, scale: Tensor, directions: Tensor, weight: Tensor, bias: Tensor
    ) -> None:
        super().__init__()
        self.pre = pre
        self.register_buffer("mean", mean)
        self.register_buffer("scale", scale)
        self.register_buffer("directions", directions)
        self.classifier = nn.Linear(weight.shape[1], len(weight), device=weight.device, dtype=weight.dtype)
        with torch.no_grad():
            self.classifier.weight.copy_(weight)
            self.classifier.bias.copy_(bias)

    def embedded(self, x: Tensor) -> Tensor:
        """The k coordinates of inputs, shape (n, k)."""
        features = (self.pre(x).flatten(1) - self.mean) / self.scale
        coordinates: Tensor = features @ self.directions.T
        return coordinates

    def forward(self, x: Tensor) -> Tensor:
        """The scores of the classes, shape (n, classes)."""
        scores: Tensor = self.classifier(self.embedded(x))
        return scores


@dataclass(frozen=True, kw_only=True, eq=False)
class MaxMargin(Result):
    """A hybrid model and how it was made.

    Attributes:
        network: the model, in evaluation mode.
        layer: that the features are taken from.
        features: of one sample there.
        dimensions: that are kept.
        captured: share of the scaled features' variance in them.
        samples: that it was fitted to.
        accuracy: share of these that it classifies rightly.
        parameters: of the classifier with its projection, where the original goes on with its own layers.
        replaced: parameters of the original behind the layer.
    """

    network: Hybrid = field(metadata={"json": False}, repr=False)
    layer: str
    features: int
    dimensions: int
    captured: float
    samples: int
    accuracy: float
    parameters: int
    replaced: int

    def row(self) -> dict[str, Scalar]:
        """Layer, dimensions and accuracy on what it was fitted to."""
        return {
            "layer": self.layer, "features": self.features, "dimensions": self.dimensions, "captured": self.captured,
            "accuracy": self.accuracy, "parameters": self.parameters, "replaced": self.replaced,
        }  # fmt: skip


@final
@dataclass(frozen=True, kw_only=True)
class MaxMarginHead:
    """How a hybrid model is made.

    Args:
        layer: a name, or the number of a convolution; the place must be one that everything flows through.
        dimensions: of the embedding; None keeps as many as there are features or samples.
        samples: that it is fitted to, at most.
        alpha: of the l2 penalty, which also sets the falling step sizes of the stochastic gradients.
        seed: of their order.

    Raises:
        InputError: a number that is not positive; when applied, a layer that cannot be cut after.

    Example:
        >>> _ = torch.manual_seed(0)
        >>> network = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 2)).eval()
        >>> x = torch.randn(300, 4)
        >>> found = MaxMarginHead(layer="1", dimensions=5).fit(network, [(x, (x[:, 0] > 0).long())])
        >>> found.network(x).shape, found.accuracy > 0.85
        (torch.Size([300, 2]), True)
    """

    layer: Layer
    dimensions: int | None = None
    samples: int = 10_000
    alpha: float = 0.01
    seed: int = 0

    def __post_init__(self) -> None:
        if self.dimensions is not None and self.dimensions < 1:
            raise InputError(f"dimensions must be at least 1, got {self.dimensions}")
        if self.samples < 2:
            raise InputError(f"samples must be at least 2, got {self.samples}")
        if not 0 < self.alpha < math.inf:
            raise InputError(f"alpha must be positive and finite, got {self.alpha}")

    def fit(self, network: nn.Module, batches: Batches) -> MaxMargin:
        """Make a hybrid model of a network.

        Args:
            network: any `nn.Module` that can be cut after the layer; it comes back bit for bit.
            batches: samples with the labels that are to be told apart, as many of them as `samples` allows.
        """
        with unchanged(network):
            there = OnDevice(batches, device_of(network))
            halves = cut(network, self.layer, first_batch(there)[0])
            pre = halves.pre.eval()
            features, labels = _features(pre, there, self.samples)
        mean, scale = features.mean(0), features.std(0, correction=0)
        scale = torch.where(scale > 0, scale, 1.0)
        scaled = (features - mean) / scale
        short = torch.linalg.qr(scaled, mode="r").R  # no more rows than features, the same right singular vectors
        _, directions = leading_factors(short, limit=self.dimensions or len(short))
        embedded = scaled @ directions.T
        weight, bias = self._classifier(embedded, labels)
        model = Hybrid(pre, mean, scale, directions, weight.to(features), bias.to(features)).eval()
        with torch.no_grad():
            right = (model.classifier(embedded).argmax(1) == labels).double().mean()
        return MaxMargin(
            network=model, layer=halves.point.label, features=halves.features, dimensions=len(directions),
            captured=float(embedded.double().square().sum() / scaled.double().square().sum()), samples=len(labels),
            accuracy=float(right), parameters=directions.numel() + weight.numel() + bias.numel(),
            replaced=sum(one.numel() for one in halves.post.parameters()),
        )  # fmt: skip

    def _classifier(self, embedded: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """One hyperplane a class; of two classes the one between them, turned round for the first."""
        from sklearn.linear_model import SGDClassifier  # imported here: it takes a second to import

        if bool((labels == labels[0]).all()):
            raise InputError(f"a classifier needs samples of two classes, all {len(labels)} have the same label")
        fitted = SGDClassifier(loss="hinge", alpha=self.alpha, learning_rate="optimal", random_state=self.seed)
        fitted.fit(embedded.cpu().numpy(), labels.cpu().numpy())
        own, biases = (torch.from_numpy(part).to(embedded) for part in (fitted.coef_, fitted.intercept_))
        if len(own) == 1:
            own, biases = torch.cat([-own, own]), torch.cat([-biases, biases])
        weight, bias = own.new_zeros(int(labels.max()) + 1, own.shape[1]), own.new_full((int(labels.max()) + 1,), -1e6)
        seen = torch.from_numpy(fitted.classes_).long()
        weight[seen], bias[seen] = own, biases  # a class without samples is never the largest
        return weight, bias


def accuracy_where_fooled(network: nn.Module, examples: Examples) -> float | None:
    """The share of examples that fooled one network which another classifies rightly; None where none did.

    Args:
        network: the other one, a hybrid model of the first for example, in evaluation mode.
        examples: as an attack on the first one left them.

    Example:
        >>> from corank.attack import FGSM
        >>> _ = torch.manual_seed(0)
        >>> one, other = nn.Linear(3, 2).eval(), nn.Linear(3, 2).eval()
        >>> x = torch.rand(50, 3)
        >>> found = FGSM(radius=0.5).attack(one, x, one(x).argmax(1))
        >>> accuracy_where_fooled(one, found)
        0.0
    """
    fooled = (examples.clean == examples.labels) & (examples.classes != examples.labels)
    if not bool(fooled.any()):
        return None
    with torch.no_grad(), evaluation_mode(network):
        classes = network(examples.inputs[fooled]).argmax(1)
    return float((classes == examples.labels[fooled]).double().mean())


def _features(pre: GraphNetwork, batches: OnDevice, count: int) -> tuple[Tensor, Tensor]:
    parts, labels = [], []
    left = count
    for x, y in batches:
        with torch.no_grad():
            found = [pre(part).flatten(1) for part in torch.split(x[:left], _TOGETHER)]
        parts += found
        labels.append(y[:left].long())
        left -= min(left, len(y))
        if left == 0:
            break
    return torch.cat(parts), torch.cat(labels)
