import gzip
import struct
from pathlib import Path

import numpy as np
import pytest

from sparsight.data.images import _idx as idx_module
from sparsight.data.images._idx import FASHION_MNIST_FOLDER, fashion_mnist, idx, read_idx
from sparsight.errors import InputError


def write_idx(path, array, magic=0x08, axes=None, shape=None):
    header = struct.pack(">BBBB", 0, 0, magic, array.ndim if axes is None else axes)
    header += struct.pack(f">{array.ndim}I", *(shape or array.shape))
    content = header + array.astype(np.uint8).tobytes()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)


@pytest.fixture
def folder(tmp_path):
    stream = np.random.default_rng(0)
    for prefix, number in (("train", 60), ("t10k", 20)):
        write_idx(tmp_path / f"{prefix}-images-idx3-ubyte.gz", stream.integers(0, 256, (number, 5, 4)))
        write_idx(tmp_path / f"{prefix}-labels-idx1-ubyte", np.arange(number) % 3)
    return tmp_path


def test_read_idx_gives_back_what_was_written(tmp_path):
    array = np.random.default_rng(1).integers(0, 256, (7, 3, 2))
    for name in ("a", "a.gz"):
        write_idx(tmp_path / name, array)
        np.testing.assert_array_equal(read_idx(tmp_path / name, 3), array)


def test_a_gzipped_file_is_unpacked_once_and_found_by_its_content(folder, tmp_path, monkeypatch):
    monkeypatch.setenv("SPARSIGHT_CACHE", str(tmp_path / "cache"))
    first = idx(folder=str(folder), num_classes=3, seed=0)
    monkeypatch.setattr(idx_module.gzip, "open", lambda path: pytest.fail(f"{path} is read again"))
    again = idx(folder=str(folder), num_classes=3, seed=0)
    np.testing.assert_array_equal(first.train_inputs, again.train_inputs)
    monkeypatch.undo()
    monkeypatch.setenv("SPARSIGHT_CACHE", str(tmp_path / "cache"))
    write_idx(folder / "train-images-idx3-ubyte.gz", np.random.default_rng(5).integers(0, 256, (60, 5, 4)))
    assert not np.array_equal(idx(folder=str(folder), num_classes=3, seed=0).train_inputs, first.train_inputs)


def test_idx_makes_a_task(folder):
    task = idx(folder=str(folder), num_classes=3, seed=0)
    assert task.train_inputs.shape == (60, 1, 5, 4)
    assert task.train_labels.tolist() == [k % 3 for k in range(60)]
    assert task.samples("train")[0].mean().item() == pytest.approx(0, abs=1e-5)
    assert task.samples("train")[0].std(unbiased=False).item() == pytest.approx(1, abs=1e-5)


def test_subsets_are_drawn_from_the_seed(folder):
    first, again, other = (
        idx(folder=str(folder), num_classes=3, num_train=30, num_test=10, seed=seed) for seed in (0, 0, 1)
    )
    assert first.train_inputs.shape[0] == 30
    np.testing.assert_array_equal(first.train_inputs, again.train_inputs)
    assert not np.array_equal(first.train_inputs, other.train_inputs)
    with pytest.raises(InputError, match="data.num_train is 61, but there are 60 samples"):
        idx(folder=str(folder), num_classes=3, num_train=61, seed=0)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (
            lambda path: path.write_bytes(path.read_bytes()[:-1]),
            r"declares 1200 bytes of data and holds 1199",
        ),
        (
            lambda path: path.write_bytes(path.read_bytes() + b"x"),
            r"declares 1200 bytes of data and holds 1201",
        ),
        (lambda path: path.write_bytes(b"\0\0\x08"), "should begin with two zero bytes"),
        (lambda path: path.write_bytes(b"PK" + path.read_bytes()[2:]), "is not an IDX file"),
        (lambda path: write_idx(path, np.zeros((2, 2, 2)), magic=0x0D), "magic 0x0d03; 0x0803"),
        (lambda path: write_idx(path, np.zeros((2, 2, 2)), axes=1), "magic 0x0801; 0x0803"),
        (
            lambda path: write_idx(path, np.zeros((1, 1, 1)), shape=(2**31, 2**31, 2**31)),
            f"declares {2**93} bytes of data; at most {2**31} are allowed",
        ),
        (lambda path: write_idx(path, np.zeros((0, 2, 2))), "is empty"),
    ],
)
def test_damaged_images_are_refused(tmp_path, damage, message):
    path = tmp_path / "images"
    write_idx(path, np.zeros((60, 5, 4)))
    damage(path)
    with pytest.raises(InputError, match=message):
        read_idx(path, 3)


def test_a_truncated_gzip_file_is_refused(folder):
    path = folder / "train-images-idx3-ubyte.gz"
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(InputError, match=r"train-images-idx3-ubyte.gz cannot be read"):
        idx(folder=str(folder), num_classes=3, seed=0)


def test_a_decompression_bomb_stops_at_the_limit(tmp_path, monkeypatch):
    monkeypatch.setattr(idx_module, "MAX_BYTES", 1000)
    write_idx(tmp_path / "bomb.gz", np.zeros((10, 100, 100)))
    with pytest.raises(InputError, match="declares 100000 bytes of data; at most 1000"):
        read_idx(tmp_path / "bomb.gz", 3)


def test_labels_out_of_range_and_counts_that_differ_are_refused(folder):
    with pytest.raises(
        InputError, match=r"have 3 different values, 0 to 2, and 2 classes .*: set data.num_classes=3"
    ):
        idx(folder=str(folder), num_classes=2, seed=0)
    write_idx(folder / "train-labels-idx1-ubyte", np.arange(59) % 3)
    with pytest.raises(InputError, match="holds 60 images, .* 59 labels"):
        idx(folder=str(folder), num_classes=3, seed=0)


def test_missing_files_are_listed_with_where_they_are_published(tmp_path):
    with pytest.raises(
        InputError, match=r"train-images-idx3-ubyte, .* --download .*Zalando Research.* dataset-fashion-mnist"
    ):
        fashion_mnist(folder=str(tmp_path), seed=0)
    with pytest.raises(InputError, match=r"has no train-images-idx3-ubyte, .* \(or .gz\): name the folder"):
        idx(folder=str(tmp_path), seed=0)


@pytest.mark.skipif(
    not Path(FASHION_MNIST_FOLDER).is_dir(), reason="Debian's dataset-fashion-mnist is not here"
)
def test_fashion_mnist_is_the_published_one():
    task = fashion_mnist(seed=0)
    assert task.train_inputs.shape == (60000, 1, 28, 28)
    assert np.bincount(task.train_labels).tolist() == [6000] * 10
    assert np.bincount(task.test_labels).tolist() == [1000] * 10
    assert task.train_inputs.mean() / 255 == pytest.approx(0.2860, abs=1e-4)  # the figure everybody uses
    assert task.channel_sd[0] / 255 == pytest.approx(0.3530, abs=1e-4)
