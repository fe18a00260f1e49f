"""Damage that befalls files, and how often the tests try it (more with ``SPARSIGHT_FUZZ_EXAMPLES``)."""

import os

from hypothesis import settings, strategies as st

EXAMPLES = int(os.environ.get("SPARSIGHT_FUZZ_EXAMPLES", "150"))
fuzzed = settings(max_examples=EXAMPLES)
fuzzed_each = settings(max_examples=max(EXAMPLES // 5, 10))
"""For tests of which there are many."""


def apply_damage(content: bytes, damage: list[tuple[str, int, int, bytes]]) -> bytes:
    """Flip bits, cut, delete, repeat or insert, at positions taken modulo the length."""
    data = bytearray(content)
    for kind, position, length, foreign in damage:
        if not data:
            break
        start = position % len(data)
        stop = min(start + 1 + length % 64, len(data))
        if kind == "flip":
            data[start] ^= 1 << length % 8
        elif kind == "overwrite":
            data[start:stop] = foreign[: stop - start]
        elif kind == "cut":
            del data[start:]
        elif kind == "delete":
            del data[start:stop]
        elif kind == "repeat":
            data[start:start] = data[start:stop]
        else:
            data[start:start] = foreign
    return bytes(data)


_NUMBER = st.integers(0, 2**32)
_ANY = st.lists(
    st.tuples(
        st.sampled_from(["flip", "overwrite", "cut", "delete", "repeat", "insert"]),
        _NUMBER,
        _NUMBER,
        st.binary(min_size=1, max_size=16),
    ),
    min_size=1,
    max_size=4,
)
_IN_THE_HEAD = st.tuples(
    st.just("overwrite"), st.integers(0, 200), st.integers(0, 8), st.binary(min_size=1, max_size=8)
)
damage = st.one_of(_ANY, st.lists(_IN_THE_HEAD, min_size=1, max_size=3))
