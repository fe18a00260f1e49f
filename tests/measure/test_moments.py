import numpy as np
import pytest
import torch
from hypothesis import given, strategies as st

from sparsight.errors import InputError
from sparsight.measure._moments import CROSS_ORDERS, Moments
from sparsight.measure._unit_input_pairs import AllPairs, ListedPairs

NUM_UNITS, NUM_INPUTS = 4, 6
MASK = np.random.default_rng(9).random((NUM_UNITS, NUM_INPUTS)) < 0.5
PAIRS = {"all": AllPairs(NUM_UNITS, NUM_INPUTS), "listed": ListedPairs(torch.from_numpy(MASK))}


def samples(num_samples=500, seed=0, mean=0.0):
    """Pre-activations and inputs that are skewed, correlated, and not linear in each other."""
    stream = np.random.default_rng(seed)
    inputs = stream.standard_exponential((num_samples, NUM_INPUTS)) + mean
    lam = (inputs - mean) ** 2 @ stream.normal(size=(NUM_INPUTS, NUM_UNITS)) / 3 - mean
    return lam, inputs


def by_definition(lam, inputs, pairs):
    """Central moments, written out."""
    x, y = lam - lam.mean(axis=0), inputs - inputs.mean(axis=0)
    cross = {(a, b): np.einsum("nk,ni->ki", x**a, y**b) / len(x) for a, b in CROSS_ORDERS}
    if isinstance(pairs, ListedPairs):
        cross = {order: values[MASK] for order, values in cross.items()}
    unit, inputs = (np.stack([(v**p).mean(axis=0) for p in range(7)]) for v in (x, y))
    return unit, inputs, cross


def accumulated(pairs, lam, inputs, size=10**9, **options):
    moments = Moments(pairs, **options)
    for start in range(0, len(lam), size):
        moments.update(lam[start : start + size], inputs[start : start + size])
    return moments


def central(moments):
    """Central moments as arrays, those of pairs by order."""
    unit, inputs, parts = moments.central()
    cross = {order: np.empty(moments.pairs.shape) for order in CROSS_ORDERS}
    for part, values in parts:
        for order, value in values.items():
            cross[order][part] = value.numpy()
    return unit.numpy(), inputs.numpy(), cross


def distance(moments, expected):
    """Largest difference of two sets of central moments, each relative to the largest of its order."""
    found_unit, found_inputs, found_cross = central(moments)
    unit, inputs, cross = expected
    differences = [
        (np.abs(a - b) / np.abs(b).max())
        for a, b in [
            *zip(found_unit[2:], unit[2:], strict=True),
            *zip(found_inputs[2:], inputs[2:], strict=True),
            *((found_cross[order], cross[order]) for order in CROSS_ORDERS),
        ]
    ]
    return max(difference.max() for difference in differences)


@pytest.mark.parametrize("pairs", PAIRS.values(), ids=PAIRS)
@pytest.mark.parametrize("size", [1, 3, 100, 500])
@pytest.mark.parametrize(("dtype", "bound"), [("float64", 1e-10), ("float32", 1e-5)])
def test_moments_are_those_of_the_definition_for_any_batch_size(pairs, size, dtype, bound):
    lam, inputs = samples()
    moments = accumulated(pairs, lam, inputs, size, dtype=dtype)
    assert moments.num_samples == len(lam)
    assert distance(moments, by_definition(lam, inputs, pairs)) < bound
    unit_mean, input_mean = moments.means()
    np.testing.assert_allclose(unit_mean, lam.mean(axis=0), rtol=1e-6)
    np.testing.assert_allclose(input_mean, inputs.mean(axis=0), rtol=1e-6)
    assert (central(moments)[0][0] == 1).all()


def test_more_samples_than_a_block_are_all_counted():
    lam, inputs = samples(num_samples=5000)
    moments = accumulated(PAIRS["all"], lam, inputs, dtype="float64")
    assert moments.num_samples == 5000
    assert distance(moments, by_definition(lam, inputs, PAIRS["all"])) < 1e-10


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_a_large_mean_costs_no_digits(dtype):
    """Mean 1e3 and sd 1: at most ten times the error of the same samples, centred."""
    inputs = (
        np.round(samples(num_samples=2000, mean=1000.0)[1] * 4096) / 4096
    )  # exact with and without the mean
    lam = inputs[:, :NUM_UNITS] + np.round(inputs[:, 1 : NUM_UNITS + 1]) / 8
    errors = []
    for offset in (0, 1000):
        shifted = accumulated(PAIRS["all"], lam - 1000 + offset, inputs - 1000 + offset, 300, dtype=dtype)
        errors.append(distance(shifted, by_definition(lam, inputs, PAIRS["all"])))
    assert 0 < errors[1] < 10 * errors[0]


@pytest.mark.parametrize("pairs", PAIRS.values(), ids=PAIRS)
@given(
    cuts=st.tuples(st.integers(0, 60), st.integers(0, 60)),
    seed=st.integers(0, 10**6),
    mean=st.sampled_from([0.0, 3.0, -50.0]),
)
def test_merging_is_associative_and_equals_one_pass(pairs, cuts, seed, mean):
    """Parts have pivots of their own; some are empty."""
    lam, inputs = samples(60, seed, mean)
    first, second = sorted(cuts)
    a, b, c = (
        accumulated(pairs, lam[part], inputs[part], dtype="float64")
        for part in (slice(0, first), slice(first, second), slice(second, None))
    )
    expected = by_definition(lam, inputs, pairs)
    for pooled in (merged(a, b, c), merged(a, merged(b, c)), merged(c, a, b)):
        assert pooled.num_samples == 60
        assert distance(pooled, expected) < 1e-9
    assert a.num_samples == first


def merged(first, *others):
    total = Moments(
        first.pairs, dtype=str(first.dtype).removeprefix("torch."), highest_order=first.highest_order
    )
    for part in (first, *others):
        total.merge_(part)
    return total


@pytest.mark.parametrize("pivot", [0.0, 7.0])
def test_pivots_change_rounding_only(pivot):
    lam, inputs = samples()
    given_pivots = accumulated(
        PAIRS["all"],
        lam,
        inputs,
        dtype="float64",
        unit_pivot=torch.full((NUM_UNITS,), pivot),
        input_pivot=torch.full((NUM_INPUTS,), -pivot),
    )
    assert distance(given_pivots, by_definition(lam, inputs, PAIRS["all"])) < 1e-9
    chosen = accumulated(PAIRS["all"], lam + 3, inputs, dtype="float64")
    both = merged(chosen, given_pivots)
    assert both.num_samples == 2 * len(lam)
    np.testing.assert_allclose(central(both)[0][2], lam.var(axis=0) + 1.5**2, rtol=1e-10)


def test_memory_does_not_grow_with_samples():
    moments = accumulated(PAIRS["listed"], *samples(10))
    held = {name: value.numel() for name, value in vars(moments).items() if isinstance(value, torch.Tensor)}
    moments.update(*samples(20_000))
    assert held == {
        name: value.numel() for name, value in vars(moments).items() if isinstance(value, torch.Tensor)
    }
    assert all(values.shape == (MASK.sum(),) for values in central(moments)[2].values())


def test_what_does_not_fit_is_refused():
    pairs, (lam, inputs) = PAIRS["all"], samples(5)
    moments = Moments(pairs)
    with pytest.raises(InputError, match="hold no samples"):
        moments.central()
    with pytest.raises(InputError, match=r"\(n, 4\) and \(n, 6\) are needed"):
        moments.update(inputs, lam)
    with pytest.raises(InputError, match="NaN or infinite"):
        moments.update(lam * np.nan, inputs)
    with pytest.raises(InputError, match="give both or neither"):
        Moments(pairs, unit_pivot=torch.zeros(NUM_UNITS))
    with pytest.raises(InputError, match=r"\(4,\) and \(6,\) are needed"):
        Moments(pairs, unit_pivot=torch.zeros(1), input_pivot=torch.zeros(NUM_INPUTS))
    with pytest.raises(InputError, match="highest_order is 3"):
        Moments(pairs, highest_order=3)
    with pytest.raises(InputError, match="dtype is 'int8'"):
        Moments(pairs, dtype="int8")
    pivots = {"unit_pivot": torch.zeros(NUM_UNITS), "input_pivot": torch.zeros(NUM_INPUTS)}
    with pytest.raises(InputError, match="hold no samples"):
        Moments(pairs, **pivots).central()


@pytest.mark.parametrize(
    "other",
    [
        Moments(PAIRS["listed"]),
        Moments(AllPairs(NUM_UNITS, NUM_INPUTS + 1)),
        Moments(PAIRS["all"], dtype="float64"),
        Moments(PAIRS["all"], highest_order=4),
    ],
)
def test_moments_of_different_things_do_not_merge(other):
    with pytest.raises(InputError, match="cannot be merged"):
        Moments(PAIRS["all"]).merge_(other)


def test_lists_of_other_pairs_do_not_merge():
    with pytest.raises(InputError, match="the same mask"):
        Moments(PAIRS["listed"]).merge_(Moments(ListedPairs(torch.from_numpy(MASK[:, ::-1].copy()))))
