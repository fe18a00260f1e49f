import warnings
from dataclasses import fields

import numpy as np
import pytest
import torch
from hypothesis import given, strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from sparsight.errors import InputError
from sparsight.measure import Gaussianity, _gaussianity as module, gaussianity
from sparsight.streams import generator

STATISTICS = [field.name for field in fields(Gaussianity) if field.name != "num_samples"]
SHAPES = [name for name in STATISTICS if name not in ("mean", "variance")]

draw = generator(0, "test_gaussianity")
SAMPLES = {
    "gaussian": draw.standard_normal((301, 4)),
    "uniform": draw.uniform(2, 3, (50, 3)),
    "heavy-tailed": draw.standard_t(2, (400, 3)),
    "log-normal": np.exp(2 * draw.standard_normal((200, 2))),
    "binary": draw.integers(0, 2, (60, 3)).astype(float),
    "counts": draw.poisson(0.1, (500, 2)).astype(float),
    "rectified": np.maximum(draw.standard_normal((100, 2)), 0),
    "four samples": draw.standard_normal((4, 5)),
    "one outlier": np.eye(30)[:, :1] * 1e6,
}


def scipy_anderson(values):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # of critical values, which are not used here
        return stats.anderson(values, "norm").statistic


@pytest.mark.parametrize("name", SAMPLES)
@pytest.mark.parametrize("bias", [True, False])
def test_gaussianity_equals_scipy(name, bias):
    samples = SAMPLES[name]
    result = gaussianity(samples, bias=bias)
    skewness, kurtosis = stats.skew(samples, bias=bias), stats.kurtosis(samples, bias=bias)
    assert result.num_samples == len(samples)
    np.testing.assert_allclose(result.mean, samples.mean(0), rtol=1e-12)
    np.testing.assert_allclose(result.variance, samples.var(0, ddof=0 if bias else 1), rtol=1e-12)
    np.testing.assert_allclose(result.skewness, skewness, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(result.excess_kurtosis, kurtosis, rtol=1e-10, atol=1e-11)
    np.testing.assert_allclose(result.abs_excess_kurtosis, np.abs(kurtosis), rtol=1e-10, atol=1e-11)
    np.testing.assert_allclose(result.negentropy, skewness**2 / 12 + kurtosis**2 / 48, rtol=1e-9, atol=1e-12)
    for unit, values in enumerate(samples.T):
        fitted = (values.mean(), values.std(ddof=1))
        ks_distance = stats.kstest(values, "norm", args=fitted).statistic
        assert result.ks_distance[unit] == pytest.approx(ks_distance, rel=1e-10)
        assert result.anderson_darling[unit] == pytest.approx(scipy_anderson(values), rel=1e-9)


def test_gaussianity_takes_tensors_float32_and_integers():
    samples = SAMPLES["counts"] * 3
    expected = gaussianity(samples)
    for given_as in (
        torch.from_numpy(samples).requires_grad_(),
        torch.from_numpy(samples).bfloat16(),
        samples.astype(np.float32),
        samples.astype(np.int64),
    ):
        result = gaussianity(given_as)
        for name in STATISTICS:  # small integers are exact in every dtype
            np.testing.assert_array_equal(getattr(result, name), getattr(expected, name))


@pytest.mark.parametrize("as_labels", [np.asarray, torch.as_tensor])
def test_gaussianity_by_class_equals_each_class_alone(as_labels):
    samples = SAMPLES["heavy-tailed"]
    labels = generator(1, "labels").integers(0, 3, len(samples))
    result = gaussianity(samples, labels=as_labels(labels), num_classes=4)
    np.testing.assert_array_equal(result.num_samples, np.bincount(labels, minlength=4))
    for c in range(3):
        alone = gaussianity(samples[labels == c])
        for name in STATISTICS:
            np.testing.assert_array_equal(getattr(result, name)[c], getattr(alone, name))
    for name in STATISTICS:  # no sample of class 3
        assert np.isnan(getattr(result, name)[3]).all()
    assert result.num_undefined == samples.shape[1]
    assert gaussianity(samples, labels=as_labels(labels)).mean.shape == (3, samples.shape[1])


def test_gaussianity_does_not_depend_on_the_block(monkeypatch):
    samples = SAMPLES["gaussian"]
    whole = gaussianity(samples)
    monkeypatch.setattr(module, "_BLOCK", 2 * len(samples))
    for name in STATISTICS:
        np.testing.assert_allclose(getattr(gaussianity(samples), name), getattr(whole, name), rtol=1e-11)


# Multiples of 1/8 are shifted and scaled by powers of two without rounding.
COARSE = arrays(np.float64, st.tuples(st.integers(4, 30), st.integers(1, 3)), elements=st.integers(-80, 80))


@given(COARSE, st.integers(-1000, 1000), st.integers(-300, 200), st.sampled_from([-1, 1]))
def test_gaussianity_is_invariant_to_shift_and_scale(samples, shift, exponent, sign):
    before = gaussianity(samples / 8)
    after = gaussianity(sign * (samples / 8 + shift) * 2.0**exponent)
    for name in SHAPES:
        factor = sign if name == "skewness" else 1
        np.testing.assert_allclose(
            getattr(after, name), factor * getattr(before, name), rtol=1e-8, atol=1e-9, err_msg=name
        )


@given(COARSE, st.integers(0, 99))
def test_gaussianity_follows_units_and_ignores_the_order_of_samples(samples, seed):
    random = generator(seed, "order")
    rows, units = (random.permutation(size) for size in samples.shape)
    before, after = gaussianity(samples), gaussianity(samples[rows][:, units])
    for name in STATISTICS:
        np.testing.assert_allclose(
            getattr(after, name), getattr(before, name)[units], rtol=1e-9, atol=1e-12, err_msg=name
        )


def test_gaussianity_is_as_accurate_far_from_zero():
    centred = generator(2, "far").standard_normal((1000, 3))
    moved = centred + 1e3
    exact = moved - 1e3  # rounding of the inputs themselves is not ours
    for name in SHAPES:
        np.testing.assert_allclose(
            getattr(gaussianity(moved), name), getattr(gaussianity(exact), name), rtol=1e-10, atol=1e-13
        )


@pytest.mark.parametrize("n", [10, 60])
def test_gaussianity_of_gaussian_samples_has_the_stated_bias(n):
    num_units = 40_000
    samples = generator(n, "bias").standard_normal((n, num_units))
    plain, corrected = gaussianity(samples), gaussianity(samples, bias=False)

    def agrees(values, expected):
        return abs(values.mean() - expected) < 4.5 * values.std() / num_units**0.5

    variance_skewness = 6 * (n - 2) / ((n + 1) * (n + 3))
    mean_kurtosis = -6 / (n + 1)
    variance_kurtosis = 24 * n * (n - 2) * (n - 3) / ((n + 1) ** 2 * (n + 3) * (n + 5))
    assert agrees(plain.skewness**2, variance_skewness)
    assert agrees(plain.excess_kurtosis, mean_kurtosis)
    assert agrees((plain.excess_kurtosis - mean_kurtosis) ** 2, variance_kurtosis)
    assert agrees(plain.negentropy, variance_skewness / 12 + (variance_kurtosis + mean_kurtosis**2) / 48)
    assert agrees(corrected.excess_kurtosis, 0)
    assert not agrees(plain.excess_kurtosis, 0)
    stated = {10: (0.356, 0.58), 60: (0.38, 0.61)}[n]
    assert plain.anderson_darling.mean() == pytest.approx(stated[0], rel=0.02)
    assert plain.ks_distance.mean() * n**0.5 == pytest.approx(stated[1], rel=0.02)


@pytest.mark.parametrize(
    "constant",
    [
        pytest.param(np.zeros(50), id="dead unit"),
        pytest.param(np.full(50, 0.1), id="not a binary fraction"),
        pytest.param(np.full(50, 1e30), id="large"),
        pytest.param(0.7 + np.spacing(0.7) * (np.arange(50) % 3), id="rounding only"),
        pytest.param((0.7 + 1e-7 * (np.arange(50) % 2)).astype(np.float32), id="float32"),
    ],
)
@pytest.mark.parametrize("bias", [True, False])
def test_gaussianity_of_a_constant_unit_is_undefined_and_counted(constant, bias):
    other = generator(3, "other").standard_normal(50).astype(constant.dtype)
    result = gaussianity(np.stack([constant, other], axis=1), bias=bias)
    assert result.num_undefined == 1
    assert result.mean[0] == pytest.approx(constant[0])
    assert result.variance[0] <= (1e-6 * float(min(constant[0], 1e9))) ** 2
    for name in SHAPES:
        values = getattr(result, name)
        assert np.isnan(values[0])
        assert np.isfinite(values[1])


def test_gaussianity_of_few_samples_is_undefined():
    for n in range(4):
        result = gaussianity(np.arange(3.0 * n).reshape(n, 3) ** 2)
        assert result.num_undefined == 3
        assert np.isnan(result.mean).all() == (n == 0)
        assert np.isnan(result.variance).all() == (n < 2)
        for name in SHAPES:
            assert np.isnan(getattr(result, name)).all()


def test_gaussianity_of_a_class_with_one_sample_is_undefined_there_only():
    samples = SAMPLES["gaussian"]
    labels = np.zeros(len(samples), np.int64)
    labels[17] = 1
    result = gaussianity(samples, labels=labels)
    assert result.num_undefined == samples.shape[1]
    assert np.isfinite(result.excess_kurtosis[0]).all()
    np.testing.assert_allclose(result.mean[1], samples[17])
    assert np.isnan(result.variance[1]).all()


def test_gaussianity_of_two_equal_samples_and_of_no_units():
    result = gaussianity(np.ones((2, 3)))
    np.testing.assert_array_equal(result.variance, 0)
    assert result.num_undefined == 3
    assert gaussianity(np.ones((5, 0))).excess_kurtosis.shape == (0,)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"preactivations": np.ones(4)}, r"preactivations is float64 of shape \(4,\); an array of real"),
        ({"preactivations": np.ones((4, 2), complex)}, "preactivations is complex128"),
        ({"preactivations": np.array([[1.0], [np.nan]])}, "preactivations holds NaN or infinite"),
        ({"preactivations": np.ones((4, 2)), "num_classes": 2}, "num_classes is given without labels"),
        ({"preactivations": np.ones((4, 2)), "labels": np.zeros(3, int)}, r"labels has shape \(3,\)"),
        ({"preactivations": np.ones((4, 2)), "labels": np.zeros(4)}, "labels is float64"),
        ({"preactivations": np.ones((0, 2)), "labels": np.zeros(0, int)}, "labels are empty"),
        ({"preactivations": np.ones((2, 2)), "labels": np.array([-1, 3])}, "from -1 to 3; 0 to …"),
        (
            {"preactivations": np.ones((2, 2)), "labels": np.array([0, 3]), "num_classes": 3},
            "labels run from 0 to 3; 0 to 2 is allowed",
        ),
    ],
)
def test_gaussianity_names_what_is_wrong(arguments, message):
    with pytest.raises(InputError, match=message):
        gaussianity(**arguments)
