"""Text from outside, made fit for a terminal."""

from __future__ import annotations

import itertools
import re
import shutil
import unicodedata

_WIDE = ("W", "F")
_SHORTEST = 12  # cells that a name has at least
#: When a Sentinel-2 product was made, which comes after its tile.
_MADE = re.compile(r"(?<=_T\w{5})_\d{8}T\d{6}(\.SAFE)?$")


def printable(text: str) -> str:
    """The text on one line with control characters escaped, so that what came from outside cannot drive the terminal."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else _escaped(c) for c in text)


def width(text: str) -> int:
    """How many cells of a terminal a printable text takes: wide characters take two, combining ones none."""
    if text.isascii():
        return len(text)
    return sum(map(_cells, text))


def cut(text: str, cells: int) -> str:
    """The text, cut to so many cells; an ellipsis shows that there was more."""
    if width(text) <= cells:
        return text
    ends = itertools.accumulate(map(_cells, text))
    return text[: sum(end < cells for end in ends)] + "…"


def padded(text: str, cells: int, *, to_right: bool = False) -> str:
    """The text with spaces after it, or before it, so that it takes so many cells."""
    space = " " * (cells - width(text))
    return space + text if to_right else text + space


def fitted(name: str, *, beside: int) -> str:
    """A product's name as long as the terminal has room for `beside` so many cells; its least telling parts go first."""
    room = max(_SHORTEST, shutil.get_terminal_size().columns - beside)
    name = printable(name)
    if len(name) > room:
        name = _MADE.sub("", name)
    if len(name) <= room:
        return name.ljust(room)
    head = (room - 1) // 2
    return f"{name[:head]}…{name[len(name) - (room - 1 - head) :]}"


def _cells(character: str) -> int:
    if unicodedata.combining(character) or unicodedata.category(character) in ("Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in _WIDE else 1


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


def short(text: str, most: int = 60) -> str:
    """The text in quotes, cut where it is long."""
    return repr(text if len(text) <= most else f"{text[: most - 3]}...")
