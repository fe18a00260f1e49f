import json
import random

import pytest
from hypothesis import given, strategies as st

from sparsight.errors import InputError, NewerFormatError, SparsightError
from sparsight.store import read_sealed, write_sealed

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
KEYS = st.text().filter(lambda key: key not in ("sha256", "format_version"))


@given(content=st.dictionaries(KEYS, VALUES, max_size=4))
def test_what_is_written_comes_back(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("sealed") / "sealed.json"
    write_sealed(path, content)
    read = read_sealed(path)
    assert read.pop("format_version") == 2
    assert read == content


def test_a_flip_of_any_single_bit_is_found(tmp_path):
    path = tmp_path / "sealed.json"
    write_sealed(path, {"seed": 7, "accuracy": [0.5, 1e-300], "name": "ξ", "is_last": True, "none": None})
    whole = path.read_bytes()
    expected = json.loads(whole)
    harmless = 0
    for bit in range(8 * len(whole)):
        damaged = bytearray(whole)
        damaged[bit // 8] ^= 1 << bit % 8
        path.write_bytes(damaged)
        try:
            read = read_sealed(path)
        except SparsightError:
            continue
        harmless += 1  # one white space for another
        assert read == {key: expected[key] for key in expected if key != "sha256"}
    assert 0 < harmless < 0.1 * 8 * len(whole)


@pytest.mark.parametrize("content", [b"", b"[]", b"7", b'{"a": NaN}', b"\xff", b"[" * 100_000])
def test_what_is_no_sealed_object_is_damaged(tmp_path, content):
    path = tmp_path / "sealed.json"
    path.write_bytes(content)
    with pytest.raises(InputError, match="is missing or damaged"):
        read_sealed(path)


def test_numbers_that_json_does_not_know_are_refused_before_anything_is_written(tmp_path):
    with pytest.raises(ValueError, match="JSON compliant"):
        write_sealed(tmp_path / "sealed.json", {"loss": float("nan")})
    assert list(tmp_path.iterdir()) == []


def test_a_file_of_a_newer_format_is_not_replaced_and_a_damaged_one_is(tmp_path):
    path = tmp_path / "sealed.json"
    newer = json.dumps({"format_version": 4, "seal": "of another kind"})
    path.write_text(newer)
    for attempt in (lambda: read_sealed(path), lambda: write_sealed(path, {"a": 1})):
        with pytest.raises(NewerFormatError, match="sealed.json has format 4; this sparsight reads up to 3"):
            attempt()
    assert path.read_text() == newer
    path.write_text("{")
    write_sealed(path, {"a": 1})
    assert read_sealed(path)["a"] == 1


def test_splicing_two_sealed_files_is_found(tmp_path):
    first, second = tmp_path / "a.json", tmp_path / "b.json"
    write_sealed(first, {"level": 1, "values": list(range(20))})
    write_sealed(second, {"level": 2, "values": list(range(20, 40))})
    a, b = json.loads(first.read_text()), json.loads(second.read_text())
    key = random.Random(0).choice(["level", "values"])
    first.write_text(json.dumps(a | {key: b[key]}))
    with pytest.raises(InputError, match="is damaged"):
        read_sealed(first)
