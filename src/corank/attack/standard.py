"""The attacks that an evaluation tries where none are named."""

from __future__ import annotations

from corank.attack.budget import Norm
from corank.attack.fast_minimum_norm import FastMinimumNorm
from corank.attack.fgsm import FGSM
from corank.attack.pgd import PGD
from corank.attack.sample import SampleAttack


def standard_attacks(norm: Norm, *, seed: int = 0, auto_attack: bool = False) -> dict[str, SampleAttack]:
    """One step, many steps on two losses, and the shortest perturbation; by the names that they have in a table.

    Bounded attacks have the radius 1, which an evaluation replaces by each of its own.

    Args:
        norm: in which perturbations are measured.
        seed: of every random draw.
        auto_attack: whether AutoAttack is among them, which takes far longer than all others.

    Raises:
        InputError: an unknown norm.

    Example:
        >>> list(standard_attacks("linf"))
        ['fgsm', 'pgd', 'pgd:margin', 'fast-minimum-norm']
    """
    attacks: dict[str, SampleAttack] = {
        "fgsm": FGSM(norm=norm, radius=1.0, seed=seed),
        "pgd": PGD(norm=norm, radius=1.0, seed=seed),
        "pgd:margin": PGD(norm=norm, radius=1.0, seed=seed, loss="margin"),
        "fast-minimum-norm": FastMinimumNorm(norm=norm, seed=seed),
    }
    if auto_attack:
        from corank.attack.auto_attack import AutoAttack

        attacks["auto-attack"] = AutoAttack(norm=norm, radius=1.0, seed=seed)
    return attacks
