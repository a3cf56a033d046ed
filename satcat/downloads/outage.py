"""Whether the source as a whole is out of reach, as all threads of a run see it: when to ask again, and when to give up."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from satcat.errors import NoTokenError, RateLimitedError

#: So many failures in a row to reach the source, with no byte between, mean that it is down.
_FAILURES = 4
#: Seconds of nothing but "too many connections" before people hear of it: it is often over in one.
_CROWDED = 10.0
_FORGOTTEN = 120.0  # seconds without another failure after which one is an accident
_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 300.0  # seconds between two attempts while it is down


class Outage:
    """One of these serves a run: `trouble` and `passed` say what happens, `may_try` what may be done.

    Args:
        patience: seconds without a byte after which `trouble` says that it is enough; None: never.
        on_begin: told the reason when an outage begins; once more when it is another one, of each kind once.
        on_end: told once how many seconds it lasted.
    """

    def __init__(
        self,
        patience: float | None,
        on_begin: Callable[[str], None],
        on_end: Callable[[float], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._patience, self._clock = patience, clock
        self._on_begin, self._on_end = on_begin, on_end
        self._lock = threading.Lock()
        self._since: float | None = None  # the first failure after the last byte
        self._last = 0.0
        self._failures = 0
        self._told: set[type[Exception]] = set()  # kinds of reasons; none before it is announced
        self._pause = _FIRST_PAUSE
        self._next_try = 0.0

    def trouble(self, error: Exception) -> bool:
        """Note a failure to reach the source; True if patience is at its end."""
        now = self._clock()
        with self._lock:
            if self._since is None or (not self._told and now - self._last > _FORGOTTEN):
                self._since, self._failures = now, 0
            since, self._last = self._since, now
            crowded = isinstance(error, RateLimitedError) and not error.down
            self._failures += 0 if crowded else _FAILURES if isinstance(error, NoTokenError) else 1
            if isinstance(error, RateLimitedError) and error.down and error.retry_after:
                self._next_try = max(self._next_try, now + error.retry_after)
            lasts = bool(self._told) or self._failures >= _FAILURES or now - since >= _CROWDED
            is_new = lasts and type(error) not in self._told
            self._told |= {type(error)} if lasts else set()
            over = self._patience is not None and now - since >= self._patience
        if is_new:
            self._on_begin(str(error).partition(": try again")[0])
        return over

    def passed(self) -> None:
        """Note that bytes came: whatever it was, it is over."""
        if self._since is None:  # looked at for every piece, so without the lock
            return
        with self._lock:
            since, announced = self._since, bool(self._told)
            self._since, self._told, self._failures = None, set(), 0
            self._pause, self._next_try = _FIRST_PAUSE, 0.0
        if announced:
            self._on_end(self._clock() - since)

    def may_try(self) -> bool:
        """Whether anybody should ask the source for more; during an outage one may, now and then."""
        now = self._clock()
        with self._lock:
            if now < self._next_try:
                return False
            if self._told:
                self._next_try = now + self._pause
                self._pause = min(2 * self._pause, _LONGEST_PAUSE)
            return True
