"""An answer that is no JSON as a whole, cut into its records by their brackets alone. Pure.

One record with a byte that is no UTF-8, a line break inside a text, NaN or a thousand brackets makes its whole page
something that no reader of JSON takes. Cut out, it costs the others nothing. What lacks an end has none here either: an
answer that was cut short is never taken for a shorter one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise

from satcat.api.answers import Body

#: How many records a page may have; a thousand are asked for.
MAX_RECORDS = 10_000

# Texts whole, so that no bracket in one counts; a quote alone has no end.
_TOKEN = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"|["\[\]{},]', re.DOTALL)
_VALUE = re.compile(rb'"value"\s*+:\s*+', re.ASCII)
_ID = re.compile(rb'"Id"\s*+:\s*+"([^"\\]*+)', re.ASCII)
_OBJECT, _LIST, _TEXT, _COMMA = b'{[",'
_CLOSES = {ord("}"): _OBJECT, ord("]"): _LIST}
_AROUND = b" \t\r\n\xef\xbb\xbf"  # blanks, and the mark with which some begin UTF-8
_RECORD = 2  # how many brackets stand open between two records
_DEEPEST = 1_000_000
_AT_END = -1


def records(body: Body) -> tuple[list[bytes], bytes] | None:
    """The records of a listing as they stand, and the answer with an empty list in their place.

    None if it is no object with one list of them, or they are more than `MAX_RECORDS`.
    """
    cuts: list[int] = []
    name, inside, whole = 0, False, False
    for mark, at, depth in _tokens(body):
        whole = depth == _AT_END
        if inside:
            inside = depth != 1
            if not inside or (mark == _COMMA and depth == _RECORD):
                cuts.append(at)
        elif mark == _TEXT and depth == 1:
            name = at
        elif mark == _LIST and depth == _RECORD and _VALUE.fullmatch(body, name, at):
            if cuts:
                return None
            cuts, inside = [at], True
        if len(cuts) > MAX_RECORDS + 1:
            return None
    if not whole or not cuts:
        return None
    found = [bytes(body[start + 1 : end]).strip() for start, end in pairwise(cuts)]
    rest = bytes(body[: cuts[0] + 1] + body[cuts[-1] :])
    if found == [b""]:
        return [], rest
    return (found, rest) if all(found) else None


def is_object(body: Body) -> bool:
    """Tell whether this begins and ends as one JSON object, whatever is in between."""
    return any(depth == _AT_END for _, _, depth in _tokens(body))


def id_of(record: Body) -> str | None:
    """What stands as the Id of a record that cannot be read otherwise."""
    for mark, at, depth in _tokens(record):
        if depth == 1 and mark == _TEXT and (match := _ID.match(record, at)):
            return match[1].decode("utf-8", "surrogateescape")
    return None


def _tokens(body: Body) -> Iterator[tuple[int, int, int]]:
    """Each text, bracket and comma, where it is, and how many brackets stand open behind it.

    Ends early where brackets do not fit; with `_AT_END` where one object is closed and only blanks follow.
    """
    opened = bytearray()
    for token in _TOKEN.finditer(body):
        at = token.start()
        mark = body[at]
        if not opened and (mark != _OBJECT or body[:at].strip(_AROUND)):
            return
        if mark in (_OBJECT, _LIST):
            opened.append(mark)
        elif mark in _CLOSES and opened.pop() != _CLOSES[mark]:
            return
        elif not opened:
            if not body[at + 1 :].strip():
                yield mark, at, _AT_END
            return
        if len(opened) > _DEEPEST or (mark == _TEXT and token.end() == at + 1):
            return
        yield mark, at, len(opened)
