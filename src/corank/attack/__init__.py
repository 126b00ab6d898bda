"""Network and inputs to perturbations, and an evaluation that cannot fool itself."""

from corank.attack.audit import Audited, audit
from corank.attack.auto import Auto
from corank.attack.auto_attack import AutoAttack
from corank.attack.bookkeeping import Bookkeeping, bookkeeping
from corank.attack.budget import Budget
from corank.attack.carlini_wagner import CarliniWagner
from corank.attack.deepfool import DeepFool
from corank.attack.descent import Steps
from corank.attack.evaluation import Evaluation, evaluate
from corank.attack.fast_minimum_norm import FastMinimumNorm
from corank.attack.fgsm import FGSM
from corank.attack.gnm import GNM
from corank.attack.interval import mcnemar, wilson
from corank.attack.iterative_fgsm import IterativeFGSM
from corank.attack.least_likely import LeastLikely
from corank.attack.noise import NoiseStability, noise_stability, pixel_noise
from corank.attack.paired import Pairing, paired
from corank.attack.pgd import PGD
from corank.attack.random_direction import RandomDirection
from corank.attack.recursive_subspace import RecursiveSubspace
from corank.attack.representation import Displacements, displacements
from corank.attack.sample import BoundedAttack, Examples, SampleAttack, ShortestAttack
from corank.attack.singular_vectors import SingularVectors
from corank.attack.sink_class import SinkClass
from corank.attack.smallest_budget import SmallestBudget, smallest_budget
from corank.attack.square import Square
from corank.attack.standard import standard_attacks
from corank.attack.stepped import SteppedAttack
from corank.attack.stochastic_aggregation import StochasticAggregation
from corank.attack.stochastic_gradient import StochasticGradient
from corank.attack.transfer import TransferMatrix, transfer_matrix
from corank.attack.universal import Universal, UniversalAttack
from corank.attack.universal_deepfool import UniversalDeepFool

__all__ = [
    "FGSM",
    "GNM",
    "PGD",
    "Audited",
    "Auto",
    "AutoAttack",
    "Bookkeeping",
    "BoundedAttack",
    "Budget",
    "CarliniWagner",
    "DeepFool",
    "Displacements",
    "Evaluation",
    "Examples",
    "FastMinimumNorm",
    "IterativeFGSM",
    "LeastLikely",
    "NoiseStability",
    "Pairing",
    "RandomDirection",
    "RecursiveSubspace",
    "SampleAttack",
    "ShortestAttack",
    "SingularVectors",
    "SinkClass",
    "SmallestBudget",
    "Square",
    "SteppedAttack",
    "Steps",
    "StochasticAggregation",
    "StochasticGradient",
    "TransferMatrix",
    "Universal",
    "UniversalAttack",
    "UniversalDeepFool",
    "audit",
    "bookkeeping",
    "displacements",
    "evaluate",
    "mcnemar",
    "noise_stability",
    "paired",
    "pixel_noise",
    "smallest_budget",
    "standard_attacks",
    "transfer_matrix",
    "wilson",
]
