"""Text from outside, made fit for a terminal."""

from __future__ import annotations


def printable(text: str) -> str:
    """The text on one line with control characters escaped, so that what came from outside cannot drive the terminal."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else _escaped(c) for c in text)


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
