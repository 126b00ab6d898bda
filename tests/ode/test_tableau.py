from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from corank.errors import InputError
from corank.ode import RK2, RK3, RK4, DormandPrince5, Heun, Midpoint, RK4Family, Tableau, ThreeEighths
from corank.ode.solvers.kutta3 import Kutta3

SHARES = st.floats(0.05, 0.95)


@given(SHARES, SHARES)
def test_every_member_of_a_family_satisfies_its_order_conditions(u: float, v: float) -> None:
    # The tableau checks itself; what is built anyway must satisfy them again, to rounding times its coefficients.
    for kind, options in ((RK2, {"u": u}), (RK3, {"u": u, "v": v}), (RK4Family, {"u": u, "v": v})):
        try:
            made = kind(**options).tableau
        except InputError:
            continue
        errors = made.order_errors(np.array(made.weights), made.order)
        assert max(abs(error) for error in errors) < 1e-9


@given(SHARES, SHARES)
def test_a_refused_member_lies_next_to_a_singular_curve(u: float, v: float) -> None:
    last = 6 * u * v - 4 * u - 4 * v + 3
    away = min(abs(u - v), abs(u - 0.5), abs(last), u, v, 1 - u, 1 - v)
    assume(away > 0.05)
    assert RK4Family(u=u, v=v).tableau.order == 4


@pytest.mark.parametrize(
    ("u", "v"), [(0.3, 0.3), (0.5, 0.3), (0.0, 0.5), (0.4, 1.0), (0.3, 0.81818), (0.3, 9 / 11), (0.5 + 1e-9, 0.3)]
)
def test_the_singular_curves_of_the_fourth_order_family_are_refused(u: float, v: float) -> None:
    with pytest.raises(InputError, match=r"singular|between 0 and 1"):
        RK4Family(u=u, v=v)


@pytest.mark.parametrize(("u", "v"), [(0.4, 0.4), (2 / 3, 0.5), (0.0, 0.5), (0.5, 0.0), (2 / 3 + 1e-9, 0.5)])
def test_the_singular_curves_of_the_third_order_family_are_refused(u: float, v: float) -> None:
    with pytest.raises(InputError, match=r"singular|above 0"):
        RK3(u=u, v=v)


@pytest.mark.parametrize("u", [0.0, -0.5, 1.5, float("nan"), 1e-9])
def test_the_second_order_family_is_refused_outside(u: float) -> None:
    with pytest.raises(InputError, match=r"u must|coefficients"):
        RK2(u=u)


def test_named_schemes_are_members_of_their_families() -> None:
    pairs = [
        (RK2(u=0.5), Midpoint()), (RK2(u=1.0), Heun()), (RK3(u=0.5, v=1.0), Kutta3()),
        (RK4Family(u=1 / 3, v=2 / 3), ThreeEighths()),
    ]  # fmt: skip
    for one, other in pairs:
        np.testing.assert_allclose(one.tableau.full_matrix, other.tableau.full_matrix, atol=1e-14)
        np.testing.assert_allclose(one.tableau.weights, other.tableau.weights, atol=1e-14)


def test_the_limit_of_the_family_at_a_half_is_no_member_but_the_classical_scheme_has_its_order() -> None:
    made = RK4().tableau
    assert max(map(abs, made.order_errors(np.array(made.weights), 4))) < 1e-15
    assert max(map(abs, made.order_errors(np.array(made.weights), 5))) > 1e-3


@pytest.mark.parametrize("name", ["matrix", "weights", "embedded", "dense"])
def test_any_single_coefficient_that_is_wrong_is_noticed(name: str) -> None:
    good = DormandPrince5().tableau
    fields = {field: getattr(good, field) for field in good.__dataclass_fields__}
    chance = random.Random(0)
    for _ in range(10):
        table = fields[name]
        is_flat = name in ("weights", "embedded")
        rows = [list(table)] if is_flat else [list(row) for row in table]
        row = chance.choice([row for row in rows if row])
        row[chance.randrange(len(row))] += 1e-6
        wrong = tuple(rows[0]) if is_flat else tuple(map(tuple, rows))
        with pytest.raises(InputError, match=r"must satisfy|must sum"):
            Tableau(**{**fields, name: wrong})


def test_a_table_of_the_wrong_shape_is_refused() -> None:
    with pytest.raises(InputError, match="2 nodes"):
        Tableau(nodes=(0, 1), matrix=((), (1,)), weights=(1,), order=1)
    with pytest.raises(InputError, match="order must be"):
        Tableau(nodes=(0,), matrix=((),), weights=(1,), order=6)
