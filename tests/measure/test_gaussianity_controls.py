import numpy as np
import pytest
import torch
from hypothesis import given, strategies as st
from hypothesis.extra.numpy import arrays

from sparsight.errors import InputError
from sparsight.measure import gaussianity, preactivations, random_mask_weight, shuffled_weight, varying_inputs
from sparsight.streams import generator

CONTROLS = [shuffled_weight, random_mask_weight]


def layer(num_units, num_inputs, density, name):
    """Weights that do not repeat, and a random mask; what lies under the mask is not 0."""
    random = generator(0, "layer", name)
    return random.standard_normal((num_units, num_inputs)), random.random((num_units, num_inputs)) < density


def gaussianity_of_draws(control, weight, mask, inputs, *, seed=0, num_draws=1):
    drawn = (control(weight, mask, seed=seed, draw=draw) for draw in range(num_draws))
    return [gaussianity(preactivations(each, inputs)) for each in drawn]


MASKS = arrays(bool, st.tuples(st.integers(1, 5), st.integers(1, 12)))


@pytest.mark.parametrize("control", CONTROLS)
@given(mask=MASKS, seed=st.integers(0, 9), some_constant=st.booleans())
def test_controls_keep_the_weights_and_the_fan_in_of_varying_inputs(control, mask, seed, some_constant):
    weight = 1 + generator(seed, "weight").random(mask.shape)  # never 0
    varying = generator(seed, "varying").random(mask.shape[1]) < 0.7 if some_constant else None
    drawn = control(weight, mask, varying, seed=seed)
    kept = np.where(mask, weight, 0)
    moved = np.ones(mask.shape[1], bool) if varying is None else varying
    np.testing.assert_array_equal(drawn[:, ~moved], kept[:, ~moved])
    np.testing.assert_array_equal(np.sort(drawn[:, moved]), np.sort(kept[:, moved]))
    if control is shuffled_weight:
        np.testing.assert_array_equal(drawn != 0, mask)


@pytest.mark.parametrize("control", CONTROLS)
def test_controls_are_functions_of_seed_and_draw(control):
    weight, mask = layer(6, 40, 0.5, "streams")
    drawn = control(weight, mask, seed=1)
    assert drawn.dtype == weight.dtype
    assert control(weight.astype(np.float32), mask, seed=1).dtype == np.float32
    np.testing.assert_array_equal(drawn, control(torch.as_tensor(weight), torch.as_tensor(mask), seed=1))
    np.testing.assert_array_equal(drawn, control(np.where(mask, weight, np.nan), mask, seed=1))
    for other in ({"seed": 2}, {"seed": 1, "draw": 1}):
        changed = control(weight, mask, **other)
        assert (changed != drawn).any(axis=1).all()
    assert (drawn != np.where(mask, weight, 0)).any(axis=1).all()


@pytest.mark.parametrize("control", CONTROLS)
def test_controls_are_uniform(control):
    num_units = 20_000
    kept = np.array([1.0, 2, 3, 0, 0, 0])
    weight = np.tile(kept, (num_units, 1))
    drawn = control(weight, weight != 0, seed=0)
    places = 3 if control is shuffled_weight else 6
    for value in (1, 2, 3):
        frequency = (drawn == value).mean(axis=0)[:places]
        standard_error = (1 / places * (1 - 1 / places) / num_units) ** 0.5
        assert np.abs(frequency - 1 / places).max() < 4.5 * standard_error
    # no value knows where another is: 1 and 2 lie at (0, 1) as often as at any ordered pair of places
    together = ((drawn[:, 0] == 1) & (drawn[:, 1] == 2)).mean()
    assert together == pytest.approx(1 / (places * (places - 1)), rel=0.15)


def test_random_mask_leaves_weights_on_constant_inputs_in_place():
    weight, mask = layer(50, 20, 0.5, "constant")
    varying = np.arange(20) < 8
    drawn = random_mask_weight(weight, mask, varying, seed=0)
    inputs = np.where(varying, generator(0, "pixels").standard_normal((500, 20)), 0.3)
    np.testing.assert_array_equal(varying_inputs(inputs), varying)
    np.testing.assert_array_equal((drawn != 0)[:, varying].sum(1), mask[:, varying].sum(1))
    everywhere = random_mask_weight(weight, mask, seed=0)
    assert ((everywhere != 0)[:, varying].sum(1) != mask[:, varying].sum(1)).any()


def test_preactivations_equals_the_sum_it_means():
    weight, _ = layer(3, 5, 1, "sum")
    bias, inputs = np.array([1.0, 0, -2]), generator(0, "inputs").standard_normal((7, 5))
    expected = [[sum(w * h for w, h in zip(row, x, strict=True)) for row in weight] for x in inputs]
    np.testing.assert_allclose(preactivations(weight, inputs), expected, rtol=1e-12)
    np.testing.assert_allclose(preactivations(weight, inputs, bias), expected + bias, rtol=1e-12)
    inputs.flags.writeable = False  # as an array read from a file is
    single = preactivations(torch.as_tensor(weight), inputs.astype(np.float32), torch.as_tensor(bias))
    assert single.dtype == np.float32
    np.testing.assert_allclose(single, expected + bias, rtol=1e-5)
    np.testing.assert_array_equal(preactivations(weight, inputs), preactivations(weight, inputs[::-1])[::-1])


def test_on_independent_inputs_every_control_has_the_kurtosis_of_the_weights():
    # κ_λ = κ_x Σw⁴/(Σw²)², and nothing in it depends on which input a weight sits on
    num_samples = 100_000
    weight, mask = layer(12, 10, 0.4, "uniform")
    inputs = generator(0, "uniform").uniform(-1, 1, (num_samples, 10))
    w = np.where(mask, weight, 0)
    expected = -1.2 * (w**4).sum(1) / (w**2).sum(1) ** 2
    shuffled, random_mask = (gaussianity_of_draws(each, weight, mask, inputs, seed=3) for each in CONTROLS)
    for result in (gaussianity(preactivations(w, inputs)), *shuffled, *random_mask):
        np.testing.assert_allclose(result.excess_kurtosis, expected, atol=5 * (24 / num_samples) ** 0.5)


def test_on_gaussian_inputs_own_and_controls_agree():
    num_samples, num_units = 4000, 60
    weight, mask = layer(num_units, 30, 0.3, "gaussian")
    inputs, twin = (generator(0, name).standard_normal((num_samples, 30)) for name in ("data", "twin"))
    shuffled, random_mask = (
        gaussianity_of_draws(each, weight, mask, inputs, num_draws=3) for each in CONTROLS
    )
    own, on_twin = (gaussianity(preactivations(np.where(mask, weight, 0), each)) for each in (inputs, twin))
    for result in (own, on_twin, *shuffled, *random_mask):
        # units share their inputs: allow each the error of a single unit, not of the mean of all
        assert abs(result.excess_kurtosis.mean()) < 2 * (24 / num_samples) ** 0.5
        assert result.negentropy.mean() == pytest.approx(1 / num_samples, rel=0.5)
        assert result.anderson_darling.mean() == pytest.approx(0.385, rel=0.3)


def test_on_inputs_that_share_a_scale_the_control_is_more_gaussian():
    # neighbours in a block of four share a random scale; a unit that reads one block keeps that kurtosis
    random = generator(0, "blocks")
    num_samples, num_blocks = 20_000, 16
    scale = np.exp(0.5 * random.standard_normal((num_samples, num_blocks)))
    inputs = np.repeat(scale, 4, axis=1) * random.standard_normal((num_samples, 4 * num_blocks))
    mask = np.kron(np.eye(num_blocks, dtype=bool), np.ones((1, 4), bool))
    weight = np.ones(mask.shape)
    draws = (gaussianity_of_draws(control, weight, mask, inputs, num_draws=2) for control in CONTROLS)
    shuffled, random_mask = (np.mean([each.excess_kurtosis for each in pair], axis=0) for pair in draws)
    own = gaussianity(preactivations(mask.astype(float), inputs)).excess_kurtosis
    expected = 3 * np.exp(4 * 0.5**2) - 3  # of a log-normal scale times a Gaussian
    assert own.mean() == pytest.approx(expected, rel=0.15)
    assert (own > random_mask + 1).all()
    # shuffling changes nothing here, where all weights are equal
    np.testing.assert_allclose(shuffled, own, rtol=1e-10)


WEIGHT, MASK, INPUTS = np.ones((2, 3)), np.ones((2, 3), bool), np.ones((5, 3))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: shuffled_weight(WEIGHT[0], MASK, seed=0), r"weight is float64 of shape \(3,\)"),
        (lambda: shuffled_weight(WEIGHT.astype(int), MASK, seed=0), "weight is int64"),
        (lambda: shuffled_weight(WEIGHT, MASK[:1], seed=0), r"mask has shape \(1, 3\), but weight has 2"),
        (lambda: random_mask_weight(WEIGHT, WEIGHT, seed=0), "mask is float64 .*; an array of bool"),
        (
            lambda: random_mask_weight(WEIGHT, MASK, MASK[0, :2], seed=0),
            r"varying has shape \(2,\)",
        ),
        (lambda: shuffled_weight(WEIGHT, MASK, WEIGHT[0], seed=0), "varying is float64"),
        (lambda: preactivations(WEIGHT, INPUTS.T), r"inputs has shape \(3, 5\), but weight has 3"),
        (lambda: preactivations(WEIGHT, INPUTS, np.ones(3)), r"bias has shape \(3,\), but weight has 2"),
        (lambda: preactivations(WEIGHT, INPUTS.astype(int)), "inputs is int64 .*; an array of floats"),
    ],
)
def test_controls_name_what_is_wrong(call, message):
    with pytest.raises(InputError, match=message):
        call()
