import gzip
from pathlib import Path

import numpy as np
import pytest

from sparsight.data.images._idx import fashion_mnist, idx, mnist
from sparsight.errors import InputError
from tests.data.images.test_idx import write_idx

PLAIN = {
    ("train", "images"): "train-images-idx3-ubyte",
    ("train", "labels"): "train-labels-idx1-ubyte",
    ("test", "images"): "t10k-images-idx3-ubyte",
    ("test", "labels"): "t10k-labels-idx1-ubyte",
}


def write_set(folder, name_of=lambda name: name, *, labels=range(3), seed=0):
    """Write a set of 60 + 20 images; `name_of` turns MNIST's names into others."""
    stream = np.random.default_rng(seed)
    for (split, content), name in PLAIN.items():
        number = 60 if split == "train" else 20
        array = stream.integers(0, 256, (number, 5, 4))
        path = folder / name_of(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_idx(path, array if content == "images" else np.resize(list(labels), number))
    return folder


def emnist_name(name):
    return f"emnist-letters-{name.replace('t10k', 'test')}.gz"


NAMES = {
    "kaggle": lambda name: name.replace("-idx", ".idx"),
    "kaggle's folders": lambda name: f"{name.replace('-idx', '.idx')}/{name.replace('-idx', '.idx')}",
    "gzipped": lambda name: f"{name}.gz",
    "gzipped with dots": lambda name: f"{name.replace('-idx', '.idx')}.gz",
    "emnist": emnist_name,
    "emnist's archive": lambda name: f"gzip/{emnist_name(name)}",
    "torchvision's root": lambda name: f"FashionMNIST/raw/{name}",
    "torchvision's set": lambda name: f"raw/{name}",
    "test for t10k": lambda name: name.replace("t10k", "test"),
}


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("SPARSIGHT_CACHE", str(tmp_path / "cache"))


@pytest.mark.parametrize("name_of", NAMES.values(), ids=NAMES)
def test_a_set_is_found_under_the_names_that_people_have(tmp_path, name_of):
    expected = idx(folder=str(write_set(tmp_path / "plain")), num_classes=3, seed=0)
    task = idx(folder=str(write_set(tmp_path / "other", name_of)), num_classes=3, seed=0)
    np.testing.assert_array_equal(task.train_inputs, expected.train_inputs)
    np.testing.assert_array_equal(task.test_labels, expected.test_labels)


@pytest.mark.parametrize("turn", [gzip.compress, lambda content: content], ids=["gzip", "plain"])
@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_a_gzipped_file_is_told_by_its_content_and_not_by_its_name(tmp_path, turn, suffix):
    folder = write_set(tmp_path / "set")
    expected = idx(folder=str(folder), num_classes=3, seed=0)
    for path in list(folder.iterdir()):
        content = turn(path.read_bytes())
        path.unlink()
        Path(f"{path}{suffix}").write_bytes(content)
    task = idx(folder=str(folder), num_classes=3, seed=0)
    np.testing.assert_array_equal(task.train_inputs, expected.train_inputs)


def test_several_sets_in_one_folder_are_refused_until_one_is_named(tmp_path):
    write_set(tmp_path / "root", lambda name: f"MNIST/raw/{name}", seed=1)
    write_set(tmp_path / "root", lambda name: f"FashionMNIST/raw/{name}", seed=2)
    write_set(tmp_path / "both", emnist_name, seed=3)
    write_set(tmp_path / "both", lambda name: f"emnist-digits-{name.replace('t10k', 'test')}", seed=4)
    with pytest.raises(
        InputError, match=r"holds 2 sets \(.*MNIST.raw.*FashionMNIST.raw.*\): name the folder"
    ):
        idx(folder=str(tmp_path / "root"), num_classes=3, seed=0)
    with pytest.raises(InputError, match=r"holds 2 sets .*emnist-digits-….*data.prefix"):
        idx(folder=str(tmp_path / "both"), num_classes=3, seed=0)
    tasks = [
        idx(folder=str(tmp_path / "both"), prefix="emnist-letters-", num_classes=3, seed=0),
        idx(folder=str(tmp_path / "both"), prefix="emnist-digits-", num_classes=3, seed=0),
        idx(folder=str(tmp_path / "root" / "MNIST"), num_classes=3, seed=0),
        idx(folder=str(tmp_path / "root" / "FashionMNIST" / "raw"), num_classes=3, seed=0),
    ]
    assert len({task.train_inputs.tobytes() for task in tasks}) == 4


def test_the_named_sources_take_their_own_set_from_torchvisions_root(tmp_path):
    for seed, name in enumerate(("MNIST", "FashionMNIST")):
        write_set(tmp_path, lambda file, name=name: f"{name}/raw/{file}", labels=range(10), seed=seed)
    for source, name in ((mnist, "MNIST"), (fashion_mnist, "FashionMNIST")):
        task = source(folder=str(tmp_path), seed=0)
        expected = idx(folder=str(tmp_path / name / "raw"), seed=0)
        np.testing.assert_array_equal(task.train_inputs, expected.train_inputs)


def test_the_files_that_are_missing_are_named_as_their_set_names_them(tmp_path):
    write_set(tmp_path, emnist_name)
    (tmp_path / "emnist-letters-test-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(InputError, match=r"has no emnist-letters-test-labels-idx1-ubyte \(or .gz\): name"):
        idx(folder=str(tmp_path), num_classes=3, seed=0)


@pytest.mark.parametrize(
    ("labels", "label_map"),
    [
        (range(1, 4), {"1": 0, "2": 1, "3": 2}),
        ((0, 4, 250), {"0": 0, "4": 1, "250": 2}),
        (range(3), None),
    ],
    ids=["from 1", "gaps", "from 0"],
)
def test_labels_are_numbered_without_gaps(tmp_path, labels, label_map):
    task = idx(folder=str(write_set(tmp_path, labels=labels)), num_classes=3, seed=0)
    np.testing.assert_array_equal(task.train_labels, np.resize(range(3), 60))
    np.testing.assert_array_equal(task.test_labels, np.resize(range(3), 20))
    assert task.card.get("label_map") == label_map


@pytest.mark.parametrize("num_classes", [2, 4, 10])
def test_another_number_of_classes_is_refused_before_anything_is_trained(tmp_path, num_classes):
    folder = write_set(tmp_path, labels=range(1, 4))
    message = rf"3 different values, 1 to 3, and {num_classes} classes .*: set data.num_classes=3"
    with pytest.raises(InputError, match=message):
        idx(folder=str(folder), num_classes=num_classes, seed=0)
    with pytest.raises(InputError, match="10 classes are expected: get them again"):
        mnist(folder=str(folder), seed=0)
