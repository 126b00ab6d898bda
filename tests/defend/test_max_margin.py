from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA
from sklearn.linear_model import SGDClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor, nn

from corank.attack import FGSM
from corank.defend import MaxMarginHead, accuracy_where_fooled
from corank.errors import InputError
from corank.network import load_graph, save_graph
from corank.network.graph import capture
from corank.train import accuracy


def network() -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(
            nn.Conv2d(1, 6, 3), nn.ReLU(), nn.Flatten(), nn.Linear(96, 12), nn.ReLU(), nn.Linear(12, 3)
        ).eval()


def batches(classes: int = 3) -> list[tuple[Tensor, Tensor]]:
    chance = torch.Generator().manual_seed(0)
    templates = torch.rand(6, 1, 6, 6, generator=chance)
    y = torch.randint(6, (600,), generator=chance)
    x = 0.7 * templates[y] + 0.3 * torch.rand(600, 1, 6, 6, generator=chance)
    return list(zip(x.split(150), (y % classes).split(150), strict=True))


def test_it_classifies_as_scikit_learns_own_pipeline_does() -> None:
    net, data = network(), batches()
    found = MaxMarginHead(layer="2", dimensions=8, seed=3).fit(net, data)
    x, y = (torch.cat(column) for column in zip(*data, strict=True))
    features = net[:3](x).detach().numpy().astype(np.float64)
    pipeline = make_pipeline(
        StandardScaler(),
        PCA(8, svd_solver="full"),
        SGDClassifier(loss="hinge", alpha=0.01, learning_rate="optimal", random_state=3),
    )
    expected = pipeline.fit(features, y.numpy()).predict(features)
    ours = found.network(x).argmax(1).numpy()
    # directions may point the other way round, from where the stochastic gradients go another path
    assert (ours == expected).mean() > 0.95
    assert found.captured == pytest.approx(pipeline[1].explained_variance_ratio_.sum(), rel=1e-4)
    assert (found.features, found.dimensions, found.samples) == (96, 8, 600)
    assert found.parameters == 8 * 96 + 3 * 8 + 3
    assert found.replaced == 96 * 12 + 12 + 12 * 3 + 3


def test_fewer_samples_than_features_have_their_principal_components() -> None:
    net, (x, y) = network(), tuple(torch.cat(column)[:40] for column in zip(*batches(), strict=True))
    found = MaxMarginHead(layer="2", dimensions=5).fit(net, [(x, y)])
    scaled = StandardScaler().fit_transform(net[:3](x).detach().double().numpy())
    shares = PCA(5, svd_solver="full").fit(scaled).explained_variance_ratio_
    assert found.captured == pytest.approx(shares.sum(), rel=1e-4)


def test_an_embedding_is_transferred_to_finer_labels_and_to_two() -> None:
    net = network()
    finer = MaxMarginHead(layer="2", dimensions=20).fit(net, batches(classes=6))
    assert finer.accuracy > 0.9
    two = MaxMarginHead(layer="2", dimensions=20).fit(net, batches(classes=2))
    assert two.network(batches()[0][0]).shape[1] == 2
    assert accuracy(two.network, batches(classes=2)) == pytest.approx(two.accuracy)


def test_a_class_that_no_sample_has_is_never_said() -> None:
    data = [(x, torch.where(y == 1, 3, y)) for x, y in batches()]
    found = MaxMarginHead(layer="2", dimensions=10).fit(network(), data)
    assert found.network(data[0][0]).shape[1] == 4
    assert set(found.network(torch.cat([x for x, _ in data])).argmax(1).tolist()) == {0, 2, 3}


def test_a_hybrid_is_attacked_and_saved_as_any_network(tmp_path: Any) -> None:
    found = MaxMarginHead(layer="2", dimensions=6).fit(network(), batches()).network
    x, y = batches()[0]
    examples = FGSM(radius=0.2).attack(found, x, y)
    assert examples.accuracy < examples.accuracy_before
    save_graph(capture(found, x[:2]), tmp_path)
    torch.testing.assert_close(load_graph(tmp_path).eval()(x), found(x))


def test_what_fooled_one_network_is_asked_of_another() -> None:
    chosen = torch.eye(2)
    one, other = nn.Linear(2, 2, bias=False).eval(), nn.Linear(2, 2, bias=False).eval()
    one.weight.data.copy_(chosen)
    other.weight.data.copy_(chosen.flip(0))
    x, y = torch.tensor([[0.6, 0.5], [0.5, 0.6], [1.0, 0.0]]), torch.tensor([0, 1, 0])
    found = FGSM(radius=0.1).attack(one, x, y)
    assert found.succeeded.tolist() == [True, True, False]
    assert accuracy_where_fooled(one, found) == 0.0
    assert accuracy_where_fooled(other, found) == 1.0
    assert accuracy_where_fooled(one, FGSM(radius=1e-6).attack(one, x, y)) is None


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"dimensions": 0}, "dimensions must be at least 1, got 0"),
        ({"samples": 1}, "samples must be at least 2, got 1"),
        ({"alpha": 0.0}, "alpha must be positive and finite, got 0.0"),
    ],
)
def test_an_option_out_of_range_is_refused(options: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        MaxMarginHead(**{"layer": "2", **options})


def test_one_class_or_no_such_layer_is_refused() -> None:
    with pytest.raises(InputError, match="samples of two classes, all 600 have the same label"):
        MaxMarginHead(layer="2").fit(network(), [(x, torch.zeros_like(y)) for x, y in batches()])
    with pytest.raises(InputError, match="'nothing'"):
        MaxMarginHead(layer="nothing").fit(network(), batches())


def test_a_hybrid_has_the_type_of_its_network() -> None:
    data = [(x.double(), y) for x, y in batches()]
    found = MaxMarginHead(layer="2", dimensions=8).fit(network().double(), data)
    assert found.network(data[0][0]).dtype == torch.float64


def test_a_network_of_several_inputs_is_refused() -> None:
    with pytest.raises(InputError, match="got a tuple"):
        MaxMarginHead(layer="2").fit(network(), [((x, x), y) for x, y in batches()])  # type: ignore[misc]
