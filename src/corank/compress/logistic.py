"""A new end for a cut network by logistic regression on the labels: what a polynomial is compared with.

Cui et al. 2020, "Active Subspace of Neural Networks", section 5.1.2 and Fig. 5b: on few directions, or on all features.
The latter never solves for as many unknowns as there are features: with an l2 penalty the weights lie in the span of
the samples (the representer theorem), so that as many coordinates as there are samples give the same weights.
"""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from corank.compress.chaos import PolynomialChaos, levelled
from corank.compress.heads import Head, judged
from corank.compress.samples import Drawn
from corank.errors import InputError
from corank.linalg import Whitening
from corank.linalg.small_gram import column_pieces
from corank.measure import FeatureProbe
from corank.measure.heldout_gram import HeldoutGram

RIDGE = FeatureProbe().ridge  # of the penalty, on features of mean squared norm 1
STEPS = 1000  # of the solver
MOST_VALUES = 2**28  # features of all samples, 1 GiB in float32; the inner products of the samples come on top


class LinearReadout(nn.Module):
    """`y = W x + b` of all features x.

    Args:
        weight: `(classes, n)`.
        bias: `(classes,)`.
    """

    def __init__(self, weight: Tensor, bias: Tensor) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight)
        self.bias = nn.Parameter(bias)

    def forward(self, x: Tensor) -> Tensor:
        """Features `(B, ...)` to outputs `(B, classes)`."""
        return functional.linear(x.flatten(1), self.weight, self.bias)


def fit_logistic(drawn: Drawn) -> Head:
    """Logistic regression of the labels on directions, or on all features.

    It minimises `mean cross entropy + ridge / 2 |W|^2`, the intercept free, on features that are centred and scaled by
    one number, such that their mean squared norm is 1; the ridge is that of `FeatureProbe`, 0.001.

    Args:
        drawn: the samples.

    Raises:
        InputError: samples of fewer than two classes, or whose features are all the same.
    """
    return _on_all_features(drawn) if drawn.directions is None else _on_directions(drawn, drawn.directions)


def _on_directions(drawn: Drawn, directions: Tensor) -> Head:
    """A polynomial of order 1; its variables have a mean variance of 1, but unlike whitened ones keep their ratios."""
    z = drawn.fitted.z
    rank = z.shape[1]
    mean = z.mean(0)
    spread = float((z - mean).square().mean().sqrt()) or 1.0
    transform, offset = levelled(Whitening(mean, torch.eye(rank, dtype=z.dtype, device=z.device) / spread))
    found = _regressed(z @ transform - offset, drawn)
    coefficients = torch.cat([found.intercept[:, None], found.weights], 1).to(directions)
    module = PolynomialChaos((transform.T @ directions.double()).to(directions.dtype), coefficients, 1, offset)

    def outputs(z: Tensor) -> Tensor:
        variables = (z @ transform - offset).to(directions.dtype)
        return functional.linear(variables, coefficients[:, 1:], coefficients[:, 0])

    return judged(module, drawn, outputs, order=1, terms=rank + 1, chosen=found.remark, is_of_logits=False)


def _on_all_features(drawn: Drawn) -> Head:
    """A linear layer."""
    x = drawn.fitted.z
    mean = x.mean(0, dtype=torch.float64)
    if x.shape[1] <= len(x):
        found = _regressed(x - mean, drawn)
        weight = found.weights
    else:
        coordinates = HeldoutGram.of([x]).coordinates.to(x.device)
        found = _regressed(coordinates, drawn)
        weight = _combined(found.weights @ (coordinates / coordinates.square().sum(0)).T, x, mean)
    module = LinearReadout(weight.to(x.dtype), (found.intercept - weight @ mean).to(x.dtype))
    with torch.no_grad():
        return judged(module, drawn, module, order=1, terms=x.shape[1] + 1, chosen=found.remark, is_of_logits=False)


def _combined(shares: Tensor, x: Tensor, mean: Tensor) -> Tensor:
    """Sums of centred samples, `shares (x - mean)`, float64, a piece of columns at a time."""
    sums = shares.new_empty(len(shares), x.shape[1])
    for columns in column_pieces(x.shape[1]):
        sums[:, columns] = shares @ (x[:, columns] - mean[columns])
    return sums


@dataclass(frozen=True, eq=False)
class _Regression:
    """Weights `(classes, k)` and intercept `(classes,)`, float64, and a remark if they are not the best ones."""

    weights: Tensor
    intercept: Tensor
    remark: str


def _regressed(rows: Tensor, drawn: Drawn) -> _Regression:
    """Logistic regression on centred rows `(m, k)`, float64, with an output for every class of the network.

    A class without a sample gets a constant output, so low that at every sample its probability is below 1 / m.
    """
    # imported here: scikit-learn takes longer to import than many a command to run
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    labels, classes = drawn.fitted.labels, drawn.fitted.logits.shape[1]
    seen = labels.bincount().nonzero().flatten().cpu()
    if len(seen) < 2:
        raise InputError(
            f"a logistic regression needs samples of at least two classes, all {len(rows)} have the label "
            f"{int(seen[0])}: give batches in random order"
        )
    if not rows.any():
        raise InputError(f"the features at the cut are the same for all {len(rows)} samples: cut at another layer")
    scale = float(rows.square().sum(1).mean().sqrt())
    scaled = (rows / scale).cpu()
    halves = 2 if len(seen) == 2 else 1  # the solver has one plane for two classes, twice either's weights
    solver = LogisticRegression(C=halves / (RIDGE * len(rows)), max_iter=STEPS)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # the remark says it
        solver.fit(scaled.numpy(), labels.cpu().numpy())
    own, free = torch.from_numpy(solver.coef_), torch.from_numpy(solver.intercept_)
    if len(seen) == 2:
        own, free = torch.cat([-own, own]) / 2, torch.cat([-free, free]) / 2
    lowest = float((scaled @ own.T + free).min()) - math.log(len(rows))
    weights, intercept = own.new_zeros(classes, own.shape[1]), free.new_full((classes,), lowest)
    weights[seen], intercept[seen] = own, free
    has_converged = int(solver.n_iter_.max()) < STEPS
    remark = "" if has_converged else f"{STEPS} steps of the solver did not reach the best fit"
    return _Regression((weights / scale).to(rows.device), intercept.to(rows.device), remark)
