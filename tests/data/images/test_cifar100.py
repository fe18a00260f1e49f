import pickle

import numpy as np
import pytest

from sparsight.data.images import _cifar100 as cifar100_module
from sparsight.data.images._cifar100 import cifar100
from sparsight.errors import InputError

NUMBERS = {"train": 200, "test": 100}
NAMES = {
    "fine": [f"kind {number}" for number in range(100)],
    "coarse": [f"group_{number}" for number in range(20)],
}


def splits():
    stream = np.random.default_rng(0)
    for name, number in NUMBERS.items():
        fine = stream.permutation(number) % 100
        yield name, stream.integers(0, 256, (number, 3072), dtype=np.uint8), fine, fine // 5


@pytest.fixture
def python_folder(tmp_path, monkeypatch):
    """The layout of cifar-100-python.tar.gz: pickles of python 2, whose keys are bytes."""
    monkeypatch.setattr(cifar100_module, "NUM_TRAIN", NUMBERS["train"])
    monkeypatch.setattr(cifar100_module, "NUM_TEST", NUMBERS["test"])
    folder = tmp_path / "root" / "cifar-100-python"
    folder.mkdir(parents=True)
    for name, images, fine, coarse in splits():
        batch = {
            b"filenames": [f"{number}.png".encode() for number in range(len(images))],
            b"batch_label": b"training batch 1 of 1",
            b"fine_labels": fine.tolist(),
            b"coarse_labels": coarse.tolist(),
            b"data": images,
        }
        (folder / name).write_bytes(pickle.dumps(batch, 2))
    meta = {
        f"{kind}_label_names".encode(): [name.encode() for name in names] for kind, names in NAMES.items()
    }
    (folder / "meta").write_bytes(pickle.dumps(meta, 2))
    (folder / "file.txt~").write_text("")
    return folder


@pytest.fixture
def binary_folder(python_folder, tmp_path):
    folder = tmp_path / "binary" / "cifar-100-binary"
    folder.mkdir(parents=True)
    for name, images, fine, coarse in splits():
        labels = np.stack([coarse, fine], axis=1).astype(np.uint8)
        np.concatenate([labels, images], axis=1).tofile(folder / f"{name}.bin")
    for kind, names in NAMES.items():
        text = "\n".join(name.replace(" ", "_") for name in names)
        (folder / f"{kind}_label_names.txt").write_text(f"{text}\n")
    return folder


@pytest.mark.parametrize(("classes", "number"), [("fine", 100), ("coarse", 20)])
def test_both_versions_give_the_same_task(python_folder, binary_folder, classes, number):
    first = cifar100(folder=str(python_folder.parent), classes=classes, seed=0)
    second = cifar100(folder=str(binary_folder), classes=classes, seed=0)
    _, images, fine, coarse = next(splits())
    for task in (first, second):
        assert task.num_classes == number
        np.testing.assert_array_equal(task.train_inputs.reshape(200, -1), images)
        np.testing.assert_array_equal(task.train_labels, fine if classes == "fine" else coarse)
    assert first.card["classes"] == NAMES[classes]
    assert second.card["classes"] == [name.replace(" ", "_") for name in NAMES[classes]]


def test_names_of_classes_are_no_need(python_folder):
    (python_folder / "meta").unlink()
    assert "classes" not in cifar100(folder=str(python_folder), seed=0).card
    (python_folder / "meta").write_bytes(pickle.dumps({b"fine_label_names": [b"apple"]}))
    with pytest.raises(InputError, match="meta holds 1 names of fine classes; 100 are needed"):
        cifar100(folder=str(python_folder), seed=0)


def test_files_of_cifar10_or_damaged_ones_are_named(python_folder, binary_folder):
    (python_folder / "test").write_bytes(
        pickle.dumps({b"data": np.zeros((2, 3072), np.uint8), b"labels": [1, 2]})
    )
    with pytest.raises(InputError, match="test has no data and fine_labels, but b'data', b'labels'"):
        cifar100(folder=str(python_folder), seed=0)
    (binary_folder / "test.bin").write_bytes(bytes(3073))
    with pytest.raises(InputError, match="has 3073 bytes, not a multiple of 3074"):
        cifar100(folder=str(binary_folder), seed=0)
    with pytest.raises(
        InputError, match=r"has no train, test \(or .bin\): sparsight data cifar100 --download"
    ):
        cifar100(folder=str(binary_folder.parent.parent), seed=0)
