"""The sandbox's own record of what it was asked, for assertions about how polite a client is."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import overload


@dataclass(slots=True)
class Request:
    """One request.

    `started` and `ended` are seconds of the monotonic clock; `ended` None: still being answered.

    `host` is what the `Host` header named, with its port.
    `query` is decoded; a parameter that came more than once is joined by commas. `status` 0: no
    answer was sent. `authorised` tells whether a bearer token came with it, not whether it was any
    good.
    """

    method: str
    path: str
    query: dict[str, str]
    user_agent: str
    authorised: bool
    range: str | None
    started: float
    status: int = 0
    ended: float | None = None
    host: str = ""

    def __str__(self) -> str:
        query = "&".join(f"{name}={value}" for name, value in self.query.items())
        return f"{self.path}?{query}" if query else self.path


@dataclass
class Log(Sequence[Request]):
    """Every request since the start, or since `clear()`, in order of arrival."""

    _requests: list[Request] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def append(self, request: Request) -> None:
        """Note a request as it arrives; it is filled in as it is answered."""
        with self._lock:
            self._requests.append(request)

    def clear(self) -> None:
        """Forget what was noted."""
        with self._lock:
            self._requests = []

    def matching(self, text: str) -> list[Request]:
        """The requests with this text in their path or decoded query."""
        return [request for request in self if text in str(request)]

    @property
    def max_concurrent(self) -> int:
        """The most requests that were being answered at one instant."""
        return self.peak("")

    def peak(self, text: str) -> int:
        """The same, of the requests with this text in their path or decoded query."""
        changes = []
        for request in self.matching(text):
            changes.append((request.started, 1))
            if request.ended is not None:
                changes.append((request.ended, -1))
        now = most = 0
        for _, change in sorted(changes):  # at one instant, ends come before starts
            now += change
            most = max(most, now)
        return most

    def __len__(self) -> int:
        return len(self._requests)

    def __iter__(self) -> Iterator[Request]:
        return iter(list(self._requests))

    @overload
    def __getitem__(self, at: int) -> Request: ...
    @overload
    def __getitem__(self, at: slice) -> list[Request]: ...
    def __getitem__(self, at: int | slice) -> Request | list[Request]:
        return self._requests[at]
