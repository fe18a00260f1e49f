"""Paths that are devices, FIFOs or too large: refused at once by everything that reads a file."""

import os
import shutil
import threading
from pathlib import Path

import pytest

from sparsight.data.images._cifar import cifar10
from sparsight.data.images._idx import read_idx
from sparsight.data.images._imagenet import imagenet32
from sparsight.data.images._npz import npz
from sparsight.data.images._picture_file import picture_mode
from sparsight.errors import InputError, SparsightError
from sparsight.interchange import read_hub_folder, read_input_scale, read_peer_level
from sparsight.interchange._state_files import read_state
from sparsight.pickles import read_restricted_pickle
from sparsight.recipe import load_recipe
from sparsight.regular_files import open_regular, read_regular, require_regular
from sparsight.reproduce._document import read_tables
from sparsight.run import load_plugins
from sparsight.store import open_run, read_checkpoint, read_sealed
from sparsight.store._lock import owner_of
from sparsight.store._progress_file import read_progress
from sparsight.sweep import open_sweep, plan_sweep


def fifo(path):
    os.mkfifo(path)


def device(path):
    path.symlink_to("/dev/zero")


def link_to_fifo(path):
    os.mkfifo(path.with_name("pipe"))
    path.symlink_to("pipe")


KINDS = pytest.mark.parametrize("make", [fifo, device, link_to_fifo])


def in_a_moment(call, *arguments):
    """Return what a call raised, which may neither block nor read without end; None if it returned."""
    found = []

    def attempt():
        try:
            found.append((None, call(*arguments)))
        except BaseException as error:
            found.append((error, None))

    thread = threading.Thread(target=attempt, daemon=True)
    thread.start()
    thread.join(timeout=20)
    assert found, "it blocks"
    return found[0][0]


@KINDS
@pytest.mark.parametrize("read", [open_regular, read_regular, require_regular])
def test_only_ordinary_files_are_opened(tmp_path, make, read):
    make(tmp_path / "file")
    error = in_a_moment(read, tmp_path / "file")
    assert isinstance(error, OSError)
    assert "only ordinary files are read" in error.strerror


def test_ordinary_files_and_links_to_them_are_read(tmp_path):
    (tmp_path / "file").write_bytes(b"abc")
    (tmp_path / "link").symlink_to("file")
    assert read_regular(tmp_path / "link") == b"abc"
    with open_regular(tmp_path / "file") as file:
        assert file.read() == b"abc"
    assert read_regular(tmp_path / "file", 3) == b"abc"
    with pytest.raises(OSError, match="it has 3 bytes, and at most 2 are read there"):
        read_regular(tmp_path / "file", 2)
    with pytest.raises(IsADirectoryError):
        read_regular(tmp_path)
    with pytest.raises(FileNotFoundError):
        read_regular(tmp_path / "absent")


READERS = {
    "x.npz": lambda path: npz(path=str(path), seed=0),
    "images": lambda path: read_idx(path, 3),
    "images.gz": lambda path: read_idx(path, 3),
    "picture.png": picture_mode,
    "batch": read_restricted_pickle,
    "level.pkl": read_peer_level,
    "state.pt": read_state,
    "state.safetensors": read_state,
    "export.safetensors": read_input_scale,
    "hub/config.json": lambda path: read_input_scale(path.parent),
    "config.json": lambda path: read_hub_folder(path.parent),
    "recipe.toml": load_recipe,
    "own/recipe.toml": lambda path: open_run(path.parent),
    "sweep.toml": plan_sweep,
    "own/sweep.json": lambda path: open_sweep(path.parent),
    "level.json": read_sealed,
    "plugin.py": lambda path: load_plugins([path]),
}


@KINDS
@pytest.mark.parametrize("name", READERS)
def test_every_reader_of_a_named_file_refuses_it_in_one_line(tmp_path, make, name):
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    make(path)
    error = in_a_moment(READERS[name], path)
    assert isinstance(error, SparsightError)
    assert str(path.name) in str(error)


QUIET = {
    ".writer.json": lambda path: owner_of(path.parent),
    ".progress.json": lambda path: read_progress(path.parent),
    "checkpoint.safetensors": lambda path: read_checkpoint(path.parent),
    "local_fields.json": lambda path: read_tables(path.parent),
}


@KINDS
@pytest.mark.parametrize("name", QUIET)
def test_files_of_a_run_that_may_be_missing_count_as_missing(tmp_path, make, name):
    make(tmp_path / name)
    assert in_a_moment(QUIET[name], tmp_path / name) is None


@KINDS
def test_data_folders_with_such_files_are_refused(tmp_path, make):
    for name in ("data_batch_1", "train_data_batch_1", "val_data"):
        shutil.rmtree(tmp_path, ignore_errors=True)
        tmp_path.mkdir()
        make(tmp_path / name)
        assert isinstance(in_a_moment(lambda: cifar10(folder=str(tmp_path), seed=0)), InputError)
        assert isinstance(in_a_moment(lambda: imagenet32(folder=str(tmp_path), seed=0)), InputError)


@KINDS
def test_a_groups_file_that_is_one_is_refused(tmp_path, make):
    make(tmp_path / "groups")
    error = in_a_moment(lambda: imagenet32(folder="x", groups_file=str(tmp_path / "groups"), seed=0))
    assert "only ordinary files" in str(error)


@KINDS
@pytest.mark.parametrize("name", ["level.json", "failed.json", "task.json", "environment.json"])
def test_a_stored_run_with_such_a_file_is_looked_at_in_a_moment(tmp_path, short_run, make, name):
    run = tmp_path / "run"
    shutil.copytree(short_run, run)
    found = [*run.rglob(name)] or [next(run.glob("*/replicate_000")) / name]
    found[0].unlink(missing_ok=True)
    make(found[0])
    error = in_a_moment(lambda: open_run(run).frame())
    assert error is None or isinstance(error, SparsightError)
    assert Path(run).is_dir()
