import numpy as np
import pytest
import torch
from hypothesis import given, strategies as st
from scipy.stats import kurtosis, skew

from sparsight.errors import InputError
from sparsight.measure import cavity, each_class_then_all

DATA = {
    "gaussian": lambda stream, shape: stream.normal(size=shape),
    "heavy-tailed": lambda stream, shape: stream.standard_t(5, size=shape),
    "discrete": lambda stream, shape: stream.integers(-1, 2, size=shape).astype(float),
}


def example(kind="gaussian", num_samples=300, num_inputs=12, num_units=5, density=0.7, seed=0):
    stream = np.random.default_rng(seed)
    inputs = DATA[kind](stream, (num_samples, num_inputs)) + stream.normal(size=num_inputs)
    weight = stream.normal(size=(num_units, num_inputs)) * (stream.random((num_units, num_inputs)) < density)
    return weight, inputs


def brute_force(weight, inputs):
    """Each weight set to 0 in turn, with scipy's moments: (Δκ, Δ|κ|, Δskewness, Δnegentropy)."""
    deltas = np.zeros((4, *weight.shape))
    for unit, row in enumerate(weight):
        for i in np.flatnonzero(row):
            without = row.copy()
            without[i] = 0
            k, k0 = kurtosis(inputs @ row), kurtosis(inputs @ without)
            s, s0 = skew(inputs @ row), skew(inputs @ without)
            deltas[:, unit, i] = k - k0, abs(k) - abs(k0), s - s0, (s**2 - s0**2) / 12 + (k**2 - k0**2) / 48
    return deltas


def stacked(found):
    return np.stack(
        [found.delta_kurtosis, found.delta_abs_kurtosis, found.delta_skewness, found.delta_negentropy]
    )


@pytest.mark.parametrize("kind", DATA)
@pytest.mark.parametrize("density", [1.0, 0.3])
def test_cavity_equals_setting_each_weight_to_zero(kind, density):
    weight, inputs = example(kind, density=density)
    found = cavity(weight, inputs, dtype="float64")
    expected = brute_force(weight, inputs)
    np.testing.assert_allclose(stacked(found), expected, rtol=0, atol=1e-9)
    assert found.num_undefined == np.isnan(expected[0]).sum()
    np.testing.assert_allclose(found.excess_kurtosis, kurtosis(inputs @ weight.T), atol=1e-9)
    np.testing.assert_allclose(found.skewness, skew(inputs @ weight.T), atol=1e-9)


def test_float32_is_exact_enough_on_colour_patches():
    """At most 1e-3 of the median |Δκ| away, on 32 × 32 × 3 inputs, densities 1 and 0.02."""
    stream = np.random.default_rng(0)
    inputs = stream.laplace(size=(1000, 3072)).astype(np.float32) + 1
    for density in (1.0, 0.02):
        mask = stream.random((16, 3072)) < density
        weight = (stream.normal(size=(16, 3072)) / 50 * mask).astype(np.float32)
        single, double = cavity(weight, inputs), cavity(weight, inputs, dtype="float64")
        median = np.median(np.abs(double.delta_kurtosis[mask]))
        assert np.abs(single.delta_kurtosis - double.delta_kurtosis).max() < 1e-3 * median


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_listing_the_pairs_of_a_sparse_layer_changes_nothing(dtype):
    """Below 8 % density pairs are listed; beside a dense unit all are computed."""
    stream = np.random.default_rng(3)
    inputs = stream.laplace(size=(2500, 200)) + stream.normal(size=200)  # more than a block of samples
    # of like size: where one weight carries its unit, rounding grows as the square of what the others leave
    weight = stream.choice([-1, 1], (12, 200)) * stream.uniform(0.5, 1.5, (12, 200))
    weight *= stream.random((12, 200)) < 0.04
    weight[5] = 0
    beside_dense_units = np.concatenate([weight, stream.normal(size=(3, 200))])
    listed, full = cavity(weight, inputs, dtype=dtype), cavity(beside_dense_units, inputs, dtype=dtype)
    bound = 1e-9 if dtype == "float64" else 1e-4
    np.testing.assert_allclose(stacked(listed), stacked(full)[:, :12], rtol=0, atol=bound)
    np.testing.assert_allclose(listed.excess_kurtosis, full.excess_kurtosis[:12], rtol=0, atol=bound)
    assert not listed.delta_kurtosis[weight == 0].any()
    np.testing.assert_allclose(stacked(listed), brute_force(weight, inputs), rtol=0, atol=bound)


def test_a_unit_that_one_weight_carries_is_resolved_in_float32():
    """Without the weight 1e-4 of the variance is left: float32 moments know nothing of it."""
    stream = np.random.default_rng(0)
    inputs = stream.laplace(size=(1000, 5))
    weight = stream.normal(size=(4, 5))
    weight[1, 2] = 200
    expected = brute_force(weight, inputs)
    found = cavity(weight, inputs)
    np.testing.assert_allclose(stacked(found)[:, 1], expected[:, 1], rtol=0, atol=1e-4)
    # the other units stay in float32, whose bound is 1e-3; how near it they come depends on the processor
    np.testing.assert_allclose(stacked(found), expected, rtol=0, atol=1e-3)
    assert found.num_undefined == 0
    read_once = cavity(weight, (batch for batch in np.array_split(inputs, 3)))
    assert np.argwhere(np.isnan(read_once.delta_kurtosis)).tolist() == [[1, 2]]
    assert read_once.num_undefined == 1


def test_mask_equals_weights_of_zero():
    weight, inputs = example()
    mask = np.random.default_rng(1).random(weight.shape) < 0.5
    a, b = cavity(weight, inputs, mask=mask), cavity(np.where(mask, weight, 0), inputs)
    np.testing.assert_array_equal(stacked(a), stacked(b))
    assert not a.delta_kurtosis[~mask].any()


@pytest.mark.parametrize("size", [7, 100, 2999, 3000])
@pytest.mark.parametrize(("dtype", "bound"), [("float64", 1e-10), ("float32", 1e-4)])
def test_batches_of_any_size_give_the_same(size, dtype, bound):
    weight, inputs = example("heavy-tailed", num_samples=3000, density=1.0)
    batches = [torch.from_numpy(inputs[start : start + size]) for start in range(0, 3000, size)]
    whole = stacked(cavity(weight, inputs, dtype=dtype))
    parts = stacked(cavity(weight, batches, dtype=dtype))
    assert np.abs(parts - whole).max() <= bound * max(1, np.abs(whole).max())


@pytest.mark.parametrize("kind", [np.uint8, np.int64, np.float16, np.float32, bool])
def test_inputs_of_any_type_are_taken_as_numbers(kind):
    stream = np.random.default_rng(0)
    inputs = stream.integers(0, 2 if kind is bool else 200, size=(300, 8)).astype(kind)
    inputs.flags.writeable = False  # as a memory map
    weight = stream.normal(size=(3, 8))
    np.testing.assert_array_equal(
        stacked(cavity(weight, inputs, dtype="float64")),
        stacked(cavity(torch.from_numpy(weight), torch.from_numpy(inputs.astype(float)), dtype="float64")),
    )


def test_each_class_is_measured_alone_and_all_together():
    weight, inputs = example("heavy-tailed", num_samples=400)
    labels = np.random.default_rng(0).choice([0, 1, 3], size=400)
    inputs = inputs * (1 + labels[:, None]) + 50 * labels[:, None]
    by_class = dict(each_class_then_all(weight, inputs, labels, num_classes=5, dtype="float64"))
    assert list(by_class) == [0, 1, 2, 3, 4, None]
    for label in (0, 1, 3):
        np.testing.assert_allclose(
            stacked(by_class[label]), brute_force(weight, inputs[labels == label]), rtol=0, atol=1e-9
        )
    least = int((labels == 0).sum()) + 1  # too many for class 0, whose samples still count with all
    each = list(
        each_class_then_all(weight, inputs, torch.from_numpy(labels), dtype="float64", min_samples=least)
    )
    assert [(label, found is None) for label, found in each[:3]] == [
        (label, (labels == label).sum() < least) for label in range(3)
    ]
    last, pooled = each[-1]
    assert last is None
    np.testing.assert_allclose(stacked(pooled), brute_force(weight, inputs), rtol=0, atol=1e-9)


@pytest.mark.parametrize("num_samples", [0, 1])
def test_a_class_of_one_sample_or_none_has_no_effects(num_samples):
    weight, inputs = example(num_samples=50)
    labels = np.zeros(50, dtype=np.int64)
    labels[:num_samples] = 1
    assert dict(each_class_then_all(weight, inputs, labels, num_classes=2))[1] is None


def test_large_means_do_not_cancel():
    weight, inputs = example(num_samples=2000)
    centred = cavity(weight, inputs - inputs.mean(axis=0), dtype="float64").delta_kurtosis
    for dtype, offset, bound in (("float64", 1e3, 1e-9), ("float32", 1e3, 1e-3)):
        found = cavity(weight, inputs - inputs.mean(axis=0) + offset, dtype=dtype).delta_kurtosis
        assert np.abs(found - centred).max() < bound * np.abs(centred).max()


@given(st.integers(0, 10**6), st.floats(-5, 5), st.sampled_from([1e-3, 0.5, 7.0, 1e4]))
def test_shift_and_scale_of_the_inputs_change_nothing(seed, shift, scale):
    weight, inputs = example(seed=seed, num_samples=50)
    a = cavity(weight, inputs, dtype="float64")
    b = cavity(weight, scale * inputs + shift, dtype="float64")
    np.testing.assert_allclose(stacked(a), stacked(b), atol=1e-7)


@given(st.integers(0, 10**6))
def test_order_of_units_inputs_and_samples_changes_nothing(seed):
    weight, inputs = example(seed=seed, num_samples=40)
    stream = np.random.default_rng(seed)
    units, columns, rows = (stream.permutation(n) for n in (5, 12, 40))
    a = stacked(cavity(weight, inputs, dtype="float64"))
    b = stacked(cavity(weight[units][:, columns], inputs[rows][:, columns], dtype="float64"))
    np.testing.assert_allclose(a[:, units][:, :, columns], b, atol=1e-9)


def test_sign_says_who_makes_the_unit_kurtotic():
    """One heavy-tailed input among Gaussian ones raises κ; a two-valued one lowers it."""
    stream = np.random.default_rng(0)
    inputs = stream.normal(size=(20000, 3))
    inputs[:, 0] = stream.laplace(size=20000)
    inputs[:, 1] = stream.choice([-1.0, 1.0], size=20000)
    found = cavity(np.ones((1, 3)), inputs).delta_kurtosis[0]
    assert found[0] > 0.1 > -0.1 > found[1]


def test_sub_gaussian_units_have_opposite_signs_of_the_two_effects():
    inputs = np.random.default_rng(0).choice([-1.0, 1.0], size=(5000, 4))
    found = cavity(np.array([[3.0, 1, 1, 1]]), inputs)
    assert found.excess_kurtosis[0] < 0
    assert found.delta_kurtosis[0, 0] < 0 < found.delta_abs_kurtosis[0, 0]


def test_degenerate_layers():
    inputs = np.random.default_rng(0).normal(size=(100, 4))
    inputs[:, 3] = 2.5
    weight = np.array([[0, 0, 0, 0], [1, 0, 0, 0], [1, 1, 0, 5], [0, 0, 0, 1.0]])
    found = cavity(weight, inputs)
    assert np.isnan(found.excess_kurtosis).tolist() == [True, False, False, True]
    assert found.delta_kurtosis[0].tolist() == [0, 0, 0, 0]  # a dead unit: nothing to remove
    assert np.isnan(found.delta_kurtosis[1, 0])  # one live input: nothing is left without it
    assert np.isnan(found.delta_kurtosis[3, 3])  # a unit of constants has no kurtosis to change
    assert found.delta_kurtosis[2, 3] == 0  # a constant input changes no shape
    assert found.num_undefined == np.isnan(found.delta_kurtosis).sum() == 2
    assert np.isfinite(stacked(found)[:, 2]).all()


def test_two_equal_samples_have_no_variance():
    found = cavity(np.ones((1, 3)), np.ones((2, 3)))
    assert np.isnan(found.excess_kurtosis).all()


@pytest.mark.parametrize(
    ("weight", "inputs", "message"),
    [
        (np.ones((2, 3)), np.ones((5, 4)), r"inputs has shape \(5, 4\), but weight has 3"),
        (np.ones(3), np.ones((5, 3)), r"\(out, in\) is needed"),
        (np.ones((2, 3)), np.ones((1, 3)), "at least 2"),
        (np.full((2, 3), np.nan), np.ones((5, 3)), "weight holds NaN"),
        (np.ones((2, 3)), np.full((5, 3), np.inf), "inputs hold NaN or infinite"),
    ],
)
def test_what_does_not_fit_is_refused(weight, inputs, message):
    with pytest.raises(InputError, match=message):
        cavity(weight, inputs)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"dtype": "float16"}, "dtype is 'float16'; choose 'float32'"),
        ({"mask": np.ones((2, 3))}, "mask is float64 of shape"),
        ({"mask": np.ones((3, 2), bool)}, "mask has shape"),
        ({"inputs": np.ones((0, 3))}, "no sample"),
        ({"inputs": []}, "no sample"),
        ({"inputs": iter([[1.0, 2.0, 3.0]])}, "found list; give an array"),
    ],
)
def test_other_arguments_that_do_not_fit_are_refused(changes, message):
    with pytest.raises(InputError, match=message):
        cavity(**({"weight": np.ones((2, 3)), "inputs": np.eye(3)} | changes))


@pytest.mark.parametrize(
    ("labels", "num_classes", "message"),
    [
        (np.zeros(4, int), None, r"labels has shape \(4,\), but inputs has 5"),
        (np.zeros(5), None, "labels is float64"),
        (np.array([0, 0, 0, 0, -1]), None, "labels range from -1 to 0"),
        (np.array([0, 0, 0, 0, 3]), 3, "labels range from 0 to 3.* num_classes is 3"),
    ],
)
def test_labels_that_do_not_fit_are_refused(labels, num_classes, message):
    with pytest.raises(InputError, match=message):
        list(each_class_then_all(np.ones((2, 3)), np.ones((5, 3)), labels, num_classes=num_classes))
    with pytest.raises(InputError, match="n at least 2"):
        list(each_class_then_all(np.ones((2, 3)), np.ones((1, 3)), np.zeros(1, int)))
