"""Exact cavity effects on a chain: enumeration of all fields, closed limits, and samples."""

import itertools

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings, strategies as st

from sparsight import cavity, exact_cavity_of_chain, ising_chain
from sparsight.data.fields._spins import ising_sampler
from sparsight.errors import InputError
from sparsight.measure import MarkovChain

MAPS = ("delta_kurtosis", "delta_abs_kurtosis", "delta_skewness", "delta_negentropy", "variance_ratio")


def enumerated(weight, chain):
    """Every field with its probability, as weights of a sample that `cavity`'s definition is applied to."""
    num_pixels = weight.shape[1]
    states = np.array(list(itertools.product(range(len(chain.values)), repeat=num_pixels)))
    probability = chain.transitions[states[:, :-1], states[:, 1:]].prod(axis=1)
    if chain.wraps:
        probability *= chain.transitions[states[:, -1], states[:, 0]]
    elif chain.initial is not None:
        probability *= chain.initial[states[:, 0]]
    probability /= probability.sum()
    fields = chain.values[states]

    def statistics(row):
        values = fields @ row
        values = values - probability @ values
        variance = probability @ values**2
        return (
            variance,
            probability @ values**3 / variance**1.5,
            probability @ values**4 / variance**2 - 3,
        )

    found = {name: np.zeros(weight.shape) for name in MAPS}
    whole = np.array([statistics(row) for row in weight])
    for unit, pixel in np.ndindex(*weight.shape):
        lone = weight[unit].copy()
        lone[pixel] = 0
        (v, s, k), (v0, s0, k0) = whole[unit], statistics(lone)
        values = (k - k0, abs(k) - abs(k0), s - s0, (s**2 - s0**2) / 12 + (k**2 - k0**2) / 48, v0 / v)
        for name, value in zip(MAPS, values, strict=True):
            found[name][unit, pixel] = value
    return whole, found


@given(
    num_pixels=st.integers(3, 7),
    num_states=st.integers(2, 3),
    wraps=st.booleans(),
    has_initial=st.booleans(),
    seed=st.integers(0, 1000),
)
@settings(max_examples=40)
def test_every_value_equals_enumeration(num_pixels, num_states, wraps, has_initial, seed):
    rng = np.random.default_rng(seed)
    initial = rng.random(num_states) + 0.05 if has_initial and not wraps else None
    transitions = rng.random((num_states, num_states)) + 0.02
    chain = MarkovChain(3 + rng.normal(size=num_states), transitions, initial, wraps)
    weight = rng.normal(size=(2, num_pixels))
    weight[0, 1] = 0
    exact = exact_cavity_of_chain(weight, chain)
    whole, found = enumerated(weight, chain)
    np.testing.assert_allclose(exact.skewness, whole[:, 1], rtol=1e-9, atol=1e-10)
    np.testing.assert_allclose(exact.excess_kurtosis, whole[:, 2], rtol=1e-9, atol=1e-10)
    for name in MAPS:
        np.testing.assert_allclose(getattr(exact, name), found[name], rtol=1e-8, atol=1e-9, err_msg=name)
    assert exact.delta_kurtosis[0, 1] == 0
    assert exact.variance_ratio[0, 1] == 1


@pytest.mark.parametrize("wraps", [True, False])
@pytest.mark.parametrize("temperature", [1.0, 1.5, 20.0])
def test_spins_equal_enumeration_to_twelve_digits(wraps, temperature):
    weight = np.random.default_rng(0).normal(size=(1, 12))
    chain = ising_chain(temperature, wraps=wraps)
    exact = exact_cavity_of_chain(weight, chain)
    whole, found = enumerated(weight, chain)
    np.testing.assert_allclose(exact.excess_kurtosis, whole[:, 2], rtol=0, atol=1e-12)
    np.testing.assert_allclose(exact.delta_kurtosis, found["delta_kurtosis"], rtol=0, atol=1e-11)


def test_independent_spins_have_the_kurtosis_of_a_sum():
    weight = np.random.default_rng(1).normal(size=(3, 40))
    exact = exact_cavity_of_chain(weight, ising_chain(1e9))
    expected = -2 * (weight**4).sum(axis=1) / (weight**2).sum(axis=1) ** 2
    np.testing.assert_allclose(exact.excess_kurtosis, expected, rtol=1e-6)


def test_frozen_spins_are_all_up_or_all_down():
    weight = np.random.default_rng(2).normal(size=(3, 200)) + 1
    exact = exact_cavity_of_chain(weight, ising_chain(0.02))
    np.testing.assert_allclose(exact.excess_kurtosis, -2, atol=1e-9)
    np.testing.assert_allclose(exact.delta_kurtosis, 0, atol=1e-9)


def test_long_chains_neither_overflow_nor_depend_on_where_the_ring_begins():
    weight = np.random.default_rng(3).normal(size=(1, 3000))
    chain = ising_chain(0.7)
    exact = exact_cavity_of_chain(weight, chain)
    moved = exact_cavity_of_chain(np.roll(weight, 777, axis=1), chain)
    np.testing.assert_allclose(moved.excess_kurtosis, exact.excess_kurtosis, rtol=1e-8)
    np.testing.assert_allclose(
        np.roll(moved.delta_kurtosis, -777), exact.delta_kurtosis, rtol=1e-6, atol=1e-12
    )


def test_the_sampler_has_this_kurtosis():
    weight = np.random.default_rng(4).normal(size=(1, 32))
    exact = exact_cavity_of_chain(weight, ising_chain(1.5)).excess_kurtosis[0]
    sampler = ising_sampler((32,), 1.5)
    found = [
        scipy.stats.kurtosis(sampler(np.random.default_rng(seed), 2000) @ weight[0]) for seed in range(50)
    ]
    assert abs(np.mean(found) - exact) < 4 * np.std(found, ddof=1) / np.sqrt(50)


def test_the_sampled_cavity_is_unbiased_for_every_weight():
    weight = np.random.default_rng(5).normal(size=(2, 16))
    exact = exact_cavity_of_chain(weight, ising_chain(2.0)).delta_kurtosis
    sampler = ising_sampler((16,), 2.0)
    found = np.array(
        [
            cavity(weight, sampler(np.random.default_rng(seed), 10_000), dtype="float64").delta_kurtosis
            for seed in range(30)
        ]
    )
    error = found.std(axis=0, ddof=1) / np.sqrt(30)
    assert (np.abs(found.mean(axis=0) - exact) < 4.5 * error).all()


def test_weights_of_one_pixel_have_no_unit_without_it():
    weight = np.zeros((2, 6))
    weight[0, 2] = 1.0
    exact = exact_cavity_of_chain(weight, ising_chain(1.0))
    assert np.isnan(exact.delta_kurtosis[0, 2])
    assert exact.excess_kurtosis[0] == pytest.approx(-2)
    assert np.isnan(exact.excess_kurtosis[1])
    assert exact.num_undefined == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (([1.0, 2.0], [[1.0]]), r"\(states, states\) are needed"),
        (([1.0, np.nan], [[1.0, 1.0], [1.0, 1.0]]), "finite"),
        (([1.0, 2.0], [[1.0, -1.0], [1.0, 1.0]]), "at least 0"),
        (([1.0, 2.0], [[1.0, 1.0], [1.0, 1.0]], [1.0, 1.0], True), "open chain"),
        (([1.0, 2.0], [[1.0, 1.0], [1.0, 1.0]], [1.0]), "one number a state"),
    ],
)
def test_what_is_no_chain_is_refused(arguments, words):
    arrays = [np.array(each) if isinstance(each, list) else each for each in arguments]
    with pytest.raises(InputError, match=words):
        MarkovChain(*arrays)


def test_a_chain_without_fields_and_wrong_weights_are_refused():
    stuck = MarkovChain(np.array([0.0, 1.0]), np.array([[0.0, 1.0], [0.0, 0.0]]))
    with pytest.raises(InputError, match="no field has a probability"):
        exact_cavity_of_chain(np.ones((1, 5)), stuck)
    with pytest.raises(InputError, match="not finite"):
        exact_cavity_of_chain(np.full((1, 5), np.nan), ising_chain(1.0))
    with pytest.raises(InputError, match="temperature is 0"):
        ising_chain(0.0)
