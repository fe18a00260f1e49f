"""Text of files that users write, in the encodings that their editors and shells give it."""

import codecs

# UTF-32 first: its mark in little-endian order begins with that of UTF-16.
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def decoded_text(content: bytes) -> str:
    """Return the text of a file: UTF-8, or UTF-8, UTF-16 or UTF-32 with a byte order mark.

    Windows writes such marks: Notepad on request, and older PowerShell UTF-16 for every ``>``.

    Raises
    ------
    ValueError
        If the content is text in no such encoding; the message says how to save it.
    """
    encoding = next((name for mark, name in _MARKS if content.startswith(mark)), "utf-8")
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        byte = content[error.start : error.start + 1].hex()
        raise ValueError(
            f"byte {error.start} (0x{byte}) is not {encoding.removesuffix('-sig').upper()}; save it as UTF-8"
        ) from None
    if "\0" in text and encoding == "utf-8":
        raise ValueError("it holds zero bytes, as UTF-16 without a byte order mark does; save it as UTF-8")
    return text
