# ruff: noqa: NPY002 - the package draws from the global generators

import random
import sys

import numpy as np
import pytest
from mnist1d.data import get_dataset_args, make_dataset

from sparsight.data import availability, mnist1d
from sparsight.errors import InputError


@pytest.fixture(scope="module")
def published():
    state = np.random.get_state(), random.getstate()
    yield make_dataset(get_dataset_args())
    np.random.set_state(state[0])
    random.setstate(state[1])


def test_samples_and_split_are_those_of_the_package(published):
    task = mnist1d(seed=5)
    np.testing.assert_array_equal(task.train_inputs[:, 0], published["x"].astype(np.float32))
    np.testing.assert_array_equal(task.test_inputs[:, 0], published["x_test"].astype(np.float32))
    np.testing.assert_array_equal(task.train_labels, published["y"])
    np.testing.assert_array_equal(task.test_labels, published["y_test"])
    assert (task.train_inputs.shape, task.test_inputs.shape) == ((4000, 1, 40), (1000, 1, 40))


def test_it_leaves_the_global_generators_alone(monkeypatch, tmp_path):
    monkeypatch.setenv("SPARSIGHT_CACHE", str(tmp_path))
    np.random.seed(3)
    random.seed(3)
    expected = np.random.rand(), random.random()
    np.random.seed(3)
    random.seed(3)
    mnist1d(seed=0)
    assert (np.random.rand(), random.random()) == expected


def test_shuffled_pixels_are_one_permutation_of_all_samples():
    plain, shuffled = (mnist1d(shuffled_pixels=each, seed=1) for each in (False, True))
    order = shuffled.card["pixel_order"]
    assert sorted(order) == list(range(40)) != order
    np.testing.assert_array_equal(shuffled.train_inputs, plain.train_inputs[:, :, order])
    np.testing.assert_array_equal(shuffled.test_inputs, plain.test_inputs[:, :, order])
    np.testing.assert_array_equal(shuffled.train_labels, plain.train_labels)
    assert mnist1d(shuffled_pixels=True, seed=2).card["pixel_order"] != order


def test_shuffling_destroys_what_neighbours_have_in_common():
    """The correlation of neighbours, high in the lines, becomes that of any two positions."""

    def neighbours(task):
        lines = task.train_inputs[:, 0]
        return np.mean([np.corrcoef(lines[:, i], lines[:, i + 1])[0, 1] for i in range(39)])

    plain = mnist1d(seed=1)
    every_pair = np.corrcoef(plain.train_inputs[:, 0].T)[np.triu_indices(40, 1)].mean()
    shuffled = np.mean([neighbours(mnist1d(shuffled_pixels=True, seed=seed)) for seed in range(20)])
    assert neighbours(plain) > 0.8
    assert abs(shuffled - every_pair) < 0.05


def test_without_the_package_it_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "mnist1d.data", None)
    with pytest.raises(
        InputError, match=r'needs the package mnist1d; install it: pip install "sparsight\[mnist1d\]"'
    ):
        mnist1d(seed=0)


@pytest.mark.parametrize("is_there", [True, False])
def test_the_list_of_sources_says_whether_the_package_is_there(monkeypatch, is_there):
    if not is_there:
        monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    (status,) = (each for each in availability() if each.name == "mnist1d")
    assert status.available == is_there
    assert ("pip install" in status.what) != is_there
