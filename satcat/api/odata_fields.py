"""Single values of OData records, read or refused. Pure; whatever JSON holds, nothing here raises."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from datetime import datetime
from functools import lru_cache, partial
from typing import Any, TypeVar

from satcat import times
from satcat.canonical import UNSTORABLE
from satcat.errors import TimeError
from satcat.products import AttributeValue

ValueT = TypeVar("ValueT")

#: Longer text is cut; so are longer names of attributes. What columns hold beside names is a word, or nothing.
MAX_TEXT, MAX_NAME, MAX_WORD = 10_000, 200, 200
MAX_INTEGER = 2**63 - 1
#: In bytes; a larger size is none: sums of a million products still fit in 64 bits.
MAX_SIZE = 10**13

#: What tells a checksum of each algorithm: so many hexadecimal digits, not all of them zeros.
_CHECKSUMS = {
    "MD5": re.compile(r"(?!0*\Z)[0-9a-f]{32}", re.ASCII).fullmatch,
    "BLAKE3": re.compile(r"(?!0*\Z)[0-9a-f]{64}", re.ASCII).fullmatch,
}
_MAX_CHECKSUMS = 20
_NUMBER = re.compile(r"-?\d+(\.\d+)?([eE][-+]?\d+)?", re.ASCII)


class Reader:
    """Reads the fields of one record; what is unreadable is remembered raw, with a warning."""

    def __init__(self, id: str) -> None:
        self.id = id
        self.unreadable: dict[str, AttributeValue] = {}
        self.warnings: list[str] = []

    def warn(self, what: str) -> None:
        """Add one line about this record."""
        self.warnings.append(f"{self.id}: {shown(what)}")

    def read(self, key: str, value: Any, how: Callable[[Any], ValueT | None]) -> ValueT | None:
        """A field's value. None and no word if it is missing, null or ""; None and kept raw if unreadable."""
        if value is None or value == "":
            return None
        found = how(value)
        if found is None:
            self.keep(key, value)
        elif found is not value and isinstance(found, str):
            self.altered(key, value, found)
        return found

    def altered(self, key: str, said: str, kept: str) -> None:
        """Warn if a text is not kept as it came."""
        if len(kept) < len(said):
            self.warn(f"{key} has {len(said)} characters, {len(kept)} are kept")
        elif kept != said:
            self.warn(f"{key} has characters that no text can hold, stored as \ufffd")

    def keep(self, key: str, value: object) -> None:
        """Remember a value that could not be read, under its OData name."""
        self.unreadable[key] = scalar(value)
        self.warn(f"{key} is unreadable: {str(self.unreadable[key])[:80]}")


def storable(text: str, limit: int = MAX_TEXT) -> str:
    """The text as every database takes it: no NUL, no lone surrogate, not too long."""
    if len(text) > limit:
        text = text[:limit]
    if text.isprintable():  # as nearly all are; quicker than looking for each character
        return text
    return UNSTORABLE.sub("\ufffd", text)


def shown(text: str) -> str:
    """The text on one line of a terminal."""
    return text if text.isprintable() else "".join(c if c.isprintable() else "\ufffd" for c in text)


def scalar(value: object) -> AttributeValue:
    """A JSON value as an attribute may hold it; what is nested, not finite or beyond 64 bits becomes text."""
    if isinstance(value, str):
        return storable(value)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int) and -MAX_INTEGER <= value <= MAX_INTEGER:
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    try:
        return storable(json.dumps(value, ensure_ascii=False, sort_keys=True))
    except (RecursionError, ValueError, TypeError):
        return "(not printable as JSON)"


def brief(value: object) -> str:
    """What stands where something else is needed, in a few words."""
    return shown(repr(scalar(value))[:80])


def instant(value: object) -> datetime | None:
    """An instant, in whatever form CDSE has written it."""
    return _instant(value) if isinstance(value, str) and len(value) <= MAX_WORD else None


# a product says its sensing start three times, and so do its neighbours
@lru_cache(maxsize=1024)
def _instant(text: str) -> datetime | None:
    try:
        return times.parse(text)
    except TimeError:
        return None


def text(value: object) -> str | None:
    """Any text that is not blank."""
    return storable(value) if isinstance(value, str) and value.strip() else None


def word(value: object) -> str | None:
    """Text that is neither blank nor long, so that any database can put it into an index."""
    found = text(value)
    return found if found is None or len(found) <= MAX_WORD else None


def boolean(value: object) -> bool | None:
    """True or false, not 1 or "true"."""
    return value if isinstance(value, bool) else None


def integer(value: object, most: int = MAX_INTEGER) -> int | None:
    """A whole number from 0 to `most`, also as text or as 2.0."""
    match value:
        case bool():
            return None
        case int():
            number = value
        case float() if value.is_integer():
            number = int(value)
        case str() if value.isascii() and value.isdecimal() and len(value) < 20:
            number = int(value)
        case _:
            return None
    return number if 0 <= number <= most else None


def size(value: object) -> int | None:
    """A size in bytes. CDSE's 0 means unknown, and stays 0 here."""
    return integer(value, MAX_SIZE) if isinstance(value, int | float) else None


def finite(value: object) -> float | None:
    """A finite number, also as text in which JSON would spell it."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    if isinstance(value, str) and not _NUMBER.fullmatch(value):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def checksums(reader: Reader, value: object) -> tuple[str | None, str | None]:
    """MD5 and BLAKE3 in lower case. `[]`, `[{}]`, "N/A" and zeros mean that there is none (seen in the wild).

    What is of no use stays raw: with a warning, but for algorithms that have no column. Of two that differ, the later is
    taken.
    """
    items = value if isinstance(value, list) else []
    odd = (bool(value) and value is not items) or len(items) > _MAX_CHECKSUMS
    found: dict[str, str] = {}
    for item in items[:_MAX_CHECKSUMS]:
        algorithm, digest = _checksum(item)
        usable = _CHECKSUMS.get(algorithm)
        if usable and usable(digest):
            if found.setdefault(algorithm, digest) != digest:
                odd = True
                found[algorithm] = max(found[algorithm], digest, key=partial(_dated, items))
        elif digest == "n/a" or not digest.strip("0"):
            continue
        elif algorithm and not usable:
            reader.unreadable["Checksum"] = scalar(value)
        else:
            odd = True
    if odd:
        reader.keep("Checksum", value)
    return found.get("MD5"), found.get("BLAKE3")


def _checksum(item: object) -> tuple[str, str]:
    """The algorithm and the digest that an item of `Checksum` says; an algorithm of "" if it is no such item."""
    if not isinstance(item, dict):
        return "", str(scalar(item) or "")
    algorithm, digest = item.get("Algorithm"), item.get("Value")
    if digest is None:
        return "", ""
    if not isinstance(algorithm, str) or not isinstance(digest, str):
        return "", str(scalar(item))
    return algorithm.upper(), digest.lower()


def _dated(items: list[object], digest: str) -> tuple[datetime, str]:
    """When a checksum was made, and itself, so that the order of the items does not matter."""
    dates = [
        instant(item.get("ChecksumDate"))
        for item in items[:_MAX_CHECKSUMS]
        if isinstance(item, dict) and _checksum(item)[1] == digest
    ]
    return max((date for date in dates if date), default=times.FIRST), digest
