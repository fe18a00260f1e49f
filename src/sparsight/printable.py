"""Text for a terminal: without what could steer it, and spelt in the letters that it has."""

import codecs
import unicodedata

_SPELT = {
    "…": "...", "–": "-", "—": "-", "−": "-", "×": "x", "±": "+-", "→": "->", "←": "<-", "≥": ">=", "≤": "<=",
    "≈": "~", "≠": "!=", "·": "*", "∞": "inf", "√": "sqrt", "‘": "'", "’": "'", "“": '"', "”": '"', "•": "*",
}  # fmt: skip
_GREEK = {"GREEK SMALL LETTER ": str.lower, "GREEK CAPITAL LETTER ": str.capitalize}
_HANDLER = "sparsight.spelt"


def printable(text: str) -> str:
    """Return text as one line in which every control character is replaced by U+FFFD.

    A file from somebody else could steer the terminal with them: colours, the cursor, the title, the
    clipboard, or the direction of writing.
    """
    return without_controls(" ".join(text.split()))


def without_controls(text: str) -> str:
    """Return text with every control character, the ends of lines as well, replaced by U+FFFD."""
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in text)


def spelt(text: str, encoding: str) -> str:
    """Return text in which characters that an encoding lacks are spelt with characters of ASCII.

    Examples
    --------
    >>> spelt("Δκ ≥ ½ · 10⁻³ – naïve", "ascii")
    'Deltakappa >= 1/2 * 10^-3 - naive'
    """
    try:
        text.encode(encoding)
    except LookupError:
        return spelt(text, "ascii")
    except UnicodeEncodeError:
        before = ("", *text)
        return "".join(
            each if _has(encoding, each) else _spelling(each, last)
            for each, last in zip(text, before, strict=False)
        )
    return text


def spell_what_streams_lack() -> str:
    """Register an error handler that spells as `spelt` does, and return its name for ``reconfigure``."""

    def spell(error: UnicodeError) -> tuple[str, int]:
        assert isinstance(error, UnicodeEncodeError)
        text = error.object[error.start : error.end]
        before = error.object[: error.start][-1:]
        return spelt(before + text, "ascii")[len(spelt(before, "ascii")) :], error.end

    codecs.register_error(_HANDLER, spell)
    return _HANDLER


def _has(encoding: str, character: str) -> bool:
    try:
        character.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True


def _spelling(character: str, before: str) -> str:
    if character in _SPELT:
        return _SPELT[character]
    name = unicodedata.name(character, "")
    for prefix, style in _GREEK.items():
        if name.startswith(prefix):
            return style(name.removeprefix(prefix).split()[0])
    plain = unicodedata.normalize("NFKD", character).replace("\N{FRACTION SLASH}", "/").replace("\u2212", "-")
    letters = plain.encode("ascii", "ignore").decode()
    if name.startswith("SUPERSCRIPT ") and not _is_raised(before):
        letters = f"^{letters}"
    return letters or "?"


def _is_raised(character: str) -> bool:
    return unicodedata.name(character, "").startswith("SUPERSCRIPT ") if character else False
