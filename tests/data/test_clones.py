import re

import numpy as np
import pytest
import scipy.stats

from sparsight.data import CLONES, Task, _clone_storage as clone_storage, clone_task
from sparsight.data._clones import gaussian_twin, phase_clone, shared_covariance_twin
from sparsight.errors import InputError
from sparsight.geometry import Geometry

KINDS = ["gaussian", "gaussian_shared", "gaussian_shrunk", "gaussian_cross_fitted", "phase"]
SHAPES = [(1, 11), (2, 12), (3, 4, 5), (2, 5, 6), (1, 6, 6)]


def heavy_task(shape=(2, 3, 4), num_train=(60, 90), num_test=5000, draw=None, dtype=np.float32, seed=0):
    """Correlated exponential pixels whose mean and covariance depend on the class; one pixel is constant."""
    rng = np.random.default_rng(seed)
    num_inputs = int(np.prod(shape))
    mixing = [rng.normal(size=(num_inputs, num_inputs)) / np.sqrt(num_inputs) for _ in num_train]

    def sample(rng, labels):
        noise = rng.exponential(size=(len(labels), num_inputs)) ** 1.5
        values = np.stack([mixing[c] @ x + 3 * c for c, x in zip(labels, noise, strict=True)])
        values[:, 1] = 0.5
        return values.reshape(-1, *shape).astype(np.float32)

    train_labels = np.repeat(np.arange(len(num_train)), num_train).astype(np.int64)
    rng.shuffle(train_labels)
    test_labels = np.arange(num_test) % len(num_train)
    train, test = sample(rng, train_labels), sample(rng, test_labels)
    options = {}
    if dtype == np.uint8:
        train, test = ((20 * x + 60).clip(0, 255).astype(np.uint8) for x in (train, test))
        options = {
            "channel_mean": np.full(shape[0], 100, dtype=np.float32),
            "channel_sd": np.full(shape[0], 40, dtype=np.float32),
        }

    def online(seed, step, batch_size):
        rng = np.random.default_rng([seed, step])
        labels = rng.integers(0, len(num_train), batch_size)
        return sample(rng, labels), labels

    return Task(
        name="heavy",
        geometry=Geometry(shape[0], shape[1:]),
        num_classes=len(num_train),
        train_inputs=train,
        train_labels=train_labels,
        test_inputs=test,
        test_labels=test_labels,
        draw=online if draw else None,
        card={"licence": "none"},
        **options,
    )


def vectors(task, split, label):
    inputs, labels = task.samples(split)
    return inputs[labels == label].double().numpy()


def assert_moments(samples, mean, covariance, num_deviations=5.5):
    """Mean and covariance within so many standard errors of Gaussian samples."""
    n = len(samples)
    variance = np.diag(covariance)
    assert (np.abs(samples.mean(axis=0) - mean) <= num_deviations * np.sqrt(variance / n) + 1e-5).all()
    error = np.sqrt((np.outer(variance, variance) + covariance**2) / n)
    assert (np.abs(np.cov(samples.T) - covariance) <= num_deviations * error + 1e-5).all()


@pytest.mark.parametrize("dtype", [np.float32, np.uint8])
@pytest.mark.parametrize("num_train", [(60, 90), (7, 24), (24, 25)])
def test_gaussian_twin_has_mean_and_covariance_of_each_class(num_train, dtype):
    task = heavy_task(num_train=num_train, num_test=20_000, dtype=dtype)
    twin = gaussian_twin(task, 0)
    for label in range(2):
        original = vectors(task, "train", label)
        samples = vectors(twin, "test", label)
        assert_moments(samples, original.mean(axis=0), np.cov(original.T))
        with pytest.raises(AssertionError):
            assert_moments(samples, original.mean(axis=0), 1.1 * np.cov(original.T))
        rank = np.linalg.matrix_rank(np.cov(samples.T), tol=1e-5)
        assert rank <= twin.card["clone_rank_at_most"][label] == min(num_train[label] - 1, 24)
    assert twin.card["clone_samples_per_class"] == list(num_train)


def test_gaussian_twin_is_gaussian_where_the_data_are_not():
    task = heavy_task(num_train=(500, 500), num_test=20_000)
    twin = gaussian_twin(task, 0)
    live = np.arange(24) != 1
    for label in range(2):
        assert scipy.stats.kurtosis(vectors(task, "test", label)[:, live]).max() > 2
        # 8 standard errors, √(24/n), of 23 pixels
        assert np.abs(scipy.stats.kurtosis(vectors(twin, "test", label)[:, live])).max() < 8 * np.sqrt(
            24 / 10_000
        )
        np.testing.assert_allclose(vectors(twin, "test", label)[:, 1], 0.5, atol=1e-3)


def test_gaussian_twin_in_stretches_is_the_same_distribution(monkeypatch):
    """The QR factor brought up to date stretch by stretch against the covariance of all rows."""
    monkeypatch.setattr("sparsight.data._class_moments._BLOCK_VALUES", 10)
    task = heavy_task(num_train=(1000, 200), num_test=3000)
    twin = gaussian_twin(task, 0)
    original = vectors(task, "train", 0)
    assert_moments(vectors(twin, "test", 0), original.mean(axis=0), np.cov(original.T))


def test_gaussian_twin_far_from_the_origin_keeps_its_covariance():
    task = heavy_task(num_train=(300, 300))
    far = Task(
        **{
            name: getattr(task, name)
            for name in ("name", "geometry", "num_classes", "train_labels", "test_labels")
        },
        train_inputs=task.train_inputs + np.float32(1000),
        test_inputs=task.test_inputs + np.float32(1000),
    )
    near_sd, far_sd = (vectors(gaussian_twin(t, 0), "test", 0).std(axis=0) for t in (task, far))
    np.testing.assert_allclose(far_sd, near_sd, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("num_train", [(60, 90), (7, 9)])
def test_shared_covariance_twin_has_class_means_and_the_pooled_covariance(num_train):
    task = heavy_task(num_train=num_train, num_test=20_000)
    twin = shared_covariance_twin(task, 0)
    rows = [vectors(task, "train", label) for label in range(2)]
    residuals = np.concatenate([x - x.mean(axis=0) for x in rows])
    pooled = residuals.T @ residuals / (len(residuals) - 2)
    for label in range(2):
        assert_moments(vectors(twin, "test", label), rows[label].mean(axis=0), pooled)
    assert twin.card["clone_rank_at_most"] == [min(sum(num_train) - 2, 24)] * 2


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", [np.float32, np.uint8])
def test_phase_clone_keeps_power_cross_spectra_and_mean(shape, dtype):
    task = heavy_task(shape, num_train=(20, 20), num_test=10, dtype=dtype)
    clone = phase_clone(task, 0)
    axes = tuple(range(2, 1 + len(shape)))
    before = task.flat(task.train_inputs).reshape(-1, *shape).astype(np.float64)
    after = clone.train_inputs.astype(np.float64)
    spectra = [np.fft.fftn(x, axes=axes) for x in (before, after)]
    scale = np.abs(spectra[0]).max()
    np.testing.assert_allclose(np.abs(spectra[1]), np.abs(spectra[0]), atol=2e-5 * scale)
    cross = [s[:, :1] * s.conj() for s in spectra]
    np.testing.assert_allclose(cross[1], cross[0], atol=2e-5 * scale**2)
    np.testing.assert_allclose(after.mean(axis=axes), before.mean(axis=axes), atol=1e-5 * scale)
    assert np.abs(after - before).max(axis=(1, *axes)).min() > 0.01
    np.testing.assert_array_equal(clone.train_labels, task.train_labels)


def test_phase_clone_phases_are_uniform_and_differ_between_images():
    task = heavy_task((1, 16), num_train=(2000, 2000), num_test=10)
    before, after = (np.fft.rfft(t.train_inputs[:, 0])[:, 1:8] for t in (task, phase_clone(task, 0)))
    turn = np.angle(after / before) / (2 * np.pi) % 1
    for frequency in turn.T:
        assert scipy.stats.kstest(frequency, "uniform").pvalue > 1e-5
    order = np.corrcoef(np.cos(2 * np.pi * turn).T) - np.eye(7)
    assert np.abs(order).max() < 5.5 / np.sqrt(4000)


def test_phase_clone_of_large_sets_goes_by_blocks(monkeypatch):
    monkeypatch.setattr("sparsight.data._clones._BLOCK_VALUES", 100)
    task = heavy_task((1, 4, 4), num_train=(30, 33), num_test=11)
    clone = phase_clone(task, 0)
    for before, after in ((task.train_inputs, clone.train_inputs), (task.test_inputs, clone.test_inputs)):
        np.testing.assert_allclose(
            np.abs(np.fft.fft2(after)), np.abs(np.fft.fft2(before)), atol=1e-5 * np.abs(before).max() * 16
        )


@pytest.mark.parametrize("kind", KINDS)
def test_clone_is_a_function_of_task_and_seed(kind):
    task = heavy_task(num_test=50)
    clone, again, other = (clone_task(task, kind, seed) for seed in (1, 1, 2))
    for split in ("train_inputs", "test_inputs"):
        np.testing.assert_array_equal(getattr(clone, split), getattr(again, split))
        assert not np.array_equal(getattr(clone, split), getattr(other, split))
    np.testing.assert_array_equal(clone.train_labels, task.train_labels)
    np.testing.assert_array_equal(clone.test_labels, task.test_labels)
    assert clone.geometry == task.geometry
    assert clone.train_inputs.dtype == np.float32
    assert clone.name == f"heavy-{kind}"
    assert clone.card["clone"] == kind
    assert clone.card["licence"] == "none"
    assert clone.draw is None


def test_clone_none_is_the_task_itself():
    task = heavy_task(num_test=4)
    assert clone_task(task, "none", 0) is task


@pytest.mark.parametrize("kind", KINDS)
def test_clone_of_a_fresh_task_is_fresh(kind):
    task = heavy_task(num_train=(60, 90), num_test=4, draw=True)
    clone = clone_task(task, kind, 0)
    inputs, labels = clone.batch(3, 5, 20)
    assert (labels == task.batch(3, 5, 20)[1]).all()
    clone.batch(3, 6, 20)
    assert (clone.batch(3, 5, 20)[0] == inputs).all()
    assert not (clone.batch(3, 6, 20)[0] == inputs).all(dim=1).any()
    assert not (clone.batch(4, 5, 20)[0] == inputs).all(dim=1).any()
    assert not (task.batch(3, 5, 20)[0] == inputs).all(dim=1).any()


def test_clone_of_a_fresh_task_has_the_statistics():
    task = heavy_task((1, 12), num_train=(400, 400), num_test=4, draw=True)
    inputs, labels = gaussian_twin(task, 0).batch(0, 0, 20_000)
    for label in range(2):
        original = vectors(task, "train", label)
        assert_moments(inputs[labels == label].double().numpy(), original.mean(axis=0), np.cov(original.T))
    clone, _ = phase_clone(task, 0).batch(0, 0, 50)
    power, expected = (np.abs(np.fft.rfft(x)) for x in (clone, task.batch(0, 0, 50)[0]))
    np.testing.assert_allclose(power, expected, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("kind", KINDS)
def test_clone_of_a_huge_uint8_task_stays_uint8(kind, monkeypatch):
    task = heavy_task(num_train=(600, 900), num_test=400, dtype=np.uint8)
    plain = clone_task(task, kind, 0)
    monkeypatch.setattr(clone_storage, "MAX_FLOAT_BYTES", 1000)
    monkeypatch.setattr(clone_storage, "_BLOCK_VALUES", 1000)
    clone = clone_task(task, kind, 0)
    assert clone.train_inputs.dtype == clone.test_inputs.dtype == np.uint8
    sd = task.samples("train")[0].reshape(-1, 2, 12).std(dim=(0, 2)).max()
    for split in ("train", "test"):
        difference = (clone.samples(split)[0] - plain.samples(split)[0]).abs()
        beyond = difference > 0.5001 / 25 * sd
        assert 0 <= beyond.float().mean() < 0.005  # clipped
        assert difference.max() > 0.4 / 25 * sd
    clipped = clone.card["clone_clipped_fraction"]
    pooled = [(clone.samples(s)[0] - plain.samples(s)[0]).abs() > 0.5001 / 25 * sd for s in ("train", "test")]
    assert clipped == pytest.approx(sum(int(x.sum()) for x in pooled) / (1900 * 24), abs=0.001)
    assert "clone_clipped_fraction" not in plain.card


def test_clone_of_a_float_task_is_never_rounded(monkeypatch):
    monkeypatch.setattr(clone_storage, "MAX_FLOAT_BYTES", 1000)
    assert gaussian_twin(heavy_task(), 0).train_inputs.dtype == np.float32


@pytest.mark.parametrize("make", [gaussian_twin, shared_covariance_twin])
def test_gaussian_clones_refuse_a_class_of_one(make):
    message = "task 'heavy': class 1 has 1 training samples, but its covariance needs at least 2"
    with pytest.raises(InputError, match=re.escape(message)):
        make(heavy_task(num_train=(20, 1, 5)), 0)


def test_clone_task_refuses_an_unknown_kind():
    message = f"clone is 'fourier'; none, {', '.join(CLONES)} are allowed"
    with pytest.raises(InputError, match=message):
        clone_task(heavy_task(num_test=4), "fourier", 0)
