"""How fragile a studied network is, and why: the same diagnosis as on its own, on the images that were attacked."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from corank.errors import InputError
from corank.experiment.attack_setting import Setting
from corank.experiment.fragility.diagnosis import diagnosed
from corank.experiment.fragility.fragility import Fragility
from corank.experiment.fragility.options import Diagnosing
from corank.experiment.fragility.page import fragility_chapter
from corank.experiment.fragility.words import better_in_words, fragile_in_words
from corank.experiment.study_attacks import NoAttacks, StudyAttacks
from corank.report import Section
from corank.zoo import Dataset

STEPS = 50  # of each minimum-norm attack


def fragility_studied(
    network: nn.Module,
    dataset: Dataset,
    attacks: StudyAttacks | NoAttacks | None,
    *,
    images: int,
    seed: int = 0,
    report: Callable[[str], None] = lambda stage: None,
) -> Fragility | NoAttacks | None:
    """Diagnose a network, if it was attacked; it takes about a fifth of the time of that.

    Args:
        network: in evaluation mode; it comes back unchanged.
        dataset: on whose test split it is diagnosed, with training examples at the ends of paths.
        attacks: of the study; without them there is no diagnosis either, and no other reason.
        images: at most.
        seed: of the draw of images.
        report: told before the work begins.
    """
    if not isinstance(attacks, StudyAttacks):
        return None
    report("how fragile, and why")
    try:
        return diagnosed(
            Setting().attacked(network, dataset), dataset, Diagnosing(images=images, steps=STEPS, seed=seed)
        )
    except InputError as error:  # a network or data that has no such paths may be studied all the same
        return NoAttacks(reason=str(error))


def fragility_sections(found: Fragility | NoAttacks | None, network: str, dataset: Dataset) -> tuple[Section, ...]:
    """The chapter, or the reason why there is none; nothing where the chapter on attacks gives the reason."""
    if isinstance(found, Fragility):
        return (fragility_chapter(found, network, dataset),)
    if found is None:
        return ()
    text = ("How fragile the network is, and why, is not known.",)
    return (Section("How fragile, and why", text=text, left_out=(("fragility", found.reason),)),)


def fragility_in_words(found: Fragility | NoAttacks | None, network: str) -> tuple[str, ...]:
    """The findings in plain sentences, for the top of the page."""
    if not isinstance(found, Fragility):
        return ()
    return (fragile_in_words(found, network)[0], better_in_words(found))
