import dataclasses

import numpy as np
import pytest

from sparsight.data import _clone_storage as clone_storage
from sparsight.run import Size, place
from tests import toy

GIB = 2**30
SMALL, MIDDLE, LARGE = Size(5_000, GIB), Size(2_000_000, GIB), Size(500_000_000, 40 * GIB)


@pytest.fixture(autouse=True)
def no_limit(monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)


@pytest.mark.parametrize(
    ("value", "threads"),
    [("1", 1), ("3", 3), ("99", 8), ("2,4", 2), ("", 8), ("0", 8), ("-2", 8), ("many", 8), (" 2 ", 2)],
)
def test_the_users_number_of_threads_is_an_upper_limit(monkeypatch, value, threads):
    monkeypatch.setenv("OMP_NUM_THREADS", value)
    placement = place(LARGE, 20, ["cpu"], num_cores=8, memory=64 * GIB)
    assert (placement.jobs, placement.threads) == (1, threads)
    assert ("OMP_NUM_THREADS" in placement.reason) == (threads < 8)
    assert place(LARGE, 20, ["cpu"], num_cores=8, memory=64 * GIB, max_threads=8).threads == 8


@pytest.mark.parametrize(
    ("size", "num_units", "devices", "asked", "jobs", "threads"),
    [
        (SMALL, 20, ["cpu"], None, 8, 1),
        (SMALL, 3, ["cpu"], None, 3, 1),
        (MIDDLE, 20, ["cpu"], None, 8, 1),
        (MIDDLE, 3, ["cpu"], None, 3, 2),
        (LARGE, 20, ["cpu"], None, 1, 8),
        (Size(2_000_000, 15 * GIB), 20, ["cpu"], None, 2, 4),
        (MIDDLE, 20, ["cpu", "cuda"], None, 1, 8),
        (MIDDLE, 20, ["cpu"], 4, 4, 2),
        (LARGE, 20, ["cpu"], 2, 2, 4),
        (SMALL, 0, ["cpu"], None, 1, 1),
        (MIDDLE, 99, ["cpu"], 16, 16, 1),
    ],
)
def test_place_shares_out_cores_and_memory(size, num_units, devices, asked, jobs, threads):
    placement = place(size, num_units, devices, asked, num_cores=8, memory=64 * GIB)
    assert (placement.jobs, placement.threads) == (jobs, threads)
    assert placement.reason


def test_place_never_takes_more_threads_than_cores():
    for num_cores in (1, 2, 3, 7, 64):
        for num_units in range(1, 70):
            placement = place(MIDDLE, num_units, ["cpu"], num_cores=num_cores, memory=256 * GIB)
            assert placement.jobs * placement.threads <= num_cores
            assert placement.jobs <= num_units


def test_size_counts_data_and_clones_but_not_what_is_mapped(tmp_path, monkeypatch):
    task = toy.linear_task(num_inputs=1000, num_train=900, num_test=100)
    bare = Size.of(5_000, task, 0).num_bytes
    assert Size.of(5_000, task, 2).num_bytes - bare == 2 * 4 * 1000 * 1000
    assert (
        Size.of(15_000, task, 0).num_bytes - bare == Size.of(25_000, task, 0).num_bytes - bare - 10_000 * 200
    )
    mapped = np.memmap(tmp_path / "images", np.uint8, "w+", shape=(900, 1, 1000))
    bytes_of = {"train_inputs": mapped, "channel_mean": np.zeros(1), "channel_sd": np.ones(1)}
    images = dataclasses.replace(task, test_inputs=np.zeros((100, 1, 1000), np.uint8), **bytes_of)
    assert Size.of(5_000, images, 0).num_bytes == bare - 4 * 900 * 1000 - 3 * 100 * 1000
    assert Size.of(5_000, images, 1).num_bytes - Size.of(5_000, images, 0).num_bytes == 4 * 1000 * 1000
    monkeypatch.setattr(clone_storage, "MAX_FLOAT_BYTES", 1)
    assert Size.of(5_000, images, 1) == Size.of(5_000, images, 0)  # kept in the cache, and mapped from there
    drawn = dataclasses.replace(images, draw=lambda seed, step, size: None)
    assert Size.of(5_000, drawn, 1).num_bytes - Size.of(5_000, drawn, 0).num_bytes == 1000 * 1000
