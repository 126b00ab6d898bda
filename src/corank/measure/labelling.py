"""Which function of the logits a loss gradient is the gradient of, one number a sample.

Cui et al. 2020 take the cross entropy to the true labels (eq. 3.3). With labels drawn from the network's own
softmax the gradients' covariance is the Fisher information of the layer, which fades like `1 - p_max` where the
network is sure instead of its square; random +-1 combinations of the logits, `E[J^T J]`, do not fade at all.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, get_args

import torch
from torch import Tensor
from torch.nn import functional

from corank.errors import InputError, near

Labelling = Literal["true", "predicted", "sampled", "logits"]
Loss = Callable[[Tensor], Tensor]

IN_WORDS = {
    "true": "cross entropy to the true labels",
    "predicted": "cross entropy to the predicted labels",
    "sampled": "cross entropy to labels drawn from the softmax",
    "logits": "random +-1 combinations of the logits",
}


def check_labelling(name: str) -> None:
    """Refuse a labelling that does not exist.

    Raises:
        InputError: naming those that do.
    """
    known = get_args(Labelling)
    if name not in known:
        raise InputError(f"labels must be one of {', '.join(known)}, got {name!r}: {near(name, known)}")


class Losses:
    """The losses of batch after batch; chance is drawn for whole batches, so it is the same however they are shared.

    Args:
        labelling: which function of the logits.
        seed: of what is drawn.

    Example:
        >>> logits = torch.tensor([[2.0, 0.0], [0.0, 1.0]])
        >>> drawn = Losses("predicted").for_batch(torch.tensor([1, 1]), 2)
        >>> drawn(slice(0, 2))(logits)
        tensor([0.1269, 0.3133])
    """

    def __init__(self, labelling: Labelling, seed: int = 0) -> None:
        check_labelling(labelling)
        self.labelling = labelling
        self._generator = torch.Generator().manual_seed(seed)

    def for_batch(self, y: Tensor, classes: int) -> Callable[[slice | Tensor], Loss]:
        """The loss of any part of a batch, as a function from that part's logits to one loss a sample.

        Args:
            y: `(B,)` true labels of the whole batch.
            classes: of the network.

        Raises:
            InputError: labels that are no whole numbers from 0 below `classes`.
        """
        if self.labelling == "true":
            check_labels(y, classes)
            return lambda part: lambda logits: _cross_entropy(logits, y[part].long())
        if self.labelling == "predicted":
            return lambda part: lambda logits: _cross_entropy(logits, logits.detach().argmax(1))
        if self.labelling == "sampled":
            places = torch.rand(len(y), 1, generator=self._generator, dtype=torch.float64).to(y.device)
            return lambda part: lambda logits: _cross_entropy(logits, _drawn(logits, places[part]))
        signs = torch.randint(2, (len(y), classes), generator=self._generator).to(y.device)
        return lambda part: lambda logits: (logits * (2 * signs[part] - 1)).sum(1)


def check_labels(y: Tensor, classes: int) -> None:
    """Refuse labels that do not name classes.

    Raises:
        InputError: another type or shape than `(B,)` whole numbers, or one that is not below `classes`.
    """
    if y.ndim != 1 or y.is_floating_point():
        raise InputError(f"labels must be whole numbers of shape (B,), got {y.dtype} of shape {tuple(y.shape)}")
    if len(y) and not 0 <= int(y.min()) <= int(y.max()) < classes:
        wrong = y[(y < 0) | (y >= classes)][0]
        raise InputError(f"label {int(wrong)} is outside 0 .. {classes - 1}")


def _cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    return functional.cross_entropy(logits, labels, reduction="none")


def _drawn(logits: Tensor, places: Tensor) -> Tensor:
    """Labels drawn from the softmax by inverting its distribution function at given places in [0, 1)."""
    cumulative = logits.detach().double().softmax(1).cumsum(1)
    return (
        torch.searchsorted(cumulative, places * cumulative[:, -1:], right=True)
        .squeeze(1)
        .clamp(max=logits.shape[1] - 1)
    )
