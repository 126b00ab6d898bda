"""Regimes of solvers: what they draw, how often, and what they refuse."""

from __future__ import annotations

import math
from collections import Counter

import pytest
import torch

from corank.errors import InputError
from corank.ode import RK2, RK3, Euler, RK4Family
from corank.ode.meta import Ensembling, Smoothing, Standalone, Switching


def test_smoothing_draws_within_two_deviations_and_else_the_mean() -> None:
    regime, generator, count = Smoothing(solver=RK2(u=0.5, steps=2)), torch.Generator().manual_seed(0), 4000
    values = torch.tensor([regime.drawn(generator)[0][1].u for _ in range(count)], dtype=torch.float64)
    scaled = (values - 0.5) / 0.0125
    assert float(scaled.abs().max()) <= 2
    beyond = math.erfc(2 / math.sqrt(2))  # the share of a normal distribution beyond two deviations
    # Five deviations of a binomial share.
    assert float((scaled == 0).double().mean()) == pytest.approx(beyond, abs=5 * math.sqrt(beyond / count))
    within = scaled[scaled != 0]
    # The variance of a normal distribution cut at two deviations: 1 - 4 phi(2) / (Phi(2) - Phi(-2)).
    expected = 1 - 4 * math.exp(-2) / math.sqrt(2 * math.pi) / (1 - beyond)
    assert float(within.var()) == pytest.approx(expected, rel=0.1)
    assert regime.settled == ((1.0, RK2(u=0.5, steps=2)),)


def test_smoothing_draws_every_parameter_of_a_family() -> None:
    ((_, solver),) = Smoothing(solver=RK4Family(u=0.3, v=0.6, steps=1)).drawn(torch.Generator().manual_seed(1))
    assert solver.u != 0.3
    assert solver.v != 0.6


def test_a_draw_without_a_scheme_is_the_mean() -> None:
    """u may not pass 1; half of the draws around it do."""
    regime, generator = Smoothing(solver=RK2(u=1.0, steps=1)), torch.Generator().manual_seed(0)
    values = [regime.drawn(generator)[0][1].u for _ in range(50)]
    assert max(values) == 1
    assert min(values) < 1


def test_switching_follows_its_probabilities() -> None:
    solvers = (RK2(u=0.5), RK2(u=1.0), Euler())
    regime, generator = Switching(solvers=solvers, probabilities=(0.5, 0.5, 0.0)), torch.Generator().manual_seed(0)
    counts = Counter(regime.drawn(generator)[0][1] for _ in range(400))
    assert set(counts) == {*solvers[:2]}
    assert abs(counts[solvers[0]] - 200) <= 50  # five deviations
    assert regime.settled == ((1.0, solvers[0]),)


def test_fixed_regimes_draw_nothing() -> None:
    generator = torch.Generator().manual_seed(0)
    state = generator.get_state()
    solvers = (RK2(u=0.5), RK3(u=0.5, v=1.0))
    assert Ensembling(solvers=solvers).drawn(generator) == ((0.5, solvers[0]), (0.5, solvers[1]))
    assert Standalone(solver=solvers[0]).drawn(generator) == ((1.0, solvers[0]),)
    assert torch.equal(generator.get_state(), state)


def test_wrong_input_is_refused() -> None:
    with pytest.raises(InputError, match=r"parameter u .*, got Euler"):
        Smoothing(solver=Euler())
    with pytest.raises(InputError, match=r"deviation must be positive, got -1"):
        Smoothing(solver=RK2(u=0.5), deviation=-1)
    with pytest.raises(InputError, match="at least one solver"):
        Switching(solvers=())
    with pytest.raises(InputError, match=r"probabilities must be 1 numbers .*, got \(0.5,\)"):
        Switching(solvers=(Euler(),), probabilities=(0.5,))
    with pytest.raises(InputError, match=r"weights must be 2 numbers .*, got \(1.5, -0.5\)"):
        Ensembling(solvers=(Euler(), Euler(steps=2)), weights=(1.5, -0.5))
