"""What becomes of a `Range` header: what is said, and which bytes are sent. The honest ways, and every lie.

A client that believes no more than it can check ends with the right bytes under each of them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Literal, TypeAlias

from satcat.sandbox.responses import Refusal, Response

#: "cdse": honoured for single files, ignored for zips and nodes, as reported. "honour" and "ignore":
#: always and never. "claim": ignored, although `Accept-Ranges` says otherwise. "refuse": 416,
#: whatever is asked for. The rest answer with 206: "wrong" with all bytes and a header that says
#: so; "shifted" with a range that starts a byte later, and says so; "bare" without `Content-Range`;
#: "whole" with all bytes under the header of the range; "elsewhere" with so many bytes from the
#: start of the file, under the right header; "unconditional" whatever `If-Range` says, so that a
#: changed file's tail comes.
Ranges: TypeAlias = Literal[
    "cdse",
    "honour",
    "ignore",
    "claim",
    "refuse",
    "wrong",
    "shifted",
    "bare",
    "whole",
    "elsewhere",
    "unconditional",
]

_RANGE = re.compile(r"bytes=(\d+)-(\d*)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Part:
    """The bytes to send, from `start` up to `stop`, and the status and headers that go with them."""

    start: int
    stop: int
    status: int
    headers: Mapping[str, str]


def part(
    mode: Ranges, headers: Mapping[str, str], etag: str, size: int, *, single: bool = False
) -> Part:
    """Decide on a request for a file of `size` bytes; `single`: it is a product of one file.

    Raises:
        Refusal: 416, the range begins behind the end.
    """
    if mode == "ignore" or (mode == "cdse" and not single):
        return Part(0, size, HTTPStatus.OK, {})
    whole = Part(0, size, HTTPStatus.OK, {"Accept-Ranges": "bytes"})
    found = _RANGE.fullmatch(headers.get("Range", ""))
    if found is None or mode == "claim":
        return whole
    if headers.get("If-Range", etag) != etag and mode != "unconditional":
        return whole
    start, last = int(found[1]), min(int(found[2] or size - 1), size - 1)
    if start >= size or last < start or mode == "refuse":
        said = {"Content-Range": f"bytes */{size}"}
        raise Refusal(Response(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, headers=said))
    return _partial(mode, start, last + 1, size)


def _partial(mode: Ranges, start: int, stop: int, size: int) -> Part:
    """The 206 of a range that can be had."""
    said, sent = (start, stop), (start, stop)
    match mode:
        case "wrong":
            said = sent = (0, size)
        case "shifted":
            said = sent = (start + 1, stop)
        case "whole":
            sent = (0, size)
        case "elsewhere":
            sent = (0, stop - start)
    stated = {"Content-Range": f"bytes {said[0]}-{said[1] - 1}/{size}"}
    return Part(*sent, HTTPStatus.PARTIAL_CONTENT, {} if mode == "bare" else stated)
