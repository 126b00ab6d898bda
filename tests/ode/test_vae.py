"""The autoencoder's probabilities are such, and its bound bounds."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from corank.errors import InputError
from corank.ode.flow_options import FlowOptions
from corank.ode.vae import BoundPerDimension, FlowVAE


def vae_of(pixels: int = 4, latent: int = 2) -> FlowVAE:
    torch.manual_seed(0)
    flow = FlowOptions(hidden=(6,), solver="rk4", solver_steps=10, gradient="backprop").build(latent)
    for parameter in flow.parameters():
        parameter.data *= 3  # so that the flow does something
    return FlowVAE(flow, pixels=pixels, hidden=(8,)).double()


def images(count: int = 6, side: int = 2) -> Tensor:
    return torch.randint(256, (count, 1, side, side), generator=torch.Generator().manual_seed(1), dtype=torch.uint8)


@pytest.mark.parametrize("log_scale", [-5.0, -2.0, 1.0])
def test_the_levels_of_a_pixel_have_probabilities_that_sum_to_one(log_scale: float) -> None:
    vae = vae_of(pixels=1)
    with torch.no_grad():
        vae.log_scale.fill_(log_scale)
        levels = torch.arange(256.0, dtype=torch.float64)[:, None]
        found = vae.log_likelihood(levels, torch.zeros(256, 2, dtype=torch.float64))
    assert float(found.exp().sum()) == pytest.approx(1, abs=1e-4)


def test_the_bound_is_above_an_estimate_of_what_it_bounds() -> None:
    """Many draws give `-log p(x)` by importance sampling; the mean bound exceeds it, by Jensen's inequality."""
    vae, x = vae_of(), images(3)
    many = x.repeat_interleave(400, 0)
    with torch.no_grad():
        bounds = vae.bound(many, torch.Generator().manual_seed(0)).view(3, 400)
    estimate = -(torch.logsumexp(-bounds, 1) - math.log(400))
    assert bool((bounds.mean(1) > estimate).all())


def test_the_posterior_has_the_density_of_the_change_of_variables() -> None:
    """Without the image's part the bound is `log q(zT) - log p(zT)`, here from the Jacobian that autograd takes."""
    vae, x = vae_of(), images(4)
    vae.log_likelihood = lambda level, latent: torch.zeros(len(level), dtype=torch.float64)  # type: ignore[method-assign]
    found = vae.bound(x, torch.Generator().manual_seed(0))
    mean, raw = vae.encoder(x.flatten(1).double() / 256 - 0.5).chunk(2, 1)
    encoder = torch.distributions.Normal(mean, torch.nn.functional.softplus(raw) + 1e-3)
    start = mean + encoder.scale * torch.randn(mean.shape, generator=torch.Generator().manual_seed(0))
    jacobians = [
        torch.autograd.functional.jacobian(lambda z: vae.flow.encoded(z[None])[0][0], one) for one in start.detach()
    ]
    grown = torch.linalg.slogdet(torch.stack(jacobians))[1]
    prior = torch.distributions.Normal(0.0, 1.0).log_prob(vae.flow.encoded(start)[0]).sum(1)
    assert torch.allclose(found, encoder.log_prob(start).sum(1) - grown - prior, atol=1e-4)
    assert float(grown.abs().min()) > 0.01


def test_bytes_and_shares_are_the_same_images() -> None:
    vae, x = vae_of(), images()
    with torch.no_grad():
        one, other = (vae.bound(given, torch.Generator().manual_seed(0)) for given in (x, x.double() / 255))
    assert torch.allclose(one, other)
    assert float(BoundPerDimension()(lambda _: one, x, x)) == pytest.approx(vae.bits_per_dimension(float(one.mean())))


def test_it_learns() -> None:
    vae, x = vae_of().float(), images(20)
    optimiser = torch.optim.Adam(vae.parameters(), lr=1e-2)
    losses = []
    for step in range(25):
        optimiser.zero_grad()
        loss = BoundPerDimension()(vae, x, x)
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
        if step == 0:
            assert all(parameter.grad is not None for parameter in vae.parameters())
    assert losses[-1] < losses[0]
    assert vae.sample(3).shape == (3, 4)


def test_wrong_input_is_refused() -> None:
    with pytest.raises(InputError, match="images must have 4 pixels, got 9"):
        vae_of().bound(images(2, 3))
    with pytest.raises(InputError, match="at least one image must be drawn, got 0"):
        vae_of().sample(0)
    with pytest.raises(InputError, match=r"pixels and hidden units .*, got 0 and \(8,\)"):
        FlowVAE(vae_of().flow, pixels=0, hidden=(8,))
