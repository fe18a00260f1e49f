"""Files written below a folder from somebody else: never through a link, never into a file that exists."""

import errno
import os
import secrets
import stat
from pathlib import Path

import pytest

from sparsight.atomic import follow_umask, make_folder, open_atomically, write_atomically
from sparsight.errors import InputError


@pytest.fixture
def folder(tmp_path):
    """A folder from somebody else, beside a file of the user's."""
    (tmp_path / "profile").write_text("mine")
    (tmp_path / "home").mkdir()
    (tmp_path / "given" / "inner").mkdir(parents=True)
    return tmp_path / "given"


def write_bytes(path, inside):
    write_atomically(path, b"new", inside=inside)


def write_stream(path, inside):
    with open_atomically(path, inside=inside) as file:
        file.write(b"new")


WRITERS = pytest.mark.parametrize("write", [write_bytes, write_stream])


@WRITERS
def test_a_file_is_written_where_nothing_leads_away(folder, write):
    write(folder / "inner" / "a.txt", folder)
    write(folder / "inner" / "a.txt", folder)
    assert (folder / "inner" / "a.txt").read_bytes() == b"new"
    assert [path.name for path in (folder / "inner").iterdir()] == ["a.txt"]


@WRITERS
@pytest.mark.parametrize("target", ["../profile", "../absent", "/dev/null"])
def test_a_file_takes_the_place_of_a_link_and_does_not_follow_it(folder, write, target):
    (folder / "a.txt").symlink_to(target)
    write(folder / "a.txt", folder)
    assert (folder / "a.txt").read_bytes() == b"new"
    assert not (folder / "a.txt").is_symlink()
    assert (folder.parent / "profile").read_text() == "mine"
    assert not (folder.parent / "absent").exists()


@WRITERS
@pytest.mark.parametrize("depth", [1, 2])
def test_a_folder_that_is_a_link_is_refused(folder, write, depth):
    place = folder.joinpath(*["inner", "deeper"][:depth])
    if depth == 1:
        place.rmdir()
    place.symlink_to(folder.parent / "home")
    with pytest.raises(InputError, match=f"{place.name} is a link"):
        write(place / "a.txt", folder)
    with pytest.raises(InputError, match=f"{place.name} is a link"):
        make_folder(place / "new", inside=folder)
    assert not list((folder.parent / "home").iterdir())


@WRITERS
def test_a_second_name_of_a_file_keeps_its_content(folder, write):
    """A hard link cannot be recognised, but a file that exists is never opened for writing."""
    os.link(folder.parent / "profile", folder / "a.txt")
    write(folder / "a.txt", folder)
    assert (folder / "a.txt").read_bytes() == b"new"
    assert (folder.parent / "profile").read_text() == "mine"


@WRITERS
def test_a_link_under_the_temporary_name_is_not_followed(folder, write, monkeypatch):
    monkeypatch.setattr(secrets, "token_hex", lambda _: "guessed")
    (folder / f".a.txt.{os.getpid()}-guessed.tmp").symlink_to("../profile")
    with pytest.raises(FileExistsError):
        write(folder / "a.txt", folder)
    assert (folder.parent / "profile").read_text() == "mine"


@WRITERS
def test_a_path_that_climbs_out_is_refused(folder, write):
    with pytest.raises(InputError, match="leads out of"):
        write(folder / "inner" / ".." / ".." / "profile", folder)
    assert (folder.parent / "profile").read_text() == "mine"


@WRITERS
def test_the_folder_itself_may_be_a_link_and_places_outside_are_the_users(folder, write):
    (folder.parent / "named").symlink_to(folder)
    write(folder.parent / "named" / "inner" / "a.txt", folder.parent / "named")
    assert (folder / "inner" / "a.txt").exists()
    (folder.parent / "home" / "b.txt").symlink_to("../profile")
    write(folder.parent / "home" / "b.txt", folder)
    assert (folder.parent / "profile").read_text() == "mine"
    assert (folder.parent / "home" / "b.txt").read_bytes() == b"new"


def test_folders_are_made_on_the_way(folder):
    make_folder(folder / "a" / "b", inside=folder)
    make_folder(folder / "a" / "b", inside=folder)
    make_folder(folder.parent / "c" / "d")
    assert (folder / "a" / "b").is_dir()
    assert (folder.parent / "c" / "d").is_dir()


@pytest.mark.parametrize("inside", [True, False])
@WRITERS
@pytest.mark.parametrize("call", ["write", "fsync"])
def test_a_full_disk_names_the_file_and_leaves_the_old_content(folder, monkeypatch, call, write, inside):
    write(folder / "a.txt", None)
    real = getattr(os, call)

    def full(descriptor, *arguments):
        if stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(descriptor, *arguments)

    monkeypatch.setattr(os, call, full)
    if call == "write" and write is write_stream:
        pytest.skip("a buffered file does not call os.write")
    with pytest.raises(OSError, match=r"No space left") as caught:
        write(folder / "a.txt", folder if inside else None)
    assert caught.value.filename == str(folder / "a.txt")
    assert (folder / "a.txt").read_bytes() == b"new"
    assert {path.name for path in folder.iterdir()} == {"a.txt", "inner"}


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs Linux")
def test_an_error_of_the_block_that_names_another_file_keeps_its_name(folder):
    with pytest.raises(OSError, match="other") as caught, open_atomically(folder / "a.txt"):
        raise OSError(errno.EIO, "Input/output error", "other")
    assert caught.value.filename == "other"
    assert not (folder / "a.txt").exists()


@pytest.mark.parametrize("mask", [0o022, 0o077, 0o002])
def test_modes_follow_the_umask(folder, mask):
    before = os.umask(mask)
    try:
        write_atomically(folder / "a", b"")
        write_atomically(folder / "b", b"", inside=folder)
        (folder / "c").touch(0o600)
        follow_umask(folder / "c")
    finally:
        os.umask(before)
    assert {stat.S_IMODE((folder / name).stat().st_mode) for name in "abc"} == {0o666 & ~mask}
