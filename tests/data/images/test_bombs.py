"""Small files that would become large, or that lie about their size, are refused before memory is taken."""

import gzip
import io
import struct
import tracemalloc
import zipfile
import zlib

import numpy as np
import pytest

from sparsight.data import npz
from sparsight.data.images._idx import read_idx
from sparsight.data.images._npz import read_npz
from sparsight.errors import InputError

LARGE = 2**28
"""Bytes that an honest reading of a bomb would take; a refusal takes less than a quarter."""


@pytest.fixture
def refused():
    """Assert that a call ends in one short line about the file, and takes little memory."""

    def check(call, message):
        tracemalloc.start()
        try:
            with pytest.raises(InputError, match=message) as caught:
                call()
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert peak < LARGE / 4
        assert "\n" not in str(caught.value)
        assert len(str(caught.value)) < 400

    return check


def idx_header(*shape):
    return struct.pack(f">4B{len(shape)}I", 0, 0, 8, len(shape), *shape)


def test_a_gzipped_idx_file_too_small_for_what_it_declares_is_refused(tmp_path, refused):
    path = tmp_path / "images.gz"
    path.write_bytes(gzip.compress(idx_header(LARGE, 1, 1) + bytes(100)))
    refused(lambda: read_idx(path, 3), f"declares {LARGE} bytes of data and has .* bytes in all")


def test_a_gzipped_idx_file_that_unpacks_to_more_than_it_declares_is_left_there(tmp_path, refused):
    path = tmp_path / "images.gz"
    path.write_bytes(gzip.compress(idx_header(10, 1, 1) + bytes(LARGE)))
    refused(lambda: read_idx(path, 3), "declares 10 bytes of data and holds more")


def test_a_gzip_checksum_is_compared(tmp_path):
    path = tmp_path / "labels.gz"
    content = bytearray(gzip.compress(idx_header(3) + b"\1\2\3"))
    content[-8] ^= 1
    path.write_bytes(content)
    with pytest.raises(InputError, match="CRC check failed"):
        read_idx(path, 1)


def npy(array, shape=None):
    file = io.BytesIO()
    np.lib.format.write_array(file, array)
    content = file.getvalue()
    if shape is None:
        return content
    before, after = repr(array.shape).encode(), repr(shape).encode()
    assert before in content
    return content.replace(before + b", }" + b" " * (len(after) - len(before)), after + b", }")


def write_zip(path, members, compression=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def test_an_npz_bomb_stops_at_the_limit(tmp_path, refused):
    path = write_zip(tmp_path / "a.npz", {"data.npy": npy(np.zeros(LARGE, np.uint8))})
    assert path.stat().st_size < LARGE / 500
    refused(lambda: read_npz(path, ("data",), LARGE - 1), f"would unpack to {LARGE} bytes")


def test_an_npz_header_that_declares_more_than_its_member_is_refused(tmp_path, refused):
    path = write_zip(tmp_path / "a.npz", {"data.npy": npy(np.zeros(10, np.uint8), (2**40,))})
    refused(lambda: read_npz(path, ("data",), 2**50), f"declares {2**40} bytes and holds 10")


def test_an_npz_member_larger_than_deflate_can_expand_is_refused(tmp_path, refused):
    path = write_zip(tmp_path / "a.npz", {"data.npy": npy(np.zeros(10, np.uint8))})
    content = path.read_bytes()
    entry = content.rindex(b"PK\1\2")
    lying = bytearray(content)
    lying[entry + 24 : entry + 28] = struct.pack("<I", LARGE)  # size in the central directory
    path.write_bytes(lying)
    refused(lambda: read_npz(path, ("data",), 2**50), "cannot hold them")


def test_an_npz_whose_members_share_their_bytes_is_refused(tmp_path, refused):
    path = write_zip(tmp_path / "a.npz", {"data.npy": npy(np.zeros(LARGE, np.uint8))})
    content = path.read_bytes()
    entry, end = content.rindex(b"PK\1\2"), content.rindex(b"PK\5\6")
    directory = content[entry:end]
    twice = directory + directory.replace(b"data.npy", b"more.npy")
    tail = bytearray(content[end:])
    tail[8:12] = struct.pack("<HH", 2, 2)
    tail[12:16] = struct.pack("<I", len(twice))
    path.write_bytes(content[:entry] + twice + bytes(tail))
    with zipfile.ZipFile(path) as archive:
        assert archive.namelist() == ["data.npy", "more.npy"]
    refused(lambda: read_npz(path, ("data", "more"), 2**50), "overlap|damaged|File name in directory")


def test_a_zip_inside_a_zip_is_no_array(tmp_path, refused):
    inner = write_zip(tmp_path / "inner.zip", {"data.npy": npy(np.zeros(LARGE, np.uint8))}).read_bytes()
    path = write_zip(tmp_path / "a.npz", {"data.npy": inner})
    refused(lambda: read_npz(path, ("data",), 2**50), "damaged")


def test_a_member_that_hides_behind_an_honest_name_is_not_read(tmp_path):
    honest = np.arange(5)
    path = write_zip(tmp_path / "a.npz", {"data": npy(np.zeros(LARGE, np.uint8)), "data.npy": npy(honest)})
    np.testing.assert_array_equal(read_npz(path, ("data",), 1000)["data"], honest)


@pytest.mark.parametrize("compression", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_compressions_have_no_known_limit_and_are_refused(tmp_path, compression):
    path = write_zip(tmp_path / "a.npz", {"data.npy": npy(np.arange(5))}, compression)
    with pytest.raises(InputError, match="not compressed as numpy does it"):
        read_npz(path, ("data",), 1000)


def test_bytes_after_an_array_are_refused(tmp_path):
    path = write_zip(tmp_path / "a.npz", {"data.npy": npy(np.arange(5)) + b"more"})
    with pytest.raises(InputError, match="declares 40 bytes and holds 44"):
        read_npz(path, ("data",), 1000)


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_the_checksum_of_a_member_is_compared(tmp_path, compression):
    array = np.random.default_rng(0).integers(0, 256, 5000, dtype=np.uint8)
    path = write_zip(tmp_path / "a.npz", {"data.npy": npy(array)}, compression)
    content = bytearray(path.read_bytes())
    checksum = struct.pack("<I", zlib.crc32(npy(array)))
    for entry in (content.index(checksum), content.rindex(checksum)):
        content[entry] ^= 1
    path.write_bytes(content)
    with pytest.raises(InputError, match="Bad CRC-32"):
        read_npz(path, ("data",), 10_000)


@pytest.mark.parametrize(
    "header", [b"(" * 5000, b"{'descr': '<f8', 'shape': " + b"(" * 150 + b")" * 150, b"9" * 9000]
)
def test_hostile_array_headers_are_damage(tmp_path, header, refused):
    content = b"\x93NUMPY\1\0" + struct.pack("<H", len(header)) + header
    path = write_zip(tmp_path / "a.npz", {"data.npy": content})
    refused(lambda: read_npz(path, ("data",), 1000), "damaged")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"train_inputs": np.full((40, 1, 4), 1e300)}, r"train_inputs hold 1e\+300; up to 1e\+18"),
    ],
)
def test_numbers_that_would_become_infinite_pixels_are_refused(tmp_path, changes, message):
    arrays = {
        "train_inputs": np.random.default_rng(0).normal(size=(40, 1, 4)),
        "train_labels": np.arange(40) % 2,
        "test_inputs": np.zeros((4, 1, 4)),
        "test_labels": np.arange(4) % 2,
    }
    np.savez(tmp_path / "a.npz", **(arrays | changes))
    with pytest.raises(InputError, match=message):
        npz(path=str(tmp_path / "a.npz"), seed=0)
