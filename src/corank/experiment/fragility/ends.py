"""Where the path from an input leads: to the nearest example of another class, or to an image that is given.

Only where `g = f_a - f_b` changes its sign is there a boundary on the path, so that an example that the network itself
gets wrong is no end of a path: the next nearest that it gets right is. How often that is so is told.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from corank.attack.victim import Victim
from corank.errors import InputError
from corank.measure import Pairs, nearest_pairs
from corank.zoo import Batches, Dataset

BATCH = 1000
ROUNDS = 30  # of passing over examples that the network gets wrong; what is left then has no end of a path


@dataclass(frozen=True, eq=False)
class Ends:
    """Paths from some inputs.

    Attributes:
        pairs: the inputs and where their paths lead.
        passed_over: `(m,)` whether a nearer example was passed over because the network gets it wrong.
    """

    pairs: Pairs
    passed_over: Tensor


def nearest_ends(network: nn.Module, x: Tensor, labels: Tensor, dataset: Dataset, target: int | None = None) -> Ends:
    """Each input beside the nearest training example of another class that the network gets right.

    Args:
        network: in evaluation mode.
        x: `(m, ...)` in pixel space.
        labels: `(m,)` their classes.
        dataset: whose training split is searched.
        target: the only class that is searched; None for all but an input's own.

    Raises:
        InputError: one class only, an input that is there under another class too.
    """
    victim, kept = Victim(network), torch.arange(len(dataset.train))
    found = nearest_pairs(x, labels, Batches(dataset.train, BATCH), target=target)
    assert found.end_indices is not None
    ends, classes, places = found.ends, found.end_classes, found.end_indices.clone()
    passed_over = torch.zeros(len(x), dtype=torch.bool)
    is_open = torch.arange(len(x), device=x.device)
    for _ in range(ROUNDS):
        is_wrong = victim.classes(ends[is_open]) != classes[is_open]
        is_open = is_open[is_wrong]
        if not len(is_open):
            break
        passed_over[is_open.cpu()] = True
        kept = kept[~torch.isin(kept, places[is_open].cpu())]
        rest = Batches(dataset.train.select(kept), BATCH)
        try:
            again = nearest_pairs(x[is_open], labels[is_open], rest, target=target)
        except InputError:  # the network gets every example of the other classes wrong
            break
        assert again.end_indices is not None
        ends[is_open], classes[is_open] = again.ends, again.end_classes
        places[is_open] = kept[again.end_indices.cpu()].to(places.device)
    return Ends(replace(found, ends=ends, end_classes=classes, end_indices=places), passed_over)


def given_end(x: Tensor, labels: Tensor, image: Tensor, label: int) -> Ends:
    """Each input beside an image that is given.

    Args:
        x: `(m, ...)` in pixel space.
        labels: `(m,)` their classes, none of them that of the image.
        image: where all paths lead.
        label: its class.
    """
    pairs = Pairs(
        starts=x, ends=image.to(x).expand_as(x).clone(), start_classes=labels,
        end_classes=torch.full_like(labels, label),
    )  # fmt: skip
    return Ends(pairs, torch.zeros(len(x), dtype=torch.bool))
