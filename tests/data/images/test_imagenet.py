import os
import pickle
import time
import tracemalloc
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest

from sparsight.data.images import _imagenet as imagenet, _standardise as standardise
from sparsight.data.images._imagenet import TEST_FILES, TRAIN_FILES, converted, imagenet32, imagenet64
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
    monkeypatch.setattr(imagenet, "NUM_TRAIN", 300)
    monkeypatch.setattr(imagenet, "NUM_TEST", 30)
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


@pytest.mark.parametrize("name", ["train_data_batch_3", "val_data"])
def test_relabelled_files_are_not_read_from_the_cache(folder, name):
    before = imagenet32(folder=str(folder), seed=0)
    path = folder / name
    times = path.stat()
    batch = pickle.loads(path.read_bytes())
    batch["labels"] = batch["labels"][::-1]
    path.write_bytes(pickle.dumps(batch))
    assert path.stat().st_size == times.st_size
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    after = imagenet32(folder=str(folder), seed=0)
    labels = ("train_labels", slice(60, 90)) if name.startswith("train") else ("test_labels", slice(None))
    ours, theirs = (getattr(task, labels[0])[labels[1]] for task in (after, before))
    np.testing.assert_array_equal(ours, theirs[::-1])
    assert (ours != theirs).any()


def test_the_cache_is_used_again_and_knows_other_files(folder, monkeypatch):
    imagenet32(folder=str(folder), seed=0)
    monkeypatch.setattr("sparsight.data.images._imagenet._convert", None)
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
    with pytest.raises(InputError, match="holds 3 numbers, 0 to 2; 1000 from 0 to 1000"):
        imagenet32(folder=str(folder), groups_file=str(groups), seed=0)
    with pytest.raises(InputError, match="cannot be read"):
        imagenet32(folder=str(folder), groups_file=str(folder / "absent"), seed=0)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("separator", [",", ", ", "\n", " ", ",\n"])
def test_groups_are_read_as_the_ancestors_and_as_spreadsheets_write_them(folder, separator, encoding):
    plain = imagenet32(folder=str(folder), seed=0)
    groups = folder / "classes.dat"
    groups.write_text(separator.join(str(c % 4) for c in range(1000)) + "\n", encoding=encoding)
    task = imagenet32(folder=str(folder), groups_file=str(groups), seed=0)
    np.testing.assert_array_equal(task.train_labels, plain.train_labels % 4)
    assert "label_map" not in task.card


def test_super_classes_from_1_or_with_gaps_are_numbered_from_0(folder):
    plain = imagenet32(folder=str(folder), seed=0)
    groups = folder / "groups.txt"
    groups.write_text(" ".join(str((7, 1, 9)[c % 3]) for c in range(1000)))
    task = imagenet32(folder=str(folder), groups_file=str(groups), seed=0)
    assert task.num_classes == 3
    np.testing.assert_array_equal(task.train_labels, np.array([1, 0, 2])[plain.train_labels % 3])
    assert task.card["label_map"] == {"1": 0, "7": 1, "9": 2}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "holds 0 numbers"),
        (" ".join(["0"] * 999 + ["1001"]), "numbers, 0 to 1001; 1000 from 0 to 1000 are needed"),
        (" ".join(["0"] * 999 + ["-1"]), "numbers, -1 to 0;"),
        (" ".join(["0"] * 999 + ["9" * 30]), "from 0 to 1000 are needed"),
        ("0.5 " * 1000, "whole numbers are needed"),
        ("0 " * 1000, "names only one super-class"),
        ("1 " * 10**6, "at most 131072 are read there"),
    ],
    ids=["empty", "too large", "negative", "huge", "fractions", "one", "long"],
)
def test_groups_that_do_not_fit_are_refused(folder, text, message):
    groups = folder / "groups.txt"
    groups.write_text(text)
    with pytest.raises(InputError, match=message):
        imagenet32(folder=str(folder), groups_file=str(groups), seed=0)


def test_missing_files_are_listed_before_anything_is_converted(folder):
    (folder / "train_data_batch_4").unlink()
    (folder / "val_data").unlink()
    message = (
        "has no train_data_batch_4, val_data .* the ImageNet project's download page, where it is published "
        "as downsampled ImageNet"
    )
    with pytest.raises(InputError, match=message):
        imagenet32(folder=str(folder), seed=0)
    assert not (folder / "cache").exists()


def test_a_set_with_too_few_images_is_refused(folder):
    batch = {"data": np.zeros((29, 3072), np.uint8), "labels": list(range(1, 30))}
    (folder / "train_data_batch_7").write_bytes(pickle.dumps(batch))
    with pytest.raises(InputError, match="train_data_batch_10 in .* hold 299 images; the set has 300"):
        imagenet32(folder=str(folder), seed=0)
    assert not [path for path in (folder / "cache").iterdir() if path.suffix != ".lock"]


@pytest.mark.parametrize("kind", ["pickle", "npz"])
@pytest.mark.parametrize("where", [0.0, 0.001, 0.5, 0.99])
def test_a_truncated_batch_is_named(folder, kind, where):
    write(folder, kind=kind)
    if kind == "npz":
        for name in (*TRAIN_FILES, *TEST_FILES):
            (folder / name).unlink()
    name = "train_data_batch_2" + (".npz" if kind == "npz" else "")
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content[: int(len(content) * where)])
    with pytest.raises(InputError, match=f"{name} is not an? .* damaged"):
        imagenet32(folder=str(folder), seed=0)


def test_a_damaged_compressed_batch_is_named(folder):
    (folder / "val_data").unlink()
    path = folder / "val_data.npz"
    np.savez_compressed(
        path, data=np.arange(30 * 3072).reshape(30, 3072).astype(np.uint8), labels=np.arange(30)
    )
    content = bytearray(path.read_bytes())
    content[200:220] = bytes(20)
    path.write_bytes(content)
    with pytest.raises(InputError, match="val_data.npz is not an .npz file or is damaged"):
        imagenet32(folder=str(folder), seed=0)
    np.savez(path, data=np.zeros((30, 3072), np.uint8))
    with pytest.raises(InputError, match="has no array 'labels'; it needs data, labels"):
        imagenet32(folder=str(folder), seed=0)


def test_a_hostile_batch_is_refused_and_does_not_run(folder):
    marker = folder / "owned"

    class Hostile:
        def __reduce__(self):
            return os.system, (f"touch {marker}",)

    (folder / "val_data").write_bytes(pickle.dumps({"data": Hostile(), "labels": [1]}))
    with pytest.raises(InputError, match="val_data asks for 'posix.system'"):
        imagenet32(folder=str(folder), seed=0)
    assert not marker.exists()


@pytest.mark.parametrize("kind", ["images", "labels"])
@pytest.mark.parametrize("length", [0, 50, 500, -1])
def test_a_damaged_cache_is_made_again(folder, kind, length):
    expected = imagenet32(folder=str(folder), seed=0)
    inputs, labels = np.array(expected.train_inputs), expected.train_labels
    del expected
    for path in (folder / "cache").glob(f"*.{kind}.npy"):
        path.write_bytes(path.read_bytes()[:length])
    task = imagenet32(folder=str(folder), seed=0)
    np.testing.assert_array_equal(task.train_inputs, inputs)
    np.testing.assert_array_equal(task.train_labels, labels)


@pytest.mark.parametrize("name", ["fsync", "replace", "mkdir"])
def test_a_disk_that_refuses_is_reported_and_leaves_nothing(folder, monkeypatch, name):
    def fail(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path if name == "mkdir" else os, name, fail)
    with pytest.raises(InputError, match=r"\(921600 bytes\) .*No space left .* SPARSIGHT_CACHE"):
        imagenet32(folder=str(folder), seed=0)
    monkeypatch.undo()
    assert not list(folder.glob("cache/*.npy"))
    assert not list(folder.glob("cache/*.tmp"))


def test_what_a_killed_process_left_is_removed(folder):
    imagenet32(folder=str(folder), seed=0)
    for path in (folder / "cache").glob("*.npy"):
        path.rename(path.with_name(f".{path.name}.123.tmp"))
    imagenet32(folder=str(folder), seed=0)
    assert not list(folder.glob("cache/*.tmp"))


def _peaks_of_reading(folder):
    imagenet.NUM_TRAIN, imagenet.NUM_TEST = 5_000, 30
    standardise._SAMPLES_PER_BLOCK = 20
    peaks = []
    for _ in ("convert", "from the cache"):
        tracemalloc.start()
        task = imagenet32(folder=folder, seed=0)
        task.batch(0, 0, 10)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        del task
    return peaks


def test_the_whole_set_is_never_in_memory(folder):
    images = np.random.default_rng(1).integers(0, 256, (500, 3072), dtype=np.uint8)
    for name in TRAIN_FILES:
        labels = (np.arange(500) + 1).tolist()
        (folder / name).write_bytes(pickle.dumps({"data": images, "labels": labels}, 4))
    # In a process of its own: threads that other tests left running would be counted here.
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        converting, from_the_cache = pool.submit(_peaks_of_reading, str(folder)).result()
    # Of ten batches of this size; two are the file and the array in it.
    assert converting < 3 * images.nbytes
    assert from_the_cache < 2 * images.nbytes


def test_labels_out_of_range_and_other_sizes_are_refused(folder):
    data = np.zeros((2, 3072), np.uint8)
    (folder / "val_data").write_bytes(pickle.dumps({"data": data, "labels": [0, 1]}))
    with pytest.raises(InputError, match="labels 0 to 1; 1 to 1000 is allowed"):
        imagenet32(folder=str(folder), seed=0)
    with pytest.raises(InputError, match=r"uint8 \(n, 12288\) is needed"):
        imagenet64(folder=str(folder), seed=0)
    assert not list((folder / "cache").glob("*.tmp"))


def _convert_in(arguments):
    """Convert in a process of its own, once both are there, slowly, leaving a line for each conversion."""
    folder, number = arguments
    convert = imagenet._convert

    def slowly(*arguments):
        with (folder / "conversions").open("a") as file:
            file.write(f"{number}\n")
        time.sleep(0.5)
        convert(*arguments)

    imagenet._convert = slowly
    (folder / f"ready-{number}").touch()
    deadline = time.monotonic() + 60
    while len(list(folder.glob("ready-*"))) < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    images, labels = converted([folder / name for name in TRAIN_FILES], 32, 300)
    return int(images.sum()), int(labels.sum())


def test_of_two_processes_at_once_one_converts_and_the_other_waits(folder):
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        first, second = pool.map(_convert_in, [(folder, 0), (folder, 1)])
    assert len(list(folder.glob("ready-*"))) == 2
    task = imagenet32(folder=str(folder), seed=0)
    assert first == second == (int(task.train_inputs.sum()), int(task.train_labels.sum()))
    assert len((folder / "conversions").read_text().split()) == 1
    assert not list((folder / "cache").glob("*.tmp"))
