"""Scripted faults: what goes wrong with the next requests that match.

    sandbox.faults.next("status", status=503, retry_after=2)        # the next request
    sandbox.faults.next("cut", n=3, match="$value", after=10_000)   # three downloads
    sandbox.faults.on_request(lambda request: catalogue.delete(id), match="$skip=1000")

At most one fault strikes a request: the oldest one that matches it.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from email.utils import format_datetime
from typing import Any, Literal, TypeAlias, TypeVar, get_args

from satcat.sandbox.catalogue import View
from satcat.sandbox.log import Request
from satcat.sandbox.responses import Response, zipper

Match: TypeAlias = str | Callable[[Request], bool]
Kind: TypeAlias = Literal[
    "status",
    "reset",
    "redirect",
    "html",
    "json",
    "edited",
    "slow",
    "drip",
    "cut",
    "truncated",
    "corrupt",
    "length",
    "unsized",
    "count",
    "short",
    "empty",
    "shuffled",
    "duplicated",
    "stale",
    "no_date",
    "skew",
    "expired",
]
T = TypeVar("T")


@dataclass(slots=True, kw_only=True)
class Fault:
    """One kind of fault, for the next `n` requests that match, by `kind`.

    - "status": answers with `status` and, if given, `retry_after`; "html": a web page with 200;
      "json": a message of the download host with 200; "edited": the JSON that `edit` makes of the
      true answer's; "redirect": sends to `location` (if empty: to the same path at `localhost`);
    - "reset": tears the connection down (RST), without an answer or after `after` bytes of the body;
      "slow": waits `seconds` before
      answering; "drip": sends `rate` bytes per second; "expired": ends every access token first;
    - "cut": closes after `after` bytes of the body; "truncated": gives the first `after` bytes
      with a Content-Length that fits them; "corrupt": flips a bit of the byte at `after` (for
      these three, None is the middle); "length": states a Content-Length that is off by `by`;
      "unsized": states none, and ends after `after` bytes (None: all);
    - of listings: "count" is off by `by`; "short" lacks its last `rows` rows, and with
      `next_link` False the link; "empty" has no rows, count 0 and no link; "shuffled" is out of
      order; "duplicated" has its first row in place of its last; "stale" is answered from
      `snapshot`, with the date of that time;
    - "no_date" and "skew" (`seconds`) spoil the `Date` header.

    `match` is text in the path or the decoded query, or a function of the request.
    `retry_after` is in seconds, or an instant.
    """

    kind: Kind
    n: int = 1
    match: Match = ""
    status: int = 503
    retry_after: float | datetime | None = None
    after: int | None = None
    seconds: float = 0.0
    rate: float = 1000.0
    by: int = 0
    rows: int = 1
    next_link: bool = True
    location: str = ""
    snapshot: View | None = None
    edit: Callable[[Any], Any] | None = None


@dataclass(slots=True)
class _Hook:
    call: Callable[[Request], object]
    match: Match
    n: int | None


class Faults:
    """The script of one sandbox. Any thread may add to it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._faults: list[Fault] = []
        self._hooks: list[_Hook] = []

    def next(self, kind: Kind, *, n: int = 1, match: Match = "", **options: Any) -> None:
        """Let this fault strike the next `n` requests that match; options as in `Fault`.

        Raises:
            ValueError: there is no such kind, or it lacks what it needs.
            TypeError: there is no such option.
        """
        if kind not in get_args(Kind):
            raise ValueError(f"no fault is called {kind!r}")
        fault = Fault(kind=kind, n=n, match=match, **options)
        if kind == "stale" and fault.snapshot is None:
            raise ValueError("a stale answer needs a snapshot")
        if kind == "edited" and fault.edit is None:
            raise ValueError("an edited answer needs an edit")
        with self._lock:
            self._faults.append(fault)

    def on_request(
        self, call: Callable[[Request], object], *, match: Match = "", n: int | None = 1
    ) -> None:
        """Call this before the next `n` matching requests (None: all) are answered."""
        with self._lock:
            self._hooks.append(_Hook(call, match, n))

    def clear(self) -> None:
        """Drop what has not struck yet."""
        with self._lock:
            self._faults, self._hooks = [], []

    @property
    def pending(self) -> list[Fault]:
        """What has not struck yet, with the number of times that is left."""
        with self._lock:
            return [replace(fault) for fault in self._faults]

    def strike(self, request: Request) -> Fault | None:
        """Run the callbacks for a request, then take the fault that strikes it."""
        with self._lock:
            calls = [
                hook.call for hook in self._hooks if _matches(hook.match, request) and _use(hook)
            ]
            self._hooks = [hook for hook in self._hooks if hook.n != 0]
        for call in calls:
            call(request)
        with self._lock:
            for fault in self._faults:
                if _matches(fault.match, request):
                    fault.n -= 1
                    self._faults = [f for f in self._faults if f.n > 0]
                    return fault
        return None


def instead(fault: Fault, elsewhere: str) -> Response | None:
    """The answer that a fault gives in place of the real one, if it does.

    `elsewhere` is where a redirect leads by default.
    """
    page = b"<!DOCTYPE html><html><body><h1>Service temporarily unavailable</h1></body></html>"
    match fault.kind:
        case "status":
            response = Response(fault.status, page, {"Content-Type": "text/html"})
            if fault.retry_after is None:
                return response
            return response.with_headers(Retry_After=_retry_after(fault.retry_after))
        case "html":
            return Response(200, page, {"Content-Type": "text/html"})
        case "json":
            return replace(zipper(500, 1, "Internal error").response, status=200)
        case "redirect":
            return Response(302, b"", {"Location": fault.location or elsewhere})
        case _:
            return None


def edited(fault: Fault | None, response: Response) -> Response:
    """An answer with its JSON as the fault leaves it."""
    if fault is None or fault.edit is None:
        return response
    return replace(response, body=json.dumps(fault.edit(json.loads(response.body))).encode())


def distort_rows(fault: Fault | None, rows: list[T]) -> list[T]:
    """The rows of a page as the fault leaves them."""
    match fault.kind if fault and rows else None:
        case "short":
            assert fault is not None
            return rows[: -fault.rows]
        case "empty":
            return []
        case "shuffled":
            return rows[1:] + rows[:1]
        case "duplicated":
            return [*rows[:-1], rows[0]]
        case _:
            return rows


def _matches(match: Match, request: Request) -> bool:
    return match in str(request) if isinstance(match, str) else match(request)


def _use(hook: _Hook) -> bool:
    if hook.n is not None:
        hook.n -= 1
    return True


def _retry_after(when: float | datetime) -> str:
    return format_datetime(when, usegmt=True) if isinstance(when, datetime) else f"{when:g}"
