"""Every call to the operating system that writes, failing one by one: an error in words, and no loss.

Source files: tests/run/README.md.
"""

import errno
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from sparsight.errors import InputError
from sparsight.run import run_recipe
from sparsight.store import RunDirectory, check_run
from sparsight.store._progress_file import PROGRESS
from tests.run.run_digests import digests

WRITING_CALLS = ("open", "write", "fsync", "replace", "rename", "mkdir", "unlink", "utime")


class FaultyDisk:
    """Stands in for the calls of `os` that write under a folder, and fails the n-th of them.

    Attributes
    ----------
    seen : list of (str, str)
        The calls so far, each with its path.
    """

    def __init__(self, monkeypatch, folder, fail_at=None, code=errno.ENOSPC, stays_broken=False):
        self.folder, self.fail_at, self.code, self.stays_broken = str(folder), fail_at, code, stays_broken
        self.seen = []
        self.descriptors = {}
        for name in WRITING_CALLS:
            monkeypatch.setattr(os, name, self.watched(name, getattr(os, name)))

    def watched(self, name, call):
        def instead(first, *arguments, **options):
            path = self.place(first, options)
            if not self.concerns(name, path, arguments):
                result = call(first, *arguments, **options)
                return self.noted(result, path) if name == "open" else result
            number = len(self.seen)
            self.seen.append((name, str(path)))
            if self.fail_at is not None and (
                number == self.fail_at or (self.stays_broken and number > self.fail_at)
            ):
                if name == "write":
                    call(first, bytes(arguments[0])[: len(arguments[0]) // 2])  # half of it reaches the disk
                named = path if isinstance(first, int) else first
                raise OSError(self.code, os.strerror(self.code), named)
            result = call(first, *arguments, **options)
            return self.noted(result, path) if name == "open" else result

        return instead

    def place(self, first, options):
        """Return the path that a call's first argument is, or is below, or is the descriptor of."""
        if isinstance(first, int):
            return self.descriptors.get(first)
        folder = options.get("dir_fd", options.get("src_dir_fd"))
        if folder is None:
            return os.fspath(first)
        return str(Path(self.descriptors.get(folder, "")) / first)

    def noted(self, descriptor, path):
        self.descriptors[descriptor] = str(path)
        return descriptor

    def concerns(self, name, path, arguments):
        if path is None or not str(path).startswith(self.folder):
            return False
        return name != "open" or bool(arguments and arguments[0] & (os.O_WRONLY | os.O_RDWR))


def run_to_the_end(recipe, path):
    return run_recipe(recipe, path, jobs=1, checkpoint_seconds=0.0)


@pytest.fixture
def tiny_recipe(short_recipe):
    """A recipe with few steps, each of which will write a checkpoint."""
    return short_recipe.model_copy(
        update={
            "training": short_recipe.training.model_copy(update={"steps": 6}),
            "conditions": {"imp": {}},
        }
    )


@pytest.fixture
def expected(tiny_recipe, tmp_path):
    run_to_the_end(tiny_recipe, tmp_path / "expected")
    return digests(tmp_path / "expected")


def num_calls(monkeypatch, recipe, path):
    with monkeypatch.context() as patch:
        disk = FaultyDisk(patch, path)
        run_to_the_end(recipe, path)
    return disk.seen


def fail_once(monkeypatch, recipe, path, number, **how):
    """Return the error that the user sees, or None if the run reached its end."""
    with monkeypatch.context() as patch:
        FaultyDisk(patch, path, number, **how)
        try:
            run_to_the_end(recipe, path)
        except InputError as error:
            return str(error)
    return None


@pytest.mark.slow
@pytest.mark.parametrize(
    ("code", "every"), [(errno.ENOSPC, 1), (errno.EIO, 5), (errno.EDQUOT, 5), (errno.EROFS, 5)]
)
def test_every_writing_call_failing_one_by_one(monkeypatch, tmp_path, tiny_recipe, expected, code, every):
    calls = num_calls(monkeypatch, tiny_recipe, tmp_path / "counted")
    assert {name for name, _ in calls} >= {"open", "write", "fsync", "replace", "mkdir", "unlink"}
    assert len(calls) > 100
    for number in range(code % every, len(calls), every):
        call = calls[number]
        path = tmp_path / f"run-{number}"
        said = fail_once(monkeypatch, tiny_recipe, path, number, code=code)
        if call[0] in ("write", "fsync", "replace") and PROGRESS not in call[1]:
            assert said is not None, (number, call)
        if said is not None:
            assert os.strerror(code) in said, (number, call)
            assert "\n" not in said
        run_to_the_end(tiny_recipe, path)
        assert digests(path) == expected, (number, call)
        assert not list(path.rglob("*.tmp")), (number, call)
        shutil.rmtree(path)


def test_a_disk_that_stays_full_leaves_what_was_stored_whole(monkeypatch, tmp_path, tiny_recipe, expected):
    calls = num_calls(monkeypatch, tiny_recipe, tmp_path / "counted")
    path = tmp_path / "run"
    said = fail_once(monkeypatch, tiny_recipe, path, int(0.8 * len(calls)), stays_broken=True)
    assert "No space left on device" in said
    assert "the same command resumes the run" in said
    whole, replicates = check_run(RunDirectory.open(path))
    assert whole == []
    assert all(health.problems == () and health.last_good is not None for health in replicates)
    run_to_the_end(tiny_recipe, path)
    assert digests(path) == expected


def test_a_folder_moved_away_while_it_is_written_to_is_reported(tmp_path, short_recipe):
    """Resumed in the new place, the run reaches the same end."""
    path, moved = tmp_path / "run", tmp_path / "moved"
    long = short_recipe.model_copy(
        update={"training": short_recipe.training.model_copy(update={"steps": 1500})}
    )
    run_recipe(long, tmp_path / "expected", jobs=1)

    def move(directory, *_level):
        if directory.path.exists():
            directory.path.rename(moved)

    with pytest.raises(InputError, match="No such file or directory"):
        run_recipe(long, path, jobs=1, on_level=move)
    assert not path.exists()
    run_recipe(long, moved, jobs=1)
    assert digests(moved) == digests(tmp_path / "expected")


@pytest.mark.skipif(os.name == "nt", reason="folders have no such permission there")
def test_a_read_only_folder_is_reported_before_anything_is_computed(tmp_path, short_recipe):
    folder = tmp_path / "mine"
    folder.mkdir(mode=0o555)
    if os.access(folder, os.W_OK):
        pytest.skip("this user may write everywhere (root)")
    with pytest.raises(InputError, match="cannot be written: Permission denied; choose another --out"):
        run_recipe(short_recipe, folder / "run", jobs=1)


@pytest.fixture
def small_disk(tmp_path):
    """A real file system of 1 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "sparsight-test", str(folder)]
    if sys.platform != "linux" or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("this user may not mount a small file system")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_disk_that_is_really_full(small_disk, short_recipe, tmp_path, short_run):
    """Resumed once there is room again, the run reaches the same end."""
    filler = small_disk / "filler"
    filler.write_bytes(bytes(900 * 1024))
    with pytest.raises(InputError, match="No space left on device"):
        run_recipe(short_recipe, small_disk / "run", jobs=1)
    filler.unlink()
    run_recipe(short_recipe, small_disk / "run", jobs=1)
    assert digests(small_disk / "run") == digests(short_run)
