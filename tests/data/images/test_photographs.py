import hashlib

import numpy as np
import pytest

from sparsight.data import SOURCES, photographs
from sparsight.data.images._photographs import PHOTOGRAPHS, SCALES
from sparsight.data.images._regions import FLAT_SD, region


@pytest.fixture(scope="module")
def task():
    return photographs(num_train=1203, num_test=602, seed=0)


def test_task_has_the_stated_shape_and_balance(task):
    assert SOURCES["photographs"] is photographs
    assert task.train_inputs.shape == (1203, 3, 32, 32)
    assert task.test_inputs.shape == (602, 3, 32, 32)
    for labels in (task.train_labels, task.test_labels):
        counts = np.bincount(labels, minlength=4)
        assert counts.max() - counts.min() <= 1


def test_pixels_are_standardised_with_training_statistics(task):
    np.testing.assert_allclose(task.train_inputs.mean(axis=(0, 2, 3)), 0, atol=1e-4)
    np.testing.assert_allclose(task.train_inputs.std(axis=(0, 2, 3)), 1, atol=1e-4)
    assert np.abs(task.test_inputs.mean(axis=(0, 2, 3))).max() > 1e-3


def test_it_is_a_function_of_the_seed(task):
    again = photographs(num_train=1203, num_test=602, seed=0)
    other = photographs(num_train=1203, num_test=602, seed=1)
    np.testing.assert_array_equal(task.train_inputs, again.train_inputs)
    assert not np.array_equal(task.test_inputs, other.test_inputs)


def test_train_and_test_regions_share_no_source_pixel_at_any_pair_of_scales():
    """A photograph whose pixels say which side they are on keeps the sides pure after shrinking."""
    sides = np.zeros((300, 451, 3), np.uint8)
    sides[:, int(0.6 * 451) :] = 255
    for scale in SCALES:
        assert np.allclose(region(sides, "train", scale), 0)
        assert np.allclose(region(sides, "test", scale), 1, atol=1e-5)


def test_every_patch_is_a_window_of_its_own_photograph_and_split(task):
    raw_mean, raw_sd = (np.array(task.card[key]) for key in ("channel_mean", "channel_sd"))
    stream = np.random.default_rng(0)
    for split, inputs, labels in (
        ("train", task.train_inputs, task.train_labels),
        ("test", task.test_inputs, task.test_labels),
    ):
        for index in stream.integers(len(labels), size=12):
            patch = inputs[index] * raw_sd[:, None, None] + raw_mean[:, None, None]
            photograph = list(PHOTOGRAPHS.values())[labels[index]]()
            distances = []
            for scale in SCALES:
                image = region(photograph, split, scale)
                windows = np.lib.stride_tricks.sliding_window_view(image, (32, 32), axis=(0, 1))
                corners = np.abs(windows[..., 0, 0] - patch[:, 0, 0]).sum(axis=-1)
                row, column = np.unravel_index(corners.argmin(), corners.shape)
                candidates = np.argwhere(corners <= corners[row, column] + 1e-5)
                distances += [np.abs(windows[tuple(c)] - patch).max() for c in candidates]
            assert min(distances) < 1e-5


def test_flat_patches_are_rejected_and_counted(task):
    sd = np.array(task.card["channel_sd"])[:, None, None]
    mean = np.array(task.card["channel_mean"])[:, None, None]
    raw = task.train_inputs * sd + mean
    assert raw.std(axis=(1, 2, 3)).min() >= FLAT_SD - 1e-6
    assert task.card["rejected_flat_patches"]["train"] > 0


def test_values_stay_those_of_published_results(task):
    """The digest of the first release; shrunk regions depend on scikit-image, so only whole ones enter."""
    whole = int(np.ceil(1203 / len(SCALES)))
    content = (
        task.train_labels.tobytes()
        + np.round(
            task.train_inputs[:whole] * np.array(task.card["channel_sd"], np.float32)[:, None, None] * 255
            + np.array(task.card["channel_mean"], np.float32)[:, None, None] * 255
        )
        .astype(np.uint8)
        .tobytes()
    )
    assert (
        hashlib.sha256(content).hexdigest()
        == "ff6c82079a0009325140b2294aa7b4e19bfaecd2151336a365caa8d059358fb3"
    )
