import codecs

import pytest
from hypothesis import given, strategies as st

from sparsight.text_encoding import decoded_text

TEXT = st.text(st.characters(exclude_characters="\0\ufeff", exclude_categories=["Cs"]))


@given(TEXT)
def test_text_is_the_same_in_every_encoding_that_says_what_it_is(text):
    marked = ["utf-8-sig", "utf-16", "utf-32"]
    for content in (text.encode(), *(text.encode(encoding) for encoding in marked)):
        assert decoded_text(content) == text
    for mark, encoding in ((codecs.BOM_UTF16_BE, "utf-16-be"), (codecs.BOM_UTF32_BE, "utf-32-be")):
        assert decoded_text(mark + text.encode(encoding)) == text


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("größe".encode("latin1"), r"byte 2 \(0xf6\) is not UTF-8; save it as UTF-8"),
        ("rate = 1".encode("utf-16-le"), "zero bytes, as UTF-16 without a byte order mark"),
        (codecs.BOM_UTF16_LE + b"a", "is not UTF-16; save it as UTF-8"),
    ],
)
def test_other_encodings_are_refused_with_the_mend(content, message):
    with pytest.raises(ValueError, match=message):
        decoded_text(content)
