"""Tests by other attacks on what descents leave: Square (13), transfer (14), noise (15), the nearest way (18, 19)."""

from __future__ import annotations

import dataclasses

import torch
from torch import Tensor, nn

from corank.attack.audit.case import Case, tried_on
from corank.attack.audit.finding import Finding, Found, NotRun
from corank.attack.audit.rows import Question
from corank.attack.audit.thresholds import LINEAR, NOISE, SHORTEST, SQUARE, TRANSFER
from corank.attack.batched_deepfool import batched_deepfool
from corank.attack.budget import lengths_of
from corank.attack.deepfool import DeepFool
from corank.attack.descent import descent
from corank.attack.fast_minimum_norm import FastMinimumNorm
from corank.attack.sample import SampleAttack
from corank.attack.square import Square
from corank.attack.victim import Victim
from corank.errors import InputError
from corank.network.adapted import adapted

NOISES = 1000
TOGETHER = 5  # noises in one pass


class Ensemble(nn.Module):
    """The mean logits of several networks."""

    def __init__(self, networks: tuple[nn.Module, ...]) -> None:
        super().__init__()
        self.networks = nn.ModuleList(networks)

    def forward(self, x: Tensor) -> Tensor:
        """Logits `(m, C)`."""
        return torch.stack([adapted(network)(x) for network in self.networks]).mean(0)


def transfer(case: Case) -> Found | NotRun:
    """Do examples made on other networks break what descents on this one leave?"""
    if not case.sources:
        return NotRun("no source networks were given, such as a twin trained without the defence")
    left = case.standing
    places = case.some(left, "transfer")
    broken = torch.zeros(len(places), dtype=torch.bool, device=places.device)
    makers: dict[str, nn.Module] = {f"source {index + 1}": source for index, source in enumerate(case.sources)}
    if len(case.sources) > 1:
        makers["ensemble"] = Ensemble(tuple(case.sources))
    measured: dict[str, int] = {}
    for name, maker in makers.items():
        hit = _transferred(case, places, maker)
        measured[f"broken by {name}"] = int(hit.sum())
        broken |= hit
    case.mark(places, broken)
    finding = case.gained("gain by transfer", broken, left, TRANSFER)
    return Found(findings=(finding,), note=tried_on(places, left), measured=measured)


def _transferred(case: Case, places: Tensor, maker: nn.Module) -> Tensor:
    """Which images the inputs of the largest loss of another network break, `(k,)`."""
    options = dataclasses.replace(case.single, stop=False)
    source, x = Victim(maker, case.bounds, case.victim.asked), case.x[places]
    if len(x) == 0:
        return torch.zeros(0, dtype=torch.bool, device=places.device)
    path = descent(source, x, case.labels[places], case.budget, options, case.generator("transfer"))
    return case.victim.classes(path.inputs) != case.labels[places]


def noise(case: Case) -> Found:
    """Does noise as large as the budget break what descents leave?"""
    left = case.standing
    places = case.some(left, "noise")
    broken = torch.zeros(len(places), dtype=torch.bool, device=places.device)
    generator = case.generator("noise")
    for _ in range(NOISES // TOGETHER):
        rows = (~broken).nonzero()[:, 0]
        if len(rows) == 0:
            break
        x, labels = case.x[places[rows]], case.labels[places[rows]]
        # Each pixel moves by all that it may: noise of even height is shorter than the budget in all but few pixels.
        drawn = [case.budget.at_radius(_noise(case, x, generator)) for _ in range(TOGETHER)]
        broken[rows] = (case.victim.classes_under(x, drawn) != labels).any(0)
    case.mark(places, broken)
    finding = case.gained("gain by noise", broken, left, NOISE)
    return Found(findings=(finding,), note=f"{NOISES} draws, {tried_on(places, left)}")


def _noise(case: Case, x: Tensor, generator: torch.Generator) -> Tensor:
    drawn = torch.randn(x.shape, generator=generator, dtype=x.dtype).to(x.device)
    return drawn.sign() if case.budget.norm == "linf" else drawn


def nearest(case: Case) -> Found:
    """Do attacks that look for the shortest perturbation find one within the budget where descents fail?"""
    left = case.standing
    places = case.some(left, "nearest")
    within = _distances(case, places) <= case.budget.radius
    case.mark(places, within)
    finding = case.gained("gain by shortest perturbations", within, left, SHORTEST)
    return Found(findings=(finding,), note=tried_on(places, left))


def linearity(case: Case) -> Found | NotRun:
    """Shortest perturbations found over those of the linearised network, in the median."""
    places = case.some(case.right, "linearity")
    if len(places) == 0:
        return NotRun("no image is classified rightly")
    x, labels = case.x[places], case.labels[places]
    step = batched_deepfool(case.victim, x, labels, norm=case.budget.norm, steps=1, overshoot=0.0)
    predicted = lengths_of(case.budget.norm, step).double()
    predicted = torch.where(predicted > 0, predicted, torch.inf)  # no way to a class at all
    found = _distances(case, places).double()
    ratios = (found / predicted).nan_to_num(1.0, torch.inf)  # neither finds a way: they agree
    ratio = float(ratios.median())
    factor = max(ratio, 1 / ratio if ratio > 0 else torch.inf)
    return Found(
        findings=(Finding(measure="factor between found and predicted distance", value=factor, threshold=LINEAR),),
        note=f"the median of {len(places)} images classified rightly",
        measured={"found / predicted": ratio, "median distance found": float(found.median())},
    )


def _distances(case: Case, places: Tensor) -> Tensor:
    """The shorter of two perturbations that break each image; infinite where none does, `(k,)`."""
    attacks: tuple[SampleAttack, ...] = (
        DeepFool(norm=case.budget.norm, seed=case.seed), FastMinimumNorm(norm=case.budget.norm, seed=case.seed),
    )  # fmt: skip
    shortest = torch.full((len(places),), torch.inf, dtype=case.x.dtype, device=places.device)
    for attack in attacks if len(places) else ():
        shortest = torch.minimum(shortest, _attacked(case, places, attack))
    return shortest


def _attacked(case: Case, places: Tensor, attack: SampleAttack) -> Tensor:
    """The length of the perturbation that breaks each image; infinite where none does."""
    found = attack.attack(case.network, case.x[places], case.labels[places], bounds=case.bounds)
    case.victim.asked.gradients += found.gradients
    case.victim.asked.forward += found.forward
    return found.distances


def square(case: Case) -> Found | NotRun:
    """Does a search without gradients break what all others leave?"""
    left = case.standing
    places = case.some(left, "square")
    attack = Square(norm=case.budget.norm, radius=case.budget.radius, queries=case.queries, seed=case.seed)
    broken = torch.zeros(len(places), dtype=torch.bool, device=places.device)
    try:
        if len(places):
            broken = _attacked(case, places, attack).isfinite()
    except InputError as error:
        return NotRun(str(error))
    case.mark(places, broken)
    finding = case.gained("gain by Square", broken, left, SQUARE)
    return Found(findings=(finding,), note=f"{case.queries} queries, {tried_on(places, left)}")


TESTS = (
    Question(14, "transfer", transfer), Question(15, "noise", noise), Question(18, "shortest", nearest),
    Question(19, "linearity", linearity), Question(13, "square", square),
)  # fmt: skip
