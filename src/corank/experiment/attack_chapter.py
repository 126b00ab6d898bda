"""The attacks of a study on its page: what one vector does, what the network withstands, and the audit's verdict."""

from __future__ import annotations

from corank.experiment.attack_sections import (
    audit_section,
    evaluation_in_words,
    evaluation_section,
    universal_in_words,
    universal_section,
)
from corank.experiment.study_attacks import NoAttacks, StudyAttacks
from corank.report import Section
from corank.report.format import number
from corank.zoo import Dataset


def attack_chapter(found: StudyAttacks | NoAttacks | None, dataset: Dataset) -> tuple[Section, ...]:
    """The sections on attacks, or the reason why there are none where they were asked for."""
    if found is None:
        return ()
    if isinstance(found, NoAttacks):
        text = ("How the network behaves under attack is not known.",)
        return (Section("Attacks", text=text, left_out=(("attacks", found.reason),)),)
    told = found.to_dict()
    one, each = told["universal"], told["evaluation"]
    length = f"It is as long as a perturbation that changes every pixel by {number(found.radius)}."
    audited = found.judged.audited
    return (
        universal_section(found.universal, one, found.scene, dataset, told=(length, *universal_in_words(one))),
        evaluation_section(found.judged.evaluation, each, told=evaluation_in_words(each)),
        *(() if audited is None else (audit_section(audited),)),
    )


def attacks_in_words(found: StudyAttacks | NoAttacks | None) -> tuple[str, ...]:
    """What attacks found in plain sentences, for the top of the page."""
    if not isinstance(found, StudyAttacks):
        return ()
    told = found.to_dict()
    return universal_in_words(told["universal"])[0], *evaluation_in_words(told["evaluation"])
