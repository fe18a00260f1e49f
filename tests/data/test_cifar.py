import pickle

import numpy as np
import pytest

from sparsight.data.cifar import TEST_FILES, TRAIN_FILES, cifar10
from sparsight.errors import InputError


def batches():
    stream = np.random.default_rng(0)
    return {
        name: (stream.integers(0, 256, (20, 3072), dtype=np.uint8), stream.permutation(20) % 10)
        for name in (*TRAIN_FILES, *TEST_FILES)
    }


@pytest.fixture
def folder(tmp_path):
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
    with pytest.raises(InputError, match="has no data_batch_3 .*University of Toronto"):
        cifar10(folder=str(folder), seed=0)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([1, 2], "no dictionary"),
        ({b"data": 1}, "has no data and labels"),
        ({b"data": np.zeros((2, 9), np.uint8), b"labels": [1, 2]}, r"uint8 \(n, 3072\) is needed"),
        ({b"data": np.zeros((2, 3072), np.uint8), b"labels": [1]}, "one whole number an image"),
        ({b"data": np.zeros((2, 3072), np.uint8), b"labels": [1, 10]}, "0 to 9 is allowed"),
    ],
)
def test_batches_that_do_not_fit_are_refused(folder, content, message):
    (folder / "data_batch_2").write_bytes(pickle.dumps(content))
    with pytest.raises(InputError, match=message):
        cifar10(folder=str(folder), seed=0)


def test_a_truncated_binary_batch_is_refused(folder):
    (folder / "data_batch_2").unlink()
    (folder / "data_batch_2.bin").write_bytes(b"x" * 3000)
    with pytest.raises(InputError, match="no multiple of 3073: it is truncated"):
        cifar10(folder=str(folder), seed=0)
