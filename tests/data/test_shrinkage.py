import numpy as np
import pytest

from sparsight.data import Task, clone_task
from sparsight.data._class_moments import ClassMoments
from sparsight.data._shrinkage import covariance_intensity, fit_shrunk, mean_intensity
from sparsight.geometry import Geometry


def task_of(inputs, labels):
    inputs = np.asarray(inputs, dtype=np.float32)[:, None]
    return Task(
        name="t",
        geometry=Geometry(1, inputs.shape[2:]),
        num_classes=int(labels.max()) + 1,
        train_inputs=inputs,
        train_labels=labels,
        test_inputs=inputs[:50],
        test_labels=labels[:50],
    )


def correlated(stream, num, mixing, mean=0.0):
    return stream.normal(size=(num, len(mixing))) @ mixing + mean


def test_covariance_intensity_is_the_quotient_of_sums_over_pairs():
    """Against Schäfer and Strimmer's sums over every pair of variables and every sample."""
    stream = np.random.default_rng(0)
    samples = stream.exponential(size=(30, 5)) @ stream.normal(size=(5, 5))
    centred = samples - samples.mean(axis=0)
    covariance, target = np.cov(samples.T), 12 * np.eye(5)
    variance = 0.0
    for i in range(5):
        for j in range(5):
            products = centred[:, i] * centred[:, j]
            variance += 30 / 29**3 * ((products - products.mean()) ** 2).sum()
    expected = (1 + 2 * np.sqrt(4 / 30)) * (1 - 0.3) * variance / ((covariance - target) ** 2).sum()
    found = covariance_intensity(
        30,
        5,
        0.3,
        fourth=(np.linalg.norm(centred, axis=1) ** 4).sum(),
        square=(covariance**2).sum(),
        distance=((covariance - target) ** 2).sum(),
    )
    assert 0 < expected < 1
    assert found == pytest.approx(expected, rel=1e-9)


def test_intensities_are_clipped_and_1_where_there_is_no_difference():
    assert covariance_intensity(10, 3, 0.5, fourth=1e6, square=1.0, distance=1e-3) == 1
    assert covariance_intensity(10, 3, 0.5, fourth=0.0, square=1.0, distance=1.0) == 0
    assert covariance_intensity(10, 3, 0.5, fourth=0.0, square=0.0, distance=0.0) == 1
    assert mean_intensity(4, 8, 0.25, variance=8.0, distance=6.0) == pytest.approx(2 * 0.75 * 8 / 4 / 6)


@pytest.mark.parametrize("counts", [(400, 400, 400), (200, 600, 400)])
def test_permuted_labels_are_shrunk_away(counts):
    """Of 128 axes nearly all are in the last bands, whose intensity the sampling error explains alone."""
    stream = np.random.default_rng(0)
    mixing = stream.normal(size=(128, 128)) * np.linspace(0.2, 1, 128)
    labels = stream.permutation(np.repeat(np.arange(3), counts))
    moments = ClassMoments.by_class(task_of(correlated(stream, sum(counts), mixing), labels))
    fit = fit_shrunk(moments)
    models = [fit.train(label) for label in range(3)]
    last = np.array([bands[-2:] for bands in fit.card["covariance_shrinkage_per_class_and_band"]])
    assert last.min() > 0.97
    means = np.array([bands[-1] for bands in fit.card["mean_shrinkage_per_class_and_band"]])
    assert means.min() > 0.9
    pooled = moments.pooled_factor()
    target = pooled.T @ pooled
    for label, model in enumerate(models):
        own = moments.factor(label)
        before = np.linalg.norm(own.T @ own - target)
        assert np.linalg.norm(model.covariance().numpy() - target) < 0.25 * before


def test_clear_differences_are_kept():
    stream = np.random.default_rng(1)
    mixings = [stream.normal(size=(8, 8)) for _ in range(2)]
    inputs = np.concatenate([correlated(stream, 20_000, m, 2 * c) for c, m in enumerate(mixings)])
    moments = ClassMoments.by_class(task_of(inputs, np.repeat([0, 1], 20_000)))
    fit = fit_shrunk(moments)
    for label in range(2):
        model, own = fit.train(label), moments.factor(label)
        covariance = own.T @ own
        assert np.linalg.norm(model.covariance().numpy() - covariance) < 0.03 * np.linalg.norm(covariance)
        np.testing.assert_allclose(model.mean, moments.mean(label), atol=0.02)


def test_the_model_is_the_formula_written_out():
    stream = np.random.default_rng(2)
    labels = np.repeat([0, 1], 40)
    inputs = (
        correlated(stream, 80, stream.normal(size=(6, 6))) * (1 + 0.3 * labels[:, None]) + labels[:, None]
    )
    moments = ClassMoments.by_class(task_of(inputs, labels))
    fit = fit_shrunk(moments)
    inputs = inputs.astype(np.float32).astype(float)
    pooled = sum(39 * np.cov(inputs[labels == c].T) for c in range(2)) / 78
    variances, vectors = np.linalg.eigh(pooled)
    variances, vectors = variances[::-1], vectors[:, ::-1]
    scale = 1 / np.sqrt(variances + 0.01 * variances.mean())
    for label in range(2):
        model = fit.train(label)
        rows = inputs[labels == label]
        whitened = (rows - rows.mean(axis=0)) @ vectors * scale
        offset = (rows.mean(axis=0) - inputs.mean(axis=0)) @ vectors
        of_covariance, of_mean = np.zeros(6), np.zeros(6)
        for band in (slice(0, 1), slice(1, 2), slice(2, 6)):
            within = np.atleast_2d(np.cov(whitened[:, band].T))
            distance = within - np.diag((variances * scale**2)[band])
            of_covariance[band] = covariance_intensity(
                40,
                len(distance),
                0.5,
                fourth=((whitened[:, band] ** 2).sum(axis=1) ** 2).sum(),
                square=(within**2).sum(),
                distance=(distance**2).sum(),
            )
            of_mean[band] = mean_intensity(
                40,
                len(within),
                0.5,
                variance=np.trace(within),
                distance=(((offset * scale)[band]) ** 2).sum(),
            )
        kept = vectors @ np.diag(np.sqrt(1 - of_covariance)) @ vectors.T
        expected = kept @ np.cov(rows.T) @ kept + vectors @ np.diag(of_covariance * variances) @ vectors.T
        np.testing.assert_allclose(model.covariance().numpy(), expected, rtol=2e-3, atol=2e-3)
        mean = rows.mean(axis=0) - vectors @ (of_mean * offset)
        np.testing.assert_allclose(model.mean, mean, rtol=1e-3, atol=1e-3)


def test_it_is_nearer_to_the_truth_than_the_sample_and_the_pooled_covariance():
    """Two classes that differ along one axis in 40: averages over 20 data sets of 100 samples a class."""
    errors = {"sample": [], "pooled": [], "shrunk": []}
    truth = [np.eye(40), np.diag([6.0] + [1.0] * 39)]
    for seed in range(20):
        stream = np.random.default_rng(seed)
        inputs = np.concatenate([correlated(stream, 100, np.sqrt(each)) for each in truth])
        moments = ClassMoments.by_class(task_of(inputs, np.repeat([0, 1], 100)))
        pooled = moments.pooled_factor()
        fit = fit_shrunk(moments)
        for label in range(2):
            own = moments.factor(label)
            for name, found in (
                ("sample", own.T @ own),
                ("pooled", pooled.T @ pooled),
                ("shrunk", fit.train(label).covariance().numpy()),
            ):
                errors[name].append(((found - truth[label]) ** 2).sum())
    average = {name: np.mean(values) for name, values in errors.items()}
    assert average["shrunk"] < 0.8 * average["sample"]
    assert average["shrunk"] < 0.8 * average["pooled"]


def test_fewer_samples_than_inputs_and_constant_inputs():
    stream = np.random.default_rng(3)
    inputs = stream.normal(size=(12, 30))
    inputs[:, 4] = 0.5
    clone = clone_task(task_of(inputs, np.arange(12) % 2), "gaussian_shrunk", 0)
    assert np.isfinite(clone.train_inputs).all()
    np.testing.assert_allclose(clone.train_inputs[:, 0, 4], 0.5, atol=1e-3)
