"""The neural ODEs of the zoo: their sizes, their stems, the normalisation in each place, and their options."""

from __future__ import annotations

import itertools
import warnings
from typing import Any, get_args

import pytest
import torch
from torch import nn
from torch.nn.utils.parametrize import is_parametrized

from corank.errors import InputError
from corank.ode import RK2, DormandPrince5, Euler
from corank.ode.block import blocks_of
from corank.ode.meta import Ensembling, Smoothing, Standalone, Switching
from corank.zoo import ODEOptions, build, ode_names
from corank.zoo.nets.normalisations import Normalisation
from corank.zoo.nets.odenet import ConvolutionField

SMALL = {"channels": 4, "solver": "euler", "steps": 1, "gradient": "backprop"}
NORMS = get_args(Normalisation)


def small(name: str, **options: Any) -> nn.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of batch norm in a field, which is asked for here
        return build(
            name, classes=3, shape=(1, 8, 8), options={**SMALL, **options}, generator=torch.Generator().manual_seed(0)
        )


def parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def test_odenet4_has_the_parameters_of_its_layers() -> None:
    """For CIFAR: a stem, two convolutions in the field, one linear layer; each norm has two numbers a channel."""
    network = build("odenet4", classes=10, shape=(3, 32, 32))
    assert parameters(network) == 9 * 3 * 64 + 2 * 9 * 64 * 64 + 3 * 2 * 64 + 65 * 10


@pytest.mark.parametrize("name", ode_names())
def test_maps_of_mnist_are_a_quarter_and_those_of_photographs_whole(name: str) -> None:
    sizes: list[torch.Size] = []
    for shape in ((1, 28, 28), (3, 32, 32)):
        network = build(name, classes=10, shape=shape, options=SMALL)
        network.stem.register_forward_hook(lambda _, __, output: sizes.append(output.shape[1:]))
        network(torch.zeros(2, *shape))
    assert sizes == [(4, 7, 7), (4, 32, 32)]


@pytest.mark.parametrize("name", ["odenet4", "odenet10", "ode_meta_preresnet"])
@pytest.mark.parametrize("place", ["stem", "block", "field"])
@pytest.mark.parametrize("norm", NORMS)
def test_each_place_has_the_normalisation_that_it_is_given(name: str, place: str, norm: str) -> None:
    others = {f"{other}_norm": "none" for other in ("stem", "block", "field") if other != place}
    network = small(name, **{f"{place}_norm": norm}, **others)
    fields = [module for block in blocks_of(network).values() for module in block.modules()]
    elsewhere = [module for module in network.modules() if module not in fields]
    inside, outside = (fields, elsewhere) if place == "field" else (elsewhere, fields)
    kinds = {"batch": nn.BatchNorm2d, "layer": nn.GroupNorm}
    is_of = {
        norm: (lambda m: isinstance(m, kinds[norm]))
        if norm in kinds
        else (lambda m: isinstance(m, nn.Conv2d) and is_parametrized(m))
    }
    assert not any(is_parametrized(m) or isinstance(m, tuple(kinds.values())) for m in outside)
    is_there = norm != "none" and not (place == "block" and name == "odenet4")
    if name == "ode_meta_preresnet" and place == "stem" and norm != "none":
        is_there = False  # its stem is a convolution alone, as the blocks begin with their normalisation
    assert any(is_of[norm](m) for m in inside) == is_there
    x = torch.rand(5, 1, 8, 8)
    assert network(x).shape == (5, 3)
    network(x).square().sum().backward()
    assert all(weight.grad is not None and weight.grad.isfinite().all() for weight in network.parameters())


def test_spectral_normalisation_knows_the_scale_of_fresh_weights() -> None:
    """The largest singular value of the matrix of output channels by everything else is one."""
    conv = small("odenet4", field_norm="spectral").eval().body[0].field.first.conv
    weight = conv.weight.detach().flatten(1)
    assert float(torch.linalg.matrix_norm(weight, 2)) == pytest.approx(1, rel=0.05)


@pytest.mark.parametrize("norm", ["weight", "spectral"])
def test_the_generator_decides_normalised_weights_too(norm: str) -> None:
    options = {**SMALL, "field_norm": norm, "stem_norm": norm}

    def state(seed: int) -> list[torch.Tensor]:
        torch.seed()  # whatever the global generator has been through
        generator = torch.Generator().manual_seed(seed)
        network = build("odenet4", classes=3, shape=(1, 8, 8), options=options, generator=generator)
        return list(network.state_dict().values())

    assert all(torch.equal(one, two) for one, two in zip(state(1), state(1), strict=True))
    assert not all(torch.equal(one, two) for one, two in zip(state(1), state(2), strict=True))


def test_a_field_is_convolution_norm_activation_twice() -> None:
    field = ConvolutionField(4, ODEOptions(field_norm="none", activation="relu"))
    z = torch.randn(2, 4, 5, 5)
    inner = nn.functional.conv2d(z, field.first.conv.weight, padding=1).clamp(min=0)
    expected = nn.functional.conv2d(inner, field.second.conv.weight, padding=1).clamp(min=0)
    assert torch.allclose(field(torch.zeros(()), z), expected)


def test_a_block_of_one_euler_step_is_a_residual_block() -> None:
    network = small("odenet4", field_norm="none").eval()
    block, z = network.body[0], torch.randn(2, 4, 8, 8)
    assert torch.allclose(block(z), z + block.field(torch.zeros(()), z), atol=1e-6)


@pytest.mark.parametrize(
    ("options", "regime"),
    [
        ({"solver": "euler", "steps": 3}, Standalone(solver=Euler(steps=3))),
        ({"solver": "euler"}, Standalone(solver=Euler(steps=8))),
        ({"solver": "dopri5", "rtol": 0.1}, Standalone(solver=DormandPrince5(rtol=0.1))),
        ({"solver": "rk2", "u": 0.7}, Standalone(solver=RK2(u=0.7, steps=8))),
        ({"solver": "rk2", "u": 0.7, "regime": "smoothing"}, Smoothing(solver=RK2(u=0.7, steps=8))),
        (
            {"solver": "rk2", "u": 0.5, "regime": "switching", "switch_u": [0.5, 1.0]},
            Switching(solvers=(RK2(u=0.5, steps=8), RK2(u=1.0, steps=8))),
        ),
        (
            {"solver": "rk2", "u": 0.5, "regime": "ensembling", "switch_u": (0.5, 1.0)},
            Ensembling(solvers=(RK2(u=0.5, steps=8), RK2(u=1.0, steps=8))),
        ),
    ],
)
def test_options_make_the_regime(options: dict[str, Any], regime: object) -> None:
    network = build("odenet4", classes=3, shape=(1, 8, 8), options={**options, "channels": 2})
    assert [block.regime for block in blocks_of(network).values()] == [regime]


def test_all_blocks_have_the_same_regime() -> None:
    for name in ode_names():
        regimes = [block.regime for block in blocks_of(build(name, classes=3, shape=(1, 8, 8))).values()]
        assert len(regimes) == {"odenet4": 1, "odenet10": 2, "ode_single_block": 1, "ode_meta_preresnet": 3}[name]
        assert all(one == two for one, two in itertools.pairwise(regimes))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"solver": "rk5"}, "unknown solver 'rk5'"),
        ({"solver": "rk2"}, "solver rk2 needs u"),
        ({"steps": 3, "solver": "dopri5"}, "dopri5 has no steps, got 3"),
        ({"regime": "smoothing"}, "parameter u .*, got Euler"),
        ({"regime": "switching"}, "switching needs a solver with a parameter u .*, got euler and None"),
        ({"deviation": 0.1}, "deviation 0.1 is for the regime smoothing, got standalone"),
        ({"switch_u": (0.5,)}, r"switch_u \(0.5,\) is for the regimes"),
        ({"field_norm": "group"}, "unknown normalisation 'group' of the field"),
        ({"activation": "sine"}, "unknown activation 'sine'"),
        ({"gradient": "guess"}, "guess"),
        ({"channel": 3}, "unknown option 'channel' of a neural ODE: did you mean channels"),
    ],
)
def test_wrong_options_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        build("odenet4", classes=3, options=options)


def test_other_networks_have_no_options() -> None:
    with pytest.raises(InputError, match="cnn4 takes no options, got steps: those are for odenet4"):
        build("cnn4", classes=3, options={"steps": 2})
