import json
import os
import pickle
import struct
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, strategies as st

from sparsight.errors import InputError
from sparsight.pickles import _interpreter as interpreter, read_restricted_pickle
from sparsight.pickles._interpreter import unpickle_restricted

PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)
ARRAYS = {
    "bytes": np.arange(12, dtype=np.uint8).reshape(3, 4),
    "floats": np.array([1.5, -2]),
    "big-endian": np.arange(5, dtype=">i4"),
    "fortran": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    "empty": np.zeros((0, 3)),
    "booleans": np.array([True, False]),
    "complex": np.array([1j, 2]),
}


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("name", ARRAYS)
def test_arrays_come_back(name, protocol):
    array = ARRAYS[name]
    read = unpickle_restricted(pickle.dumps({"data": array}, protocol), "x")
    (found,) = read.values()
    np.testing.assert_array_equal(found, array)
    assert found.dtype == array.dtype


def test_reading_a_big_endian_array_leaves_the_dtypes_of_this_process_alone():
    unpickle_restricted(pickle.dumps(np.arange(3, dtype=">i4"), 2), "x")
    assert np.array([1], dtype="i4").tobytes() == struct.pack("=i", 1)


plain_keys = st.one_of(st.none(), st.booleans(), st.integers(-(2**63), 2**63), st.text(), st.binary())
plain_values = st.recursive(
    st.one_of(plain_keys, st.floats(allow_nan=False)),
    lambda inner: st.one_of(
        st.lists(inner),
        st.dictionaries(plain_keys, inner),
        st.tuples(inner, inner, inner, inner),
        st.sets(st.integers(-(2**63), 2**63)),
    ),
    max_leaves=20,
)


@given(plain_values, st.sampled_from(PROTOCOLS))
def test_plain_values_come_back_as_pickle_itself_reads_them(value, protocol):
    read = unpickle_restricted(pickle.dumps(value, protocol), "x")
    assert read == value
    assert type(read) is type(value)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_what_occurs_twice_is_read_once(protocol):
    array = np.arange(3.0)
    shared = ["text"]
    read = unpickle_restricted(
        pickle.dumps([array, array, shared, shared, {array.dtype.str: 1}], protocol), "x"
    )
    assert read[0] is read[1]
    assert read[2] is read[3]


def test_scalars_and_byte_strings_of_old_protocols_come_back(tmp_path):
    values = {"labels": [1, 2], "number": np.float64(2.5), "raw": b"\xff\0", "none": b"", "few": {1, 2}}
    for protocol in PROTOCOLS:
        path = tmp_path / "batch"
        path.write_bytes(pickle.dumps(values, protocol))
        assert read_restricted_pickle(path) == values


PYTHON_2_BATCH = (
    b"\x80\x02}q\x01(U\x04dataq\x02cnumpy.core.multiarray\n_reconstruct\nq\x03cnumpy\nndarray\nq\x04K\x00\x85"
    b"U\x01b\x87Rq\x05(K\x01K\x01K\x03\x86cnumpy\ndtype\nq\x06U\x02u1K\x00K\x01\x87Rq\x07(K\x03U\x01|NNNJ\xff"
    b"\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89U\x03\x00\x80\xfftbU\x06labelsq\x08]q\x09K\x07au."
)
"""What cPickle of python 2.7 writes: protocol 2, byte strings as SHORT_BINSTRING."""


def test_a_batch_of_python_2_comes_out_with_bytes():
    read = unpickle_restricted(PYTHON_2_BATCH, "x")
    np.testing.assert_array_equal(read[b"data"], np.array([[0, 128, 255]], np.uint8))
    assert read[b"labels"] == [7]
    assert unpickle_restricted(b"(dp0\nS'data'\np1\nI3\ns.", "x") == {b"data": 3}


class Reduce:
    def __init__(self, *reduced):
        self.reduced = reduced

    def __reduce__(self):
        return self.reduced


def python_2_text(content):
    """Return bytes as python 2 wrote a string in protocol 0."""
    return b"S" + repr(content)[1:].encode("ascii") + b"\n"


@given(st.binary())
def test_strings_of_protocol_0_may_hold_any_byte(content):
    assert unpickle_restricted(python_2_text(content) + b".", "x") == content


@pytest.mark.parametrize("code", [b"u1", b"f8", b">i4"])
def test_an_array_of_python_2_in_protocol_0_comes_back(code):
    expected = np.array([200, 128, 7, 39, 92, 10], code.decode())
    content = (
        b"(dp0\nS'data'\np1\ncnumpy.core.multiarray\n_reconstruct\np2\n(cnumpy\nndarray\np3\n(I0\ntp4\nS'b'\n"
        b"p5\ntp6\nRp7\n(I1\n(I6\ntp8\ncnumpy\ndtype\np9\n(S'"
        + code.strip(b">")
        + b"'\np10\nI0\nI1\ntp11\nRp12\n(I3\nS'"
        + (code[:1] if code[:1] == b">" else b"|" if code == b"u1" else b"<")
        + b"'\np13\nNNNI-1\nI-1\nI0\ntp14\nbI00\n"
        + python_2_text(expected.tobytes())
        + b"p15\ntp16\nbs."
    )
    found = unpickle_restricted(content, "x")[b"data"]
    np.testing.assert_array_equal(found, expected)
    assert found.dtype == expected.dtype


@pytest.mark.parametrize(
    "line", [b"'", b"", b"'a", b"\"a'", b"a", b"'\\'", b"'a' + 'b'", b"'a' * 9", b"'\x80'", b"x'"]
)
def test_strings_of_protocol_0_that_are_none_are_refused(line):
    with pytest.raises(InputError, match="is not a pickle of arrays or is damaged"):
        unpickle_restricted(b"S" + line + b"\n.", "x")


def hostile(marker):
    command = f"touch {marker}"
    return {
        "system": Reduce(os.system, (command,)),
        "eval": Reduce(eval, (f"open({str(marker)!r}, 'w')",)),
        "getattr": Reduce(getattr, ("text", "upper")),
        "getattr chain": Reduce(getattr, (Reduce(getattr, ("text", "__class__")), "mro")),
        "nested": [Reduce(list, ([Reduce(exec, ("import os",))],))],
        "in an array's state": Reduce(
            np.empty, ((1,),), (1, (1,), Reduce(os.system, (command,)), False, b"")
        ),
        "bytearray bomb": Reduce(bytearray, (2**40,)),
        "bytes bomb": Reduce(bytes, (2**40,)),
        "ndarray bomb": Reduce(np.ndarray, ((2**40,),)),
        "numpy load": Reduce(np.load, ("x.npy",)),
        "numpy zeros": Reduce(np.zeros, (2**40,)),
        "object array": np.array([{}, []], dtype=object),
        "structured array": np.zeros(2, dtype=[("a", "i4")]),
        "array of strings": np.array(["a"]),
        "tuple as key": {(1, 2): 3},
        "state of a class": Reduce(dict, (), {"a": 1}),
    }


@pytest.mark.parametrize("name", hostile("x"))
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_anything_else_is_refused_and_nothing_runs(name, protocol, tmp_path):
    marker = tmp_path / "owned"
    content = pickle.dumps(hostile(marker)[name], protocol)
    with pytest.raises(InputError, match=r"^hostile (asks for|is not a pickle)"):
        unpickle_restricted(content, "hostile")
    assert not marker.exists()


@pytest.mark.parametrize("name", ["posix.system", "builtins.eval", "numpy.core.multiarray.scalar.__class__"])
def test_the_message_names_what_was_asked_for(name):
    module, _, function = name.partition(".")
    with pytest.raises(InputError, match=rf"hostile asks for '{name}': only numpy arrays"):
        unpickle_restricted(f"c{module}\n{function}\n(S'x'\ntR.".encode(), "hostile")


TEXT = b"a" * 100_000
MANY_STRINGS = (
    b"\x80\x02]c_codecs\nencode\nq\x000X"
    + struct.pack("<I", len(TEXT))
    + TEXT
    + b"X\x06\0\0\0latin1\x86q\x010"
    + b"h\x00h\x01Ra" * 10_000
    + b"."
)
FLOATS = b"cnumpy\ndtype\n(X\2\0\0\0f8I00\nI01\ntR(K\3X\1\0\0\0<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\0tb"
FROM_BUFFER = b"cnumpy._core.numeric\n_frombuffer\n(C\0" + FLOATS
DAMAGED = {
    "bytes8": b"\x80\x04\x8e" + struct.pack("<Q", 2**50) + b"x.",
    "bytes": b"\x80\x04B" + struct.pack("<I", 2**31) + b"x.",
    "bytearray8": b"\x80\x05\x96" + struct.pack("<Q", 2**40) + b"x.",
    "unicode": b"\x80\x02X" + struct.pack("<I", 2**31) + b"x.",
    "long4": b"\x80\x02\x8b" + struct.pack("<i", 2**30) + b"x.",
    "long1": b"\x80\x04\x8a\xff" + b"\x7f" * 255 + b".",
    "long text": b"L" + b"9" * 10_000 + b"L\n.",
    "extension": b"\x82\x01.",
    "persistent": b"Pid\n.",
    "instance": b"(iposix\nsystem\n.",
    "newobj": b"\x80\x02cnumpy\nndarray\n\x8a\x05" + (2**32).to_bytes(5, "little") + b"\x85\x81.",
    "state of a name": b"cnumpy\ndtype\n}b.",
    "bare name": b"cnumpy\ndtype\n.",
    "unfinished array": b"cnumpy._core.multiarray\n_reconstruct\n(cnumpy\nndarray\nK\0\x85C\1btR.",
    "array of another kind": b"cnumpy._core.multiarray\n_reconstruct\n(cnumpy\ndtype\nK\0\x85C\1btR.",
    "dtype of fields": FLOATS.replace(b"<NNN", b"<N)N") + b".",
    "other encoding": b"c_codecs\nencode\n(X\1\0\0\0aX\3\0\0\0hextR.",
    "set of tuples": b"c__builtin__\nset\n(](ttatR.",
    "name in a list": b"](cnumpy\ndtype\ne.",
    "deep key": b"\x80\x02})" + b"\x85" * 20_000 + b"K\x01s.",
    "key that hashes for ever": b"\x80\x02})" + b"2\x86" * 60 + b"K\x01s.",
    "dtype code that prints for ever": b"cnumpy\ndtype\n)" + b"2\x86" * 60 + b"\x85R.",
    "byte order that hashes for ever": FLOATS.replace(b"X\1\0\0\0<", b")" + b"2\x86" * 60) + b".",
    "encoding that compares for ever": b"c_codecs\nencode\n(X\1\0\0\0a)" + b"2\x86" * 60 + b"tR.",
    "deep list as a key": b"}" + b"]" * 20_000 + b"a" * 19_999 + b"K\x01s.",
    "something after the end": b"K\x01.K\x02.",
    "unknown protocol": b"\x80\x06K\x01.",
    "strings encoded again and again": MANY_STRINGS,
    "many axes": b"cnumpy._core.numeric\n_frombuffer\n(C\0("
    + b"I18446744073709551615\n" * 40
    + b"tNS'C'\ntR.",
    "empty": b"",
    "text": b"not a pickle",
    "truncated": pickle.dumps(np.arange(1000))[:-30],
    "no mark": b"t.",
    "two values": b"K\x01K\x02.",
    "unknown memo": b"h\x07.",
}


HUGE_MEMO_NUMBER = b"K\x01r" + struct.pack("<I", 2**31 - 1) + b"."

MEASURE_PEAKS = """
import json, sys, tracemalloc
from sparsight.pickles._interpreter import unpickle_restricted
from sparsight.errors import InputError

def is_refused(content):
    try:
        unpickle_restricted(content, "hostile")
    except InputError:
        return True
    return False

measured = []
for content in map(bytes.fromhex, json.load(sys.stdin)):
    is_refused(content)  # what is imported at the first call is not counted
    tracemalloc.start()
    refused = is_refused(content)
    measured.append((refused, tracemalloc.get_traced_memory()[1]))
    tracemalloc.stop()
print(json.dumps(measured))
"""


def refused_and_peak(contents):
    """Whether each content was refused, and the bytes taken meanwhile.

    In a process of its own: threads that other tests left running would be counted here.
    """
    answer = subprocess.run(
        [sys.executable, "-c", MEASURE_PEAKS],
        input=json.dumps([content.hex() for content in contents]),
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(answer.stdout)


@pytest.mark.parametrize("name", DAMAGED)
def test_damaged_files_and_bombs_are_refused_in_one_short_line(name):
    with pytest.raises(InputError, match="^hostile") as caught:
        unpickle_restricted(DAMAGED[name], "hostile")
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300


def test_damaged_files_and_bombs_are_refused_without_taking_memory():
    measured = dict(zip(DAMAGED, refused_and_peak(DAMAGED.values()), strict=True))
    assert not {name for name, (refused, _) in measured.items() if not refused}
    allowed = {name: 2**20 + 100 * len(content) for name, content in DAMAGED.items()}
    assert not {name: peak for name, (_, peak) in measured.items() if peak > allowed[name]}


def test_lists_nested_a_hundred_thousand_deep_are_read_without_recursion():
    read = unpickle_restricted(b"]" * 100_000 + b"a" * 99_999 + b".", "x")
    depth = 1
    while read:
        (read,) = read
        depth += 1
    assert depth == 100_000


def test_a_memo_loop_is_a_list_that_holds_itself():
    read = unpickle_restricted(b"]q\x00h\x00a.", "x")
    assert read[0] is read


def test_a_huge_memo_number_takes_no_memory():
    assert unpickle_restricted(HUGE_MEMO_NUMBER, "x") == 1
    ((refused, peak),) = refused_and_peak([HUGE_MEMO_NUMBER])
    assert not refused
    assert peak < 2**20


def test_the_number_of_operations_is_bounded(monkeypatch):
    monkeypatch.setattr(interpreter, "MAX_OPERATIONS", 100)
    with pytest.raises(InputError, match="has more than 100 operations"):
        unpickle_restricted(b"]" * 200 + b".", "hostile")


@pytest.mark.parametrize("protocol", [2, 5])
def test_an_array_that_declares_more_than_it_has_is_refused(protocol):
    content = pickle.dumps(np.zeros((3, 5), np.uint8), protocol)
    assert b"K\x03K\x05" in content
    lying = content.replace(b"K\x03K\x05", b"K\xffK\xff")
    with pytest.raises(InputError, match="declares 65025 bytes and has 15"):
        unpickle_restricted(lying, "hostile")


HONEST = [pickle.dumps({"data": ARRAYS["bytes"], "labels": [1, 2, 3], 4: b"x"}, p) for p in PROTOCOLS]


@given(
    st.sampled_from(HONEST),
    st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), min_size=1, max_size=4),
    st.integers(0, 400),
)
def test_flipped_and_cut_files_are_read_or_refused(content, changes, length):
    damaged = bytearray(content)
    for position, value in changes:
        damaged[position % len(damaged)] = value
    for each in (bytes(damaged), bytes(damaged[:length])):
        try:
            unpickle_restricted(each, "damaged")
        except InputError as error:
            assert str(error).startswith("damaged")  # noqa: PT017 (either end is right)


def test_files_that_are_not_there_or_too_large_are_named(tmp_path, monkeypatch):
    with pytest.raises(InputError, match="absent cannot be read"):
        read_restricted_pickle(tmp_path / "absent")
    monkeypatch.setattr(interpreter, "MAX_FILE_BYTES", 3)
    (tmp_path / "large").write_bytes(b"1234")
    with pytest.raises(InputError, match="large cannot be read: it has 4 bytes, and at most 3"):
        read_restricted_pickle(tmp_path / "large")
