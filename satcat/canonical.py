"""JSON in the one form that is stored and hashed: keys sorted, no blanks, numbers in the fewest digits that read back."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any


def to_json(value: Any) -> str:
    """Print objects, lists and scalars; a number that is not finite becomes null.

    Raises:
        TypeError, ValueError: something else is in it, or text that is no Unicode.
    """
    return _encoder()(value).decode()


@cache
def _encoder() -> Callable[[Any], bytes]:
    import msgspec  # a fiftieth of a second to load, which reading a catalogue does without

    return msgspec.json.Encoder(order="sorted").encode
