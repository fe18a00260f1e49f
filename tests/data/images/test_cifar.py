import os
import pickle
from pathlib import Path

import numpy as np
import pytest

from sparsight.data.images._batches import batch_arrays
from sparsight.data.images._cifar import TEST_FILES, TRAIN_FILES, cifar10
from sparsight.errors import InputError


def batches():
    stream = np.random.default_rng(0)
    return {
        name: (stream.integers(0, 256, (20, 3072), dtype=np.uint8), stream.permutation(20) % 10)
        for name in (*TRAIN_FILES, *TEST_FILES)
    }


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr("sparsight.data.images._cifar.NUM_TRAIN", 100)
    monkeypatch.setattr("sparsight.data.images._cifar.NUM_TEST", 20)
    for name, (images, labels) in batches().items():
        (tmp_path / name).write_bytes(pickle.dumps({b"data": images, b"labels": labels.tolist()}, 2))
    return tmp_path


def test_both_versions_give_the_same_task(folder, tmp_path):
    binary = tmp_path / "unpacked" / "cifar-10-batches-bin"
    binary.mkdir(parents=True)
    for name, (images, labels) in batches().items():
        np.concatenate([labels[:, None].astype(np.uint8), images], axis=1).tofile(binary / f"{name}.bin")
    first, second = cifar10(folder=str(folder), seed=0), cifar10(folder=str(binary.parent), seed=0)
    assert first.train_inputs.shape == (100, 3, 32, 32)
    np.testing.assert_array_equal(first.train_inputs, second.train_inputs)
    np.testing.assert_array_equal(first.test_labels, second.test_labels)
    images, labels = batches()["test_batch"]
    np.testing.assert_array_equal(first.test_inputs.reshape(20, -1), images)
    np.testing.assert_array_equal(first.test_labels, labels)


def test_missing_files_are_listed_with_where_they_are_published(folder):
    (folder / "data_batch_3").unlink()
    (folder / "test_batch").unlink()
    with pytest.raises(InputError, match="has no data_batch_3, test_batch .*University of Toronto"):
        cifar10(folder=str(folder), seed=0)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([1, 2], "is not a dictionary"),
        ({b"data": 1}, "has no data and labels"),
        ({b"data": np.zeros((2, 9), np.uint8), b"labels": [1, 2]}, r"uint8 \(n, 3072\) is needed"),
        ({b"data": np.zeros((2, 3072)), b"labels": [1, 2]}, r"data are float64\(2, 3072\)"),
        ({b"data": [[1]], b"labels": [1]}, "data are a list"),
        ({b"data": np.zeros((2, 3072), np.uint8), b"labels": [1]}, r"int64\(1,\); one whole number for each"),
        ({b"data": np.zeros((2, 3072), np.uint8), b"labels": [[1], [1, 2]]}, "labels are a list"),
        ({b"data": np.zeros((2, 3072), np.uint8), b"labels": [0.5, 1.0]}, "labels are a list"),
        ({b"data": np.zeros((2, 3072), np.uint8), b"labels": [True, 1]}, "labels are a list"),
        ({b"data": np.zeros((2, 3072), np.uint8), b"labels": [2**40, 1]}, "labels are a list"),
        ({b"data": np.zeros((2, 3072), np.uint8), b"labels": "ab"}, "labels are a str"),
        ({b"data": np.zeros((0, 3072), np.uint8), b"labels": []}, "at least one"),
        ({b"data": np.zeros((2, 3072), np.uint8), b"labels": [-1, 1]}, "0 to 9 is allowed"),
        ({b"data": np.zeros((2, 3072), np.uint8), b"labels": [1, 2]}, "hold 82 images; the set has 100"),
        ({b"data": np.zeros((2, 3072), np.uint8), b"labels": [1, 10]}, "0 to 9 is allowed"),
    ],
)
def test_batches_that_do_not_fit_are_refused(folder, content, message):
    (folder / "data_batch_2").write_bytes(pickle.dumps(content))
    with pytest.raises(InputError, match=message):
        cifar10(folder=str(folder), seed=0)


@pytest.mark.parametrize(
    ("num_bytes", "message"),
    [
        (0, "has 0 bytes"),
        (3000, "has 3000 bytes, not a multiple of 3073"),
        (3073 * 101, "not a multiple of 3073 up to 307300"),
        (3073 * 19, "hold 99 images; the set has 100"),
    ],
)
def test_a_binary_batch_of_another_size_is_refused(folder, num_bytes, message):
    (folder / "data_batch_2").unlink()
    (folder / "data_batch_2.bin").write_bytes(b"\1" * num_bytes)
    with pytest.raises(InputError, match=message):
        cifar10(folder=str(folder), seed=0)


@pytest.mark.parametrize("kind", [list, np.array, tuple])
def test_labels_may_be_numbers_of_numpy_in_a_list_or_an_array(kind):
    data, labels = np.zeros((2, 4), np.uint8), kind([np.int64(3), np.int64(1)])
    if kind is tuple:
        with pytest.raises(InputError, match="labels are a tuple"):
            batch_arrays({"data": data, "labels": labels}, Path("f"), 4)
    else:
        _, found = batch_arrays({"data": data, "labels": labels}, Path("f"), 4)
        assert found.tolist() == [3, 1]


def test_foreign_keys_are_shown_escaped_and_short():
    with pytest.raises(InputError, match="has no data and labels, but") as caught:
        batch_arrays({"x" * 1000: 1, b"\xff": 2, "\x1b[31m\n": 3, 7: 4, "\ud800": 5}, Path("f"), 3072)
    assert str(caught.value).isascii()
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize("name", ["test_batch", "test_batch.bin"])
def test_a_batch_that_cannot_be_opened_is_named(folder, monkeypatch, name):
    def open_others(path, *arguments, **options):
        if Path(path).name == name:
            raise PermissionError(13, "Permission denied")
        return open_any(path, *arguments, **options)

    if name.endswith(".bin"):
        (folder / "test_batch").unlink()
        (folder / name).write_bytes(b"\1" * 3073 * 20)
    open_any = os.open
    monkeypatch.setattr(os, "open", open_others)
    with pytest.raises(InputError, match=rf"{name} cannot be read: Permission denied"):
        cifar10(folder=str(folder), seed=0)


def test_a_subset_is_a_function_of_the_seed(folder):
    first, again, other = (cifar10(folder=str(folder), num_train=40, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.train_inputs, again.train_inputs)
    assert not np.array_equal(first.train_inputs, other.train_inputs)
    with pytest.raises(InputError, match="num_train is 101, but there are 100"):
        cifar10(folder=str(folder), num_train=101, seed=0)
