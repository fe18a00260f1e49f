"""Damaged data files are refused in one line, or read as what a checksum or their structure says they are."""

import gzip
import io
import pickle
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, strategies as st

from sparsight.data.images import _cifar as cifar, _imagenet as imagenet
from sparsight.data.images._batches import batch_arrays
from sparsight.data.images._cifar import cifar10
from sparsight.data.images._idx import idx, read_idx
from sparsight.data.images._imagenet import imagenet32
from sparsight.data.images._npz import npz, read_npz
from sparsight.errors import InputError
from sparsight.pickles._interpreter import unpickle_restricted
from tests.fuzzing import apply_damage, damage, fuzzed

STREAM = np.random.default_rng(0)
IMAGES = STREAM.integers(0, 256, (30, 5, 4), dtype=np.uint8)
LABELS = (np.arange(30) % 3).astype(np.uint8)


def idx_bytes(array):
    return struct.pack(f">4B{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes()


def npz_bytes(save, **arrays):
    file = io.BytesIO()
    save(file, **arrays)
    return file.getvalue()


ARRAYS = {
    "train_inputs": STREAM.normal(size=(12, 1, 6)),
    "train_labels": np.arange(12) % 2,
    "test_inputs": STREAM.normal(size=(4, 1, 6)),
    "test_labels": np.arange(4) % 2,
}
NPZ = {"stored": npz_bytes(np.savez, **ARRAYS), "compressed": npz_bytes(np.savez_compressed, **ARRAYS)}
BATCH = {"data": STREAM.integers(0, 256, (4, 3 * 32 * 32), dtype=np.uint8), "labels": [1, 2, 3, 4]}
PICKLES = {f"protocol {number}": pickle.dumps(BATCH, number) for number in range(pickle.HIGHEST_PROTOCOL + 1)}


def read_or_refused(call):
    """Return what the call gives, or None if it refuses, in one line; any other exception fails the test."""
    try:
        return call()
    except InputError as error:
        refusal = str(error)
    assert "\n" not in refusal
    assert len(refusal) < 1000
    return None


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("fuzzed")


@fuzzed
@given(damage)
def test_idx(folder, changes):
    content = apply_damage(idx_bytes(IMAGES), changes)
    path = folder / "images"
    path.write_bytes(content)
    array = read_or_refused(lambda: read_idx(path, 3))
    if array is not None:
        assert array.shape == struct.unpack(">3I", content[4:16])
        assert array.tobytes() == content[16:]


@fuzzed
@given(damage)
def test_gzipped_idx_is_the_original_or_refused(folder, changes):
    path = folder / "images.gz"
    path.write_bytes(apply_damage(gzip.compress(idx_bytes(IMAGES), mtime=0), changes))
    array = read_or_refused(lambda: read_idx(path, 3))
    if array is not None:
        np.testing.assert_array_equal(array, IMAGES)


@fuzzed
@given(st.sampled_from(["images", "labels"]), damage)
def test_tasks_of_idx_files(folder, damaged, changes):
    for split in ("train", "t10k"):
        for kind, axes, array in (("images", 3, IMAGES), ("labels", 1, LABELS)):
            content = idx_bytes(array)
            if kind == damaged and split == "train":
                content = apply_damage(content, changes)
            (folder / f"{split}-{kind}-idx{axes}-ubyte").write_bytes(content)
    task = read_or_refused(lambda: idx(folder=str(folder), num_classes=3, seed=0))
    assert task is None or np.isfinite(task.samples("train")[0].numpy()).all()


@fuzzed
@given(st.sampled_from(sorted(NPZ)), damage)
def test_npz_is_the_original_or_refused(folder, kind, changes):
    path = folder / "arrays.npz"
    path.write_bytes(apply_damage(NPZ[kind], changes))
    arrays = read_or_refused(lambda: read_npz(path, tuple(ARRAYS), 2**20))
    for name in arrays or {}:
        np.testing.assert_array_equal(arrays[name], ARRAYS[name])
    read_or_refused(lambda: npz(path=str(path), seed=0))


@fuzzed
@given(st.sampled_from(sorted(ARRAYS)), damage)
def test_npz_with_damage_under_the_checksum(folder, damaged, changes):
    path = folder / "rewritten.npz"
    with zipfile.ZipFile(io.BytesIO(NPZ["stored"])) as good, zipfile.ZipFile(path, "w") as archive:
        for name in good.namelist():
            content = good.read(name)
            archive.writestr(name, apply_damage(content, changes) if name == f"{damaged}.npy" else content)
    task = read_or_refused(lambda: npz(path=str(path), seed=0))
    assert task is None or np.isfinite(task.samples("train")[0].numpy()).all()


@fuzzed
@given(st.sampled_from(sorted(PICKLES)), damage)
def test_pickled_batches(kind, changes):
    content = apply_damage(PICKLES[kind], changes)
    batch = read_or_refused(lambda: batch_arrays(unpickle_restricted(content, "batch"), Path("batch"), 3072))
    if batch is not None:
        images, labels = batch
        assert images.dtype == np.uint8
        assert images.tobytes() in content or kind < "protocol 3"  # old protocols keep bytes as text
        assert labels.shape == images.shape[:1]


TOKENS = [b"(", b")", b"]", b"}", b"2", b"t", b"\x85", b"\x86", b"\x87", b"R", b"b", b"a", b"e", b"s", b"u",
          b"N", b"0", b"1", b"\x93", b"\x94", b"\x8f", b"\x90", b"\x91", b"K\x01", b"K\xff", b"h\x00",
          b"q\x00", b"U\x02u1", b"X\x01\0\0\0b", b"C\x01b", b"cnumpy\nndarray\n", b"cnumpy\ndtype\n",
          b"cnumpy._core.multiarray\n_reconstruct\n", b"cnumpy._core.multiarray\nscalar\n",
          b"cnumpy._core.numeric\n_frombuffer\n", b"c_codecs\nencode\n", b"c__builtin__\nset\n"]  # fmt: skip


@fuzzed
@given(st.lists(st.sampled_from(TOKENS), max_size=60))
def test_any_sequence_of_pickle_operations(tokens):
    read_or_refused(lambda: unpickle_restricted(b"".join(tokens) + b".", "tokens"))


@pytest.fixture(scope="module")
def few_images():
    """CIFAR-10 and ImageNet32 of so many images: the readers know how many the sets have."""
    patch = pytest.MonkeyPatch()
    patch.setattr(cifar, "NUM_TRAIN", 20)
    patch.setattr(cifar, "NUM_TEST", 4)
    patch.setattr(imagenet, "NUM_TRAIN", 40)
    patch.setattr(imagenet, "NUM_TEST", 4)
    yield
    patch.undo()


@fuzzed
@given(st.sampled_from(["data_batch_1", "data_batch_5", "test_batch"]), st.booleans(), damage)
def test_cifar_folders(tmp_path_factory, few_images, damaged, is_binary, changes):
    root = tmp_path_factory.getbasetemp() / f"cifar-{is_binary}"
    root.mkdir(exist_ok=True)
    rows = np.concatenate([np.array(BATCH["labels"], np.uint8)[:, None], BATCH["data"]], axis=1)
    content = rows.tobytes() if is_binary else PICKLES["protocol 2"]
    for name in (*cifar.TRAIN_FILES, *cifar.TEST_FILES):
        path = root / (f"{name}.bin" if is_binary else name)
        path.write_bytes(apply_damage(content, changes) if name == damaged else content)
    task = read_or_refused(lambda: cifar10(folder=str(root), seed=0))
    assert task is None or (task.train_inputs.shape == (20, 3, 32, 32) and task.train_labels.max() < 10)


@fuzzed
@given(st.sampled_from(["train_data_batch_3", "val_data"]), st.booleans(), damage)
def test_imagenet_folders(tmp_path_factory, monkeypatch_module, few_images, damaged, is_npz, changes):
    root = tmp_path_factory.getbasetemp() / f"imagenet-{is_npz}"
    root.mkdir(exist_ok=True)
    labels = np.array(BATCH["labels"])
    content = npz_bytes(np.savez, data=BATCH["data"], labels=labels) if is_npz else PICKLES["protocol 4"]
    for name in (*imagenet.TRAIN_FILES, *imagenet.TEST_FILES):
        path = root / (f"{name}.npz" if is_npz else name)
        path.write_bytes(apply_damage(content, changes) if name == damaged else content)
    task = read_or_refused(lambda: imagenet32(folder=str(root), seed=0))
    assert task is None or task.train_inputs.shape == (40, 3, 32, 32)
    if task is not None and is_npz:
        np.testing.assert_array_equal(task.train_inputs[:4].reshape(4, -1), BATCH["data"])


@pytest.fixture(scope="module")
def monkeypatch_module(tmp_path_factory):
    patch = pytest.MonkeyPatch()
    patch.setenv("SPARSIGHT_CACHE", str(tmp_path_factory.mktemp("cache")))
    yield patch
    patch.undo()
