import io

import pytest
from hypothesis import given, strategies as st

from sparsight.printable import printable, spell_what_streams_lack, spelt

ENCODINGS = ("ascii", "latin-1", "cp1252", "koi8-r", "cp437")


@given(st.text())
def test_printable_text_is_one_line_without_controls(text):
    assert printable(text).isprintable()
    assert printable(printable(text)) == printable(text)


@pytest.mark.parametrize("text", ["\x1b]0;title\x07", "\x9b31m", "\u202eabc", "\x1b[2J", "a\rb\x08", "\x7f"])
def test_what_steers_a_terminal_is_replaced(text):
    assert not set(printable(text)) & set("\x1b\x9b\x07\x08\x7f\r\u202e")


@given(st.text(), st.sampled_from(ENCODINGS))
def test_spelt_text_can_be_written_and_what_could_be_is_unchanged(text, encoding):
    spelt(text, encoding).encode(encoding)
    if text.isascii():
        assert spelt(text, encoding) == text


@pytest.mark.parametrize(
    ("text", "encoding", "expected"),
    [
        ("κ ≈ 3", "ascii", "kappa ~ 3"),
        ("Δκ", "latin-1", "Deltakappa"),
        ("± ²", "latin-1", "± ²"),
        ("± ²", "ascii", "+- ^2"),
        ("10⁻³", "ascii", "10^-3"),
        ("naïve …", "ascii", "naive ..."),
        ("κ", "utf-8", "κ"),
        ("κ", "no such encoding", "kappa"),
        ("漢", "latin-1", "?"),
    ],
)
def test_letters_are_spelt(text, encoding, expected):
    assert spelt(text, encoding) == expected


@given(st.text(st.characters(exclude_categories=["Cs"])), st.sampled_from(ENCODINGS))
def test_a_stream_spells_as_the_function_does(text, encoding):
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding=encoding, errors=spell_what_streams_lack(), newline="\n")
    stream.write(text)
    stream.flush()
    assert raw.getvalue().decode(encoding) == spelt(text, encoding)
