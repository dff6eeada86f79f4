"""Text as people type it, made comparable: composed, without invisible characters, punctuation or accents on request."""

from __future__ import annotations

import unicodedata

JOINERS = {"\u200c", "\u200d"}
"""Change how Persian and Indic words read, so they are letters here."""


class _Kept(dict[int, int | str | None]):
    """A translation table that decides each code point the first time it is met."""

    def __init__(self, dropped: tuple[str, ...], *, spaces: bool) -> None:
        super().__init__()
        self._dropped = dropped
        self._spaces = spaces

    def __missing__(self, code: int) -> int | str | None:
        character = chr(code)
        category = unicodedata.category(character)
        kept: int | str | None = code
        if character.isspace() or category[0] == "Z":
            kept = " " if self._spaces else None
        elif character not in JOINERS and category.startswith(self._dropped):
            kept = None
        self[code] = kept
        return kept


# Cc control, Cf invisible format, Cs lone surrogates, Cn unassigned, Co private; P punctuation, S symbols.
_VISIBLE = _Kept(("C",), spaces=True)
_WORDS = _Kept(("C", "P", "S"), spaces=True)
_LETTERS = _Kept(("C", "P", "S"), spaces=False)
_UNMARKED = _Kept(("Mn",), spaces=True)


def clean(value: str) -> str:
    """NFC, without invisible characters (NUL, zero-width spaces, lone surrogates), trimmed.

    NFC comes first: the same name typed on another keyboard is other bytes and would hash to another person.
    """
    if value.isascii() and value.isprintable():
        return value.strip()
    return unicodedata.normalize("NFC", value.translate(_VISIBLE)).strip()


def lower(text: str) -> str:
    """Lower case, recomposed: lowering some letters decomposes them."""
    return text.lower() if text.isascii() else unicodedata.normalize("NFC", text.lower())


def words(text: str) -> str:
    """Lower-case words without punctuation or symbols, one space between them: `D'Ávila  Filho` is `dávila filho`."""
    if text.isascii() and text.replace(" ", "").isalpha():  # most names
        return " ".join(text.lower().split())
    return " ".join(lower(text).translate(_WORDS).split())


def letters(text: str) -> str:
    """The same without spaces: `São Paulo` is `sãopaulo`."""
    if text.isascii() and text.isalpha():
        return text.lower()
    return lower(text).translate(_LETTERS)


def folded(text: str) -> str:
    """Without accents: `sãopaulo` is `saopaulo`."""
    if text.isascii():
        return text
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", text).translate(_UNMARKED))


def unique(*readings: str) -> tuple[str, ...]:
    """The readings that say something, each once, in their order."""
    return tuple(dict.fromkeys(filter(None, readings)))
