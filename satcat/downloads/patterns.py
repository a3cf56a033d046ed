"""Which files of a package are wanted: glob patterns, one a line, as the column `downloads.include` holds them. Pure.

A pattern is compared, case-sensitively, with a file's whole path inside the package's folder
(`GRANULE/L2A_…/IMG_DATA/R10m/T30TWM_…_B04_10m.jp2`) and with its bare name. As in `fnmatch`, `*` is any text, slashes
included, `?` is one character, and `[…]` is one of several.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from fnmatch import translate
from functools import lru_cache
from typing import TypeAlias

from satcat.errors import FilterError
from satcat.terminal import short

#: What a part of a pattern stands for: any text (None), or one character that this matches.
_Step: TypeAlias = "re.Pattern[str] | None"

_LONGEST = 10_000  # characters of all patterns together


def parse(include: str | None) -> tuple[str, ...]:
    """The patterns of a stored text, each once; none means the whole product."""
    lines = (line.strip() for line in (include or "").splitlines())
    return tuple(dict.fromkeys(line for line in lines if line))


def join(patterns: Iterable[str]) -> str | None:
    """The patterns as they are stored, each once, in their order; None for none: the whole product."""
    return "\n".join(parse("\n".join(patterns))) or None


def check(patterns: str | Iterable[str] | None) -> str | None:
    """What a caller gave, as it is stored; None stays None.

    Raises:
        FilterError: there is no pattern in it, or far too much, or a set of characters that does not end.
    """
    if patterns is None:
        return None
    text = join([patterns] if isinstance(patterns, str) else patterns)
    if text is None:
        raise FilterError(
            "--include: an empty pattern matches no file; give one as '*_B04_10m.jp2'"
        )
    if len(text) > _LONGEST or not text.replace("\n", "").isprintable():
        raise FilterError(f"--include: {text[:40]!r}… is no usable pattern")
    for pattern in parse(text):
        if "[" in _pieces(pattern):
            raise FilterError(
                f"--include: {short(pattern)}: a [ is not closed; a set of characters is as in '*_B0[48]_10m.jp2', "
                "and [[] is the bracket itself"
            )
    return text


def matches(patterns: Iterable[str], path: str) -> bool:
    """Tell whether a file is wanted, by its path inside the package's folder."""
    name = path.rpartition("/")[2]
    return any(_whole(pattern).match(path) or _whole(pattern).match(name) for pattern in patterns)


def may_match_below(patterns: Iterable[str], folder: str) -> bool:
    """Tell whether some file anywhere below a folder could be wanted; False only if none can.

    Each folder that is not looked into saves a request.
    """
    return any(_fits_a_name(p) or _goes_on(_steps(p), f"{folder}/") for p in patterns)


@lru_cache(maxsize=1024)
def _whole(pattern: str) -> re.Pattern[str]:
    return re.compile(translate(pattern))


def _fits_a_name(pattern: str) -> bool:
    """A pattern with a slash of its own never matches a bare name; any other one may, in whatever folder."""
    return "/" not in _pieces(pattern)


def _goes_on(steps: tuple[_Step, ...], start: str) -> bool:
    """Tell whether a text that begins so could match: whether any way to read the beginning is left."""
    alive = _skip(steps, {0})
    for character in start:
        stay = {at for at in alive if at < len(steps) and steps[at] is None}
        on = {at + 1 for at in alive if at < len(steps) and (one := steps[at]) and one.match(character)}  # fmt: skip
        alive = _skip(steps, stay | on)
    return bool(alive)


def _skip(steps: tuple[_Step, ...], places: set[int]) -> set[int]:
    """The places, and those behind a `*` that stands for nothing."""
    found = set(places)
    for at, step in enumerate(steps):
        if step is None and at in found:
            found.add(at + 1)
    return found


@lru_cache(maxsize=1024)
def _steps(pattern: str) -> tuple[_Step, ...]:
    return tuple(
        None if piece == "*" else re.compile(translate(piece)) for piece in _pieces(pattern)
    )


def _pieces(pattern: str) -> list[str]:
    """A pattern cut into what stands for one character, or for any text."""
    pieces: list[str] = []
    at = 0
    while at < len(pattern):
        end = at + 1
        if (
            pattern[at] == "["
        ):  # the first character of a set may be a bracket; a set that does not end is none
            closing = pattern.find("]", at + (3 if pattern[at + 1 : at + 2] == "!" else 2))
            end = closing + 1 if closing > 0 else end
        pieces.append(pattern[at:end])
        at = end
    return pieces
