"""Large clones are made once, and what the cache gives back is what was made."""

import numpy as np
import pytest

from sparsight.data import (
    CLONES,
    _clone_storage as clone_storage,
    _clones as clones,
    clone_task,
    task_digests,
)
from tests.train.test_device_batches import drawn, pictures


@pytest.fixture
def large(monkeypatch, tmp_path):
    """Take every clone of bytes for large, and keep it in an empty cache."""
    monkeypatch.setenv("SPARSIGHT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(clone_storage, "MAX_FLOAT_BYTES", 1)
    return tmp_path / "cache" / "arrays"


@pytest.fixture
def counted(monkeypatch):
    """Count how often a twin is made."""
    calls, makers = [], list(clones._MAKERS)

    def counting(maker):
        return lambda task, seed: (calls.append((maker.__name__, seed)), maker(task, seed))[1]

    monkeypatch.setattr(clones, "_MAKERS", tuple(map(counting, makers)))
    return calls


def is_mapped(array):
    while array is not None and not isinstance(array, np.memmap):
        array = array.base
    return array is not None


@pytest.mark.parametrize("kind", CLONES)
def test_a_kept_clone_is_the_clone_that_was_made(large, counted, kind):
    task = pictures()
    made = dict(zip(clones.CLONES, clones._MAKERS, strict=True))[kind](task, 3)
    counted.clear()
    first, second = (clone_task(task, kind, 3) for _ in range(2))
    assert len(counted) == 1
    for found in (first, second):
        assert task_digests(found) == task_digests(made)
        assert found.card == made.card
        assert found.name == made.name
        assert is_mapped(found.train_inputs)
        assert is_mapped(found.test_inputs)
        assert found.train_inputs.dtype == np.uint8


def test_another_seed_kind_or_task_is_another_clone(large, counted):
    task = pictures()
    other = pictures(train_labels=np.roll(task.train_labels, 1))
    for arguments in [
        (task, "gaussian", 0),
        (task, "gaussian", 1),
        (task, "phase", 0),
        (other, "gaussian", 0),
    ]:
        clone_task(*arguments)
        clone_task(*arguments)
    assert len(counted) == 4


def test_a_damaged_clone_is_made_again(large, counted):
    task = pictures()
    before = task_digests(clone_task(task, "gaussian", 0))
    (kept,) = large.glob("*-train_inputs.npy")
    kept.write_bytes(kept.read_bytes()[:-1] + b"\x00\x01")
    assert task_digests(clone_task(task, "gaussian", 0)) == before
    assert len(counted) == 2


def test_small_clones_and_fresh_samples_are_not_kept(monkeypatch, tmp_path):
    monkeypatch.setenv("SPARSIGHT_CACHE", str(tmp_path / "cache"))
    clone_task(pictures(), "gaussian", 0)
    monkeypatch.setattr(clone_storage, "MAX_FLOAT_BYTES", 1)
    clone_task(drawn(), "gaussian", 0)
    assert not (tmp_path / "cache").exists()
