import multiprocessing
import time

import numpy as np
import pytest

from sparsight.data.images._cache import kept_array


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path):
    monkeypatch.setenv("SPARSIGHT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "arrays"


ARRAY = np.arange(12, dtype=np.uint8).reshape(3, 4)


def refuse():
    raise AssertionError("made again")


def test_an_array_is_made_once_and_then_read(cache):
    np.testing.assert_array_equal(kept_array("key", lambda: ARRAY), ARRAY)
    found = kept_array("key", refuse)
    np.testing.assert_array_equal(found, ARRAY)
    assert found.dtype == np.uint8
    assert not found.flags.writeable
    assert not list(cache.glob("*.tmp"))
    np.testing.assert_array_equal(kept_array("other", lambda: ARRAY + 1), ARRAY + 1)


@pytest.mark.parametrize("length", [0, 40, 135])
def test_a_file_that_is_cut_short_is_made_again(cache, length):
    kept_array("key", lambda: ARRAY)
    path = cache / "key.npy"
    path.write_bytes(path.read_bytes()[:length])
    np.testing.assert_array_equal(kept_array("key", lambda: ARRAY), ARRAY)
    np.testing.assert_array_equal(kept_array("key", refuse), ARRAY)


def test_without_a_place_to_keep_it_an_array_is_made_every_time(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("SPARSIGHT_CACHE", str(tmp_path / "file"))
    for value in (1, 2):
        np.testing.assert_array_equal(kept_array("key", lambda value=value: ARRAY + value), ARRAY + value)


def test_what_cannot_be_made_leaves_nothing_behind(cache):
    with pytest.raises(AssertionError, match="made again"):
        kept_array("key", refuse)
    assert not list(cache.glob("*.npy"))


def ask(barrier, made, answers):
    def make():
        with made.get_lock():
            made.value += 1
        time.sleep(0.3)  # long enough for the other to ask, too
        return ARRAY

    barrier.wait()
    answers.put(kept_array("shared", make).tolist())


def test_two_processes_make_an_array_once():
    context = multiprocessing.get_context("spawn")
    barrier, made, answers = context.Barrier(2), context.Value("i", 0), context.Queue()
    processes = [context.Process(target=ask, args=(barrier, made, answers)) for _ in range(2)]
    for process in processes:
        process.start()
    found = [answers.get(timeout=120) for _ in processes]
    for process in processes:
        process.join()
    assert found == [ARRAY.tolist()] * 2
    assert made.value == 1
