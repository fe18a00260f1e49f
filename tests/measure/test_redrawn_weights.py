"""Kurtosis over redraws: closed forms, drawn weights, and masks with and without a Gaussian process."""

import numpy as np
import pytest

from sparsight.errors import InputError
from sparsight.measure import bernoulli_mask_kurtosis, gp_kurtosis, mask_kurtosis
from sparsight.network._random_matrices import low_rank_matrix, orthogonal_matrix


def kurtosis(values):
    return float((values**4).mean() / (values**2).mean() ** 2 - 3)


def test_mask_kurtosis_is_that_of_drawn_weights_and_of_its_closed_form():
    h = np.random.default_rng(0).normal(size=(1, 64))
    assert bernoulli_mask_kurtosis(0.1, h) == pytest.approx(1.086, abs=5e-4)
    stream = np.random.default_rng(1)
    mask = stream.random((400_000, 64)) < 0.1
    found = mask_kurtosis(mask, h)
    assert found == pytest.approx(1.086, abs=0.02)
    drawn = np.concatenate(
        [(stream.normal(size=part.shape) * part) @ h[0] for part in np.array_split(mask, 20)]
    )
    # Standard error of a kurtosis of 400 000 draws with tails of this size: about 0.015.
    assert kurtosis(drawn) == pytest.approx(found, abs=0.06)


def test_equal_fan_in_on_signs_is_gaussian():
    stream = np.random.default_rng(2)
    mask = stream.permuted(np.broadcast_to(np.arange(30) < 5, (50, 30)), axis=1)
    signs = stream.choice([-1.0, 1.0], (4, 30))
    assert mask_kurtosis(mask, signs) == pytest.approx(0, abs=1e-12)
    assert mask_kurtosis(mask, stream.normal(size=(4, 30))) > 0.1
    assert np.isnan(mask_kurtosis(np.zeros((5, 30), bool), signs))


def test_redraws_without_drawing_weights_are_those_with_drawn_weights():
    stream = np.random.default_rng(3)
    masks = [stream.random((8, 6)) < 0.5, stream.random((1, 8)) < 0.8]
    x, draws = stream.normal(size=(1, 6)), 200_000
    first = stream.normal(size=(draws, 8, 6)) * masks[0] * 0.7
    hidden = np.maximum(first @ x[0] + stream.normal(0, 0.3, (draws, 8)), 0)
    outputs = (hidden * masks[1] * stream.normal(size=(draws, 8))).sum(axis=1)
    found = gp_kurtosis(masks, x, weight_variances=[0.49, 1.0], bias_variances=[0.09, 0.0], num_draws=draws)
    assert found > 0.5
    assert found == pytest.approx(kurtosis(outputs), abs=0.12)


@pytest.mark.parametrize("activation", ["relu", "tanh", "erf"])
def test_independent_weights_become_gaussian_with_width(activation):
    inputs = np.random.default_rng(4).normal(size=(2, 20))
    found = []
    for width in (3, 30, 300):
        masks = [np.ones(shape, bool) for shape in ((width, 20), (width, width), (10, width))]
        found.append(gp_kurtosis(masks, inputs, activation=activation, num_draws=1000))
    assert found[0] > found[1] > found[2]
    assert abs(found[2]) < 0.25


def permuted_blocks(stream, width, num_blocks):
    mask = np.kron(np.eye(num_blocks, dtype=bool), np.ones((width // num_blocks,) * 2, bool))
    return mask[stream.permutation(width)][:, stream.permutation(width)]


def test_permuted_blocks_become_gaussian_with_width_and_a_hub_never_does():
    stream, inputs = np.random.default_rng(5), np.random.default_rng(6).normal(size=(2, 20))
    blocks, hubs = [], []
    for width in (8, 40, 400):
        first = np.ones((width, 20), bool)
        middle = permuted_blocks(stream, width, 4)
        blocks.append(gp_kurtosis([first, middle, np.ones((5, width), bool)], inputs, num_draws=2000))
        hub = np.zeros((width, width), bool)
        hub[:, 0] = True  # every unit of layer 2 reads one unit
        draws = 20_000 if width == 400 else 100
        hubs.append(gp_kurtosis([first, hub, np.ones((5, width), bool)], inputs, num_draws=draws))
    assert blocks[0] > blocks[1] > blocks[2]
    assert abs(blocks[2]) < 0.25
    # 3 Var(g²) / E(g²)² = 15 for g = relu of a Gaussian, at infinite width.
    assert hubs[-1] == pytest.approx(15, rel=0.1)


@pytest.mark.parametrize("kind", ["orthogonal", "low rank"])
def test_orthogonal_and_low_rank_weights_become_gaussian_with_width(kind):
    """The first layer is independent, as the theorem asks; outputs of 600 networks each."""
    stream, x = np.random.default_rng(7), np.random.default_rng(8).normal(size=10)
    found = []
    for width in (4, 64):
        outputs = []
        for _ in range(600):
            hidden = np.maximum(stream.normal(size=(width, 10)) @ x, 0)
            if kind == "orthogonal":
                middle = np.sqrt(width) * orthogonal_matrix(stream, width, width)
            else:
                middle = low_rank_matrix(stream, width, width, width // 2)
            hidden = np.maximum(middle @ hidden / np.sqrt(width), 0)
            outputs.append(stream.normal(size=(8, width)) @ hidden / np.sqrt(width))
        found.append(np.mean([kurtosis(each) for each in np.array(outputs).T]))
    assert found[0] > 1
    assert found[1] < 0.4 * found[0]
    assert abs(found[1]) < 0.7


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"masks": []}, "masks are empty"),
        ({"masks": [np.ones((4, 3), bool), np.ones((2, 5), bool)]}, r"masks\[1\].*4 columns"),
        ({"masks": [np.ones((4, 3))]}, r"masks\[0\]"),
        ({"activation": "gelu"}, "activation is 'gelu'"),
        ({"num_draws": 1}, "num_draws is 1"),
        ({"weight_variances": [-1.0]}, "weight_variances"),
        ({"bias_variances": [0.0, 0.0]}, "bias_variances"),
    ],
)
def test_wrong_arguments_are_named(change, words):
    with pytest.raises(InputError, match=words):
        gp_kurtosis(**({"masks": [np.ones((4, 3), bool)], "inputs": np.ones((2, 3))} | change))


def test_densities_are_checked():
    for density in (0.0, 1.1, -1.0):
        with pytest.raises(InputError, match="density is"):
            bernoulli_mask_kurtosis(density, np.ones((1, 3)))
