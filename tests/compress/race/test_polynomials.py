"""Samples at the end of a part of a network, with what another network says of them."""

from __future__ import annotations

import torch

from corank.compress.race.polynomials import drawn_through, taught

from .networks import batches, course, data, trained


def test_samples_are_what_the_part_makes_of_them_and_what_the_network_says() -> None:
    own = course("cnn")
    place = own.places[0]
    pre = own.halves(place.layer).pre
    directions = place.active.directions[:3]
    found = drawn_through(pre, directions, taught(own.graph, batches()), 100).fitted
    x = torch.cat([x for x, _ in data()[:2]])  # as many batches as hold a hundred
    with torch.no_grad():
        torch.testing.assert_close(found.z, (pre(x).flatten(1) @ directions.T).double())
        torch.testing.assert_close(found.logits, trained("cnn")(x).double(), rtol=1e-4, atol=1e-4)
    assert torch.equal(found.labels, torch.cat([y for _, y in data()[:2]]))


def test_drawing_that_breaks_off_leaves_gradients_switched_on() -> None:
    own = course("cnn")
    directions = own.places[0].active.directions[:3]
    drawn_through(own.halves(own.places[0].layer).pre, directions, taught(own.graph, batches()), 1)
    assert torch.is_grad_enabled()
