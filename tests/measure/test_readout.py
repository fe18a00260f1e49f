import numpy as np
import pytest
from hypothesis import given, strategies as st
from scipy import optimize, stats

from sparsight.errors import InputError
from sparsight.measure import coding_level, dimensionality, lifetime_sparseness, ridge_readout, winners


def _classes(number=60, num_features=7, num_classes=3, seed=0):
    stream = np.random.default_rng(seed)
    labels = stream.integers(0, num_classes, number)
    features = stream.normal(size=(number, num_features)) * stream.uniform(0.2, 3, num_features) + 2
    features[:, 0] += labels
    return features, labels


def _one_hot(labels, num_classes):
    return np.eye(num_classes)[labels]


@pytest.mark.parametrize(("number", "num_features"), [(60, 7), (20, 45)])
def test_solves_the_normal_equations_and_is_the_minimum_of_the_loss(number, num_features):
    features, labels = _classes(number, num_features)
    found = ridge_readout(features, labels, 3, penalties=[0.3])
    centred, targets = features - features.mean(0), _one_hot(labels, 3)
    strength = 0.3 * number * features.var(axis=0).mean()
    normal = np.linalg.solve(centred.T @ centred + strength * np.eye(num_features), centred.T @ targets).T
    np.testing.assert_allclose(found.weight, normal, atol=1e-10)
    np.testing.assert_allclose(found.bias, targets.mean(0) - normal @ features.mean(0), atol=1e-10)

    def loss(parameters):
        weight, bias = parameters[:-3].reshape(3, -1), parameters[-3:]
        return np.square(targets - features @ weight.T - bias).sum() + strength * np.square(weight).sum()

    here = np.concatenate([found.weight.ravel(), found.bias])
    best = optimize.minimize(loss, 0 * here, method="BFGS", options={"gtol": 1e-6, "maxiter": 2000})
    assert loss(here) <= best.fun + 1e-9
    assert loss(here) == pytest.approx(best.fun, rel=1e-6)


def test_the_error_of_samples_left_out_is_that_of_fits_without_them():
    features, labels = _classes(25, 6)
    for penalty in (0.01, 1.0):
        found = ridge_readout(features, labels, 3, penalties=[penalty])
        targets, strength = _one_hot(labels, 3), penalty * 25 * features.var(axis=0).mean()
        errors = []
        for each in range(25):
            rest = np.delete(np.arange(25), each)
            means = features[rest].mean(0)
            centred = features[rest] - means
            weight = np.linalg.solve(centred.T @ centred + strength * np.eye(6), centred.T @ targets[rest])
            errors.append(targets[each] - targets[rest].mean(0) - (features[each] - means) @ weight)
        assert found.left_out_error == pytest.approx(np.mean(np.square(errors)), rel=1e-9)


def test_features_in_float32_have_the_readout_of_float64_even_if_they_hardly_vary():
    features, labels = _classes(number=400)
    features = np.hstack([features, features[:, :3] + 1e-4 * features[:, 3:6]]).astype(np.float32)
    single, double = (ridge_readout(each, labels, 3) for each in (features, features.astype(np.float64)))
    assert single.penalty == double.penalty
    assert single.left_out_error == pytest.approx(double.left_out_error, rel=1e-5)
    np.testing.assert_allclose(single.outputs(features), double.outputs(features), atol=1e-4)


def test_of_several_penalties_it_takes_the_best_and_an_infinite_one_gives_the_majority():
    features, labels = _classes()
    errors = {
        each: ridge_readout(features, labels, 3, penalties=[each]).left_out_error
        for each in (1e-3, 0.1, 30.0)
    }
    assert ridge_readout(features, labels, 3, penalties=list(errors)).penalty == min(errors, key=errors.get)
    labels[: len(labels) // 2] = 1
    found = ridge_readout(features, labels, 3, penalties=[1e12])
    assert set(found.outputs(features).argmax(axis=1)) == {1}
    np.testing.assert_allclose(found.bias, np.bincount(labels, minlength=3) / len(labels), atol=1e-9)


@given(st.integers(0, 1000), st.floats(1e-3, 1e3), st.floats(-10, 10))
def test_a_scale_and_a_shift_of_all_features_change_nothing(seed, scale, shift):
    features, labels = _classes(seed=seed)
    here, there = (ridge_readout(each, labels, 3) for each in (features, scale * features + shift))
    assert here.penalty == there.penalty
    np.testing.assert_allclose(there.outputs(scale * features + shift), here.outputs(features), atol=1e-6)


@pytest.mark.parametrize("num_dead", [1, 7])
def test_dead_features_get_no_weight(num_dead):
    features, labels = _classes()
    features[:, :num_dead] = 5.0
    found = ridge_readout(features, labels, 3, penalties=[1e-4])
    np.testing.assert_allclose(found.weight[:, :num_dead], 0, atol=1e-12)
    assert np.isfinite(found.outputs(features)).all()
    assert np.isfinite(ridge_readout(np.zeros((10, 0)), labels[:10], 3).bias).all()


def test_responses_of_random_units_overlap_as_the_angle_between_inputs_says():
    """P(both above 0) = (π − ϑ)/(2π) for Gaussian units."""
    stream = np.random.default_rng(1)
    for angle in (0.3, 1.2, 2.5):
        inputs = np.array([[1.0, 0.0], [np.cos(angle), np.sin(angle)]])
        active = inputs @ stream.normal(size=(10**5, 2)).T > 0
        expected = (np.pi - angle) / (2 * np.pi)
        error = np.sqrt(expected * (1 - expected) / 10**5)
        assert (active[0] & active[1]).mean() == pytest.approx(expected, abs=3 * error)


def test_coding_level_is_that_of_a_gaussian():
    values = 2 * np.random.default_rng(2).normal(size=(1000, 100))
    for threshold in (0.0, 1.0, 3.0):
        expected = stats.norm.cdf(-threshold / 2)
        error = np.sqrt(expected * (1 - expected) / values.size)
        assert coding_level(values, threshold=threshold) == pytest.approx(expected, abs=4 * error)
    assert np.isnan(coding_level(np.zeros((0, 3))))


@given(st.integers(0, 1000), st.integers(0, 6))
def test_winners_are_as_many_as_wished_repeat_and_do_not_depend_on_growing_functions(seed, number):
    features = np.random.default_rng(seed).integers(-3, 4, (5, 6)).astype(float)  # with ties
    code = winners(features, number)
    assert (code.sum(axis=1) == number).all()
    np.testing.assert_array_equal(winners(code.astype(float), number), code)
    np.testing.assert_array_equal(winners(np.exp(features) + features**3, number), code)
    for row, values in zip(code, features, strict=True):
        assert not row.any() or row.all() or values[row].min() >= values[~row].max()


def test_with_all_units_as_winners_nothing_changes():
    features = np.random.default_rng(3).normal(size=(10, 4))
    np.testing.assert_array_equal(np.where(winners(features, 4), features, 0), features)


def test_dimensionality_of_known_covariances():
    stream = np.random.default_rng(4)
    assert dimensionality(np.outer(stream.normal(size=30), np.ones(5))) == pytest.approx(1)
    basis = np.linalg.qr(stream.normal(size=(30, 6)))[0]
    basis -= basis.mean(axis=0)
    orthonormal = np.linalg.qr(basis)[0]
    assert dimensionality(orthonormal) == pytest.approx(6, rel=1e-6)
    values = stream.normal(size=(40, 60))
    spectrum = np.linalg.eigvalsh(np.cov(values, rowvar=False))
    assert dimensionality(values) == pytest.approx(spectrum.sum() ** 2 / (spectrum**2).sum())
    assert np.isnan(dimensionality(np.ones((5, 3))))


def test_sparseness_of_equal_and_of_single_responses():
    features = np.column_stack([np.full(8, 3.0), np.eye(8)[2] * 5, np.zeros(8)])
    np.testing.assert_allclose(lifetime_sparseness(features), [0, 1, np.nan], atol=1e-12)
    assert np.isnan(lifetime_sparseness(features[:1])).all()


def test_wrong_arguments_are_named():
    features, labels = _classes()
    for call, words in (
        (lambda: ridge_readout(features[:1], labels[:1], 3), "1 samples; two or more"),
        (lambda: ridge_readout(features, labels, 2), "labels run from 0 to 2"),
        (lambda: ridge_readout(features, labels, 3, penalties=[]), "penalties are"),
        (lambda: ridge_readout(features, labels, 3, penalties=[0.0]), "penalties are"),
        (lambda: ridge_readout(features, labels[1:], 3), "labels has shape"),
        (lambda: ridge_readout(features, labels, 1), "num_classes is 1"),
        (lambda: coding_level(features, threshold=np.nan), "threshold is nan"),
        (lambda: winners(features, 8), "num_winners is 8; 0 to 7"),
        (lambda: winners(features, -1), "num_winners is -1"),
    ):
        with pytest.raises(InputError, match=words):
            call()
