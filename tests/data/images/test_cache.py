import multiprocessing
import os
import time
from contextlib import suppress

import numpy as np
import pytest

from sparsight.atomic import sha256_of
from sparsight.data.images import _cache
from sparsight.data.images._cache import content_digest, is_whole, kept_array, sealed_file


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


def test_an_array_that_was_changed_in_the_cache_is_made_again(cache, caplog):
    kept_array("key", lambda: ARRAY)
    path = cache / "key.npy"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    np.testing.assert_array_equal(kept_array("key", lambda: ARRAY), ARRAY)
    assert "in the cache is damaged" in caplog.text
    np.testing.assert_array_equal(kept_array("key", refuse), ARRAY)


def test_an_array_without_its_digest_is_made_again(cache):
    kept_array("key", lambda: ARRAY)
    (cache / "key.npy.sha256.json").unlink()
    np.testing.assert_array_equal(kept_array("key", lambda: ARRAY), ARRAY)


def old(path, seconds=100):
    """Set the time of a file's last change back."""
    os.utime(path, (time.time() - seconds,) * 2)


@pytest.fixture
def hashed(monkeypatch):
    """Which files were read to be hashed."""
    seen = []
    monkeypatch.setattr(_cache, "sha256_of", lambda path: seen.append(path) or sha256_of(path))
    return seen


def test_a_file_is_hashed_once_as_long_as_it_is_the_same(cache, tmp_path, hashed):
    path = tmp_path / "data"
    path.write_bytes(b"a" * 100)
    old(path)
    digests = {content_digest(path) for _ in range(3)}
    assert digests == {sha256_of(path)}
    assert len(hashed) == 1


def test_a_change_is_noticed_though_size_and_date_are_the_same(cache, tmp_path):
    path = tmp_path / "data"
    path.write_bytes(b"a" * 100)
    old(path)
    before, times = content_digest(path), path.stat()
    time.sleep(0.02)
    path.write_bytes(b"a" * 99 + b"b")
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert path.stat().st_mtime_ns == times.st_mtime_ns
    assert content_digest(path) == sha256_of(path) != before


def test_so_is_another_file_in_its_place(cache, tmp_path):
    path, other = tmp_path / "data", tmp_path / "other"
    for each, content in ((path, b"a"), (other, b"b")):
        each.write_bytes(content * 100)
        os.utime(each, (1e9, 1e9))
    before = content_digest(path)
    other.rename(path)
    assert content_digest(path) == sha256_of(path) != before


def test_a_file_that_has_just_changed_is_not_trusted(cache, tmp_path, hashed):
    path = tmp_path / "data"
    path.write_bytes(b"a" * 100)
    content_digest(path)
    content_digest(path)
    assert len(hashed) == 2


def test_a_file_is_hashed_while_it_is_written(tmp_path, monkeypatch):
    monkeypatch.setattr(_cache, "sha256_of", lambda path: pytest.fail(f"{path} is read again"))
    with sealed_file(tmp_path / "set.npy") as file:
        np.save(file, np.arange(5))
        file.write(memoryview(np.ones(7, np.uint8)))
    monkeypatch.undo()
    assert is_whole(tmp_path / "set.npy")
    with (tmp_path / "set.npy").open("ab") as file:
        file.write(b"x")
    assert not is_whole(tmp_path / "set.npy")


def test_a_file_that_was_not_finished_is_neither_there_nor_sealed(tmp_path):
    with suppress(KeyboardInterrupt), sealed_file(tmp_path / "set.npy") as file:
        file.write(b"half")
        raise KeyboardInterrupt
    assert not list(tmp_path.iterdir())
