import os
import pickle
import struct

import numpy as np
import pytest

from sparsight.data.restricted_pickle import read_restricted_pickle, unpickle_restricted
from sparsight.errors import InputError


@pytest.mark.parametrize("protocol", range(5))
@pytest.mark.parametrize(
    "array",
    [
        np.arange(12, dtype=np.uint8).reshape(3, 4),
        np.array([1.5, -2]),
        np.asfortranarray(np.eye(3)),
        np.zeros(0),
    ],
    ids=["bytes", "floats", "fortran", "empty"],
)
def test_arrays_come_back(array, protocol):
    read = unpickle_restricted(pickle.dumps({"data": array}, protocol), "x")
    (found,) = read.values()
    np.testing.assert_array_equal(found, array)
    assert found.dtype == array.dtype


def test_plain_values_come_back(tmp_path):
    values = {"labels": [1, 2, 3], "mean": 0.5, "name": ("a", b"b", None, True), "number": np.float64(2.5)}
    path = tmp_path / "batch"
    path.write_bytes(pickle.dumps(values, 2))
    assert read_restricted_pickle(path) == values


def test_strings_of_python_2_come_out_as_bytes():
    assert unpickle_restricted(b"(dp0\nS'data'\np1\nI3\ns.", "x") == {b"data": 3}


class Reduce:
    def __init__(self, *reduced):
        self.reduced = reduced

    def __reduce__(self):
        return self.reduced


HOSTILE = {
    "system": Reduce(os.system, ("touch /tmp/owned",)),
    "eval": Reduce(eval, ("1 + 1",)),
    "getattr": Reduce(getattr, ("text", "upper")),
    "nested": [Reduce(list, ([Reduce(exec, ("import os",))],))],
    "bytearray bomb": Reduce(bytearray, (2**40,)),
    "numpy load": Reduce(np.load, ("x.npy",)),
    "numpy zeros": Reduce(np.zeros, (2**40,)),
    "object array": np.array([{}, []], dtype=object),
}


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_anything_else_is_refused_and_nothing_runs(name, protocol):
    with pytest.raises(InputError):
        unpickle_restricted(pickle.dumps(HOSTILE[name], protocol), "hostile")


@pytest.mark.parametrize(
    "content",
    [
        b"\x80\x04\x8e" + struct.pack("<Q", 2**50) + b"x.",
        b"\x80\x04B" + struct.pack("<I", 2**31) + b"x.",
        b"\x80\x02\x8b" + struct.pack("<i", 2**30) + b"x.",
        b"\x80\x04\x8a\xff" + b"\x7f" * 255 + b".",
        b"\x82\x01.",
        b"Pid\n.",
        b"",
        b"not a pickle",
        pickle.dumps(np.arange(1000))[:-30],
    ],
    ids=["bytes8", "bytes", "long4", "long1", "extension", "persistent", "empty", "text", "truncated"],
)
def test_damaged_files_and_bombs_are_refused(content):
    with pytest.raises(InputError, match="hostile"):
        unpickle_restricted(content, "hostile")


def test_an_array_that_declares_more_than_it_has_is_refused():
    content = pickle.dumps(np.zeros((3, 5), np.uint8), 2)
    assert b"K\x03K\x05" in content
    lying = content.replace(b"K\x03K\x05", b"K\xffK\xff")
    with pytest.raises(InputError, match="declares 65025 bytes and has 15"):
        unpickle_restricted(lying, "hostile")


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(InputError, match="absent cannot be read"):
        read_restricted_pickle(tmp_path / "absent")
