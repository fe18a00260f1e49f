import pickle
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest

from sparsight.data.imagenet import TEST_FILES, TRAIN_FILES, converted, imagenet32, imagenet64
from sparsight.errors import InputError


def write(folder, size=32, kind="pickle"):
    stream = np.random.default_rng(0)
    for name in (*TRAIN_FILES, *TEST_FILES):
        data = stream.integers(0, 256, (30, 3 * size**2), dtype=np.uint8)
        labels = (stream.permutation(30) * 34 + 1).tolist()
        if kind == "pickle":
            (folder / name).write_bytes(pickle.dumps({"data": data, "labels": labels, "mean": data.mean(0)}))
        else:
            np.savez(folder / f"{name}.npz", data=data, labels=labels)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("SPARSIGHT_CACHE", str(tmp_path / "cache"))
    write(tmp_path)
    return tmp_path


def test_batches_become_one_memory_mapped_task(folder):
    task = imagenet32(folder=str(folder), seed=0)
    assert task.train_inputs.shape == (300, 3, 32, 32)
    assert isinstance(task.train_inputs, np.memmap)
    assert task.num_classes == 1000
    batch = pickle.loads((folder / "train_data_batch_2").read_bytes())
    np.testing.assert_array_equal(task.train_inputs[30:60].reshape(30, -1), batch["data"])
    np.testing.assert_array_equal(task.train_labels[30:60], np.array(batch["labels"]) - 1)
    inputs, _ = task.batch(0, 0, 64)
    assert inputs.shape == (64, 3072)


def test_npz_and_pickles_give_the_same(folder, tmp_path):
    other = tmp_path / "npz"
    other.mkdir()
    write(other, kind="npz")
    first, second = imagenet32(folder=str(folder), seed=0), imagenet32(folder=str(other), seed=0)
    np.testing.assert_array_equal(first.train_inputs, second.train_inputs)
    np.testing.assert_array_equal(first.test_labels, second.test_labels)


def test_the_cache_is_used_again_and_knows_other_files(folder, monkeypatch):
    imagenet32(folder=str(folder), seed=0)
    monkeypatch.setattr("sparsight.data.imagenet._convert", None)
    imagenet32(folder=str(folder), seed=0)
    write(folder, size=64)
    with pytest.raises(TypeError, match="not callable"):
        imagenet64(folder=str(folder), seed=0)


def test_classes_are_merged(folder):
    plain = imagenet32(folder=str(folder), seed=0)
    task = imagenet32(folder=str(folder), num_groups=7, seed=0)
    np.testing.assert_array_equal(task.train_labels, plain.train_labels % 7)
    assert task.num_classes == 7
    groups = folder / "groups.txt"
    groups.write_text("\n".join(str(c // 500) for c in range(1000)))
    task = imagenet32(folder=str(folder), groups_file=str(groups), seed=0)
    np.testing.assert_array_equal(task.test_labels, plain.test_labels // 500)
    with pytest.raises(InputError, match="both given; give one"):
        imagenet32(folder=str(folder), groups_file=str(groups), num_groups=3, seed=0)
    groups.write_text("0 1 2")
    with pytest.raises(InputError, match="holds 3 numbers; 1000 from 0 up"):
        imagenet32(folder=str(folder), groups_file=str(groups), seed=0)
    with pytest.raises(InputError, match="cannot be read"):
        imagenet32(folder=str(folder), groups_file=str(folder / "absent"), seed=0)


def test_missing_files_are_listed_with_where_they_are_published(folder):
    (folder / "train_data_batch_4").unlink()
    with pytest.raises(InputError, match="has no train_data_batch_4 .*download page of the ImageNet project"):
        imagenet32(folder=str(folder), seed=0)


def test_labels_out_of_range_and_other_sizes_are_refused(folder):
    data = np.zeros((2, 3072), np.uint8)
    (folder / "val_data").write_bytes(pickle.dumps({"data": data, "labels": [0, 1]}))
    with pytest.raises(InputError, match="labels 0 to 1; 1 to 1000 is allowed"):
        imagenet32(folder=str(folder), seed=0)
    with pytest.raises(InputError, match=r"uint8 \(n, 12288\) is needed"):
        imagenet64(folder=str(folder), seed=0)
    assert not list((folder / "cache").glob("*.tmp"))


def _convert_in(arguments):
    folder, names = arguments
    images, labels = converted([Path(folder) / name for name in names], 32)
    return int(images.sum()), int(labels.sum())


def test_two_processes_may_convert_at_once(folder):
    work = [(str(folder), TRAIN_FILES)] * 2
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        first, second = pool.map(_convert_in, work)
    assert first == second
    assert len(list((folder / "cache").glob("*.images.npy"))) == 1
