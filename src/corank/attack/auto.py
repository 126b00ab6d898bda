"""The recursive subspace joins the race of the sink classes, and what does best on the training samples goes on.

The subspace follows the gradients of all samples not fooled yet, in steps as long as the radius: it names no class, and
stops where no step of its line search fools one more sample. The search for a sink has a slope everywhere, and is as
good as the class that it settles on: with cnn4 on MNIST (radius 10 behind the normalisation, three training sets) short
first steps, of 0.1 radii, ended in classes that fooled 37 to 62 % of held-out images, steps of 0.4 radii in such as
fooled 55 to 66 %. Hence probes with long first steps, ranked by a smoothed share of fooled samples, and the subspace,
which needs no class, as a guest.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from corank.attack.checks import check_counts
from corank.attack.recursive_subspace import RecursiveSubspace
from corank.attack.search import Search
from corank.attack.sink_class import Contestant, SinkClass
from corank.attack.universal import UniversalAttack


@final
@dataclass(frozen=True, kw_only=True)
class Auto(UniversalAttack):
    """See the module.

    Args:
        subspace_steps: of the recursive subspace before it joins the race.
        steps: of the winner of the race.

    Raises:
        InputError: an option out of range.
    """

    subspace_steps: int = 3
    steps: int = 50

    def __post_init__(self) -> None:
        super().__post_init__()
        check_counts(subspace_steps=self.subspace_steps, steps=self.steps)

    def run(self, search: Search) -> str:
        """The race from the start."""
        subspace = RecursiveSubspace(
            radius=self.radius, norm=self.norm, target=self.target, steps=self.subspace_steps, tries=3
        )
        race = SinkClass(radius=self.radius, norm=self.norm, target=self.target, steps=self.steps)
        _, v = subspace.went(search)
        score = race.smooth_share(search).score(search.margins(v))
        return race.raced(search, [Contestant(name="the subspace", v=v, target=None, score=score)])
