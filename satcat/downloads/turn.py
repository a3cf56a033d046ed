"""Whether a run may not begin anything because other workers have all connections of the account."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

#: Seconds without a free connection before people hear of it: another worker's file is often over in one.
_SILENT = 5.0

OTHERS = "other workers of this catalogue have all connections of the account"


class Turn:
    """One of these serves a run: `refused` and `given` say what came of asking for a connection.

    Args:
        on_begin: told once, with the reason, when the run has waited for a while.
        on_end: told once how many seconds it did.
    """

    def __init__(
        self,
        on_begin: Callable[[str], None],
        on_end: Callable[[float], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._on_begin, self._on_end, self._clock = on_begin, on_end, clock
        self._lock = threading.Lock()
        self._since: float | None = None
        self._last = 0.0
        self._told = False

    def refused(self) -> None:
        """The run holds nothing, and there was no connection for what is ready."""
        now = self._clock()
        with self._lock:
            if self._since is None or (not self._told and now - self._last > _SILENT):
                self._since = now
            self._last = now
            is_new = not self._told and now - self._since >= _SILENT
            self._told = self._told or is_new
        if is_new:
            self._on_begin(OTHERS)

    def given(self) -> None:
        """There was one."""
        with self._lock:
            since, told = self._since, self._told
            self._since, self._told = None, False
        if told and since is not None:
            self._on_end(self._clock() - since)
