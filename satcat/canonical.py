"""JSON in the one form that is stored and hashed: keys sorted, no blanks, numbers in the fewest digits that read back."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from decimal import Decimal
from functools import cache
from typing import Any

#: What no database takes in a text: NUL, and halves of characters, as Python has them for bytes that are no UTF-8.
UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def to_json(value: Any) -> str:
    """Print objects, lists and scalars; a number that is not finite becomes null.

    Raises:
        TypeError, ValueError: something else is in it, or text that is no Unicode.
    """
    return _encoder()(value).decode()


def whole(number: float) -> int:
    """A whole number as the integer that PostgreSQL's decimals make of it: its shortest digits, filled up with zeros."""
    return int(number) if abs(number) < 1e16 else int(Decimal(repr(number)))


def integer(digits: str) -> float:
    """An integer of JSON: longer than 64 bits, it is a float that PostgreSQL printed with all its digits.

    Raises:
        ValueError: longer than any float.
    """
    if len(digits) <= 20 and -(1 << 63) <= (number := int(digits)) < 1 << 63:
        return number
    if math.isinf(large := float(digits)):
        raise ValueError(digits[:80])
    return large


@cache
def _encoder() -> Callable[[Any], bytes]:
    import msgspec  # a fiftieth of a second to load, which reading a catalogue does without

    return msgspec.json.Encoder(order="sorted").encode
