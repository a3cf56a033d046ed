"""A catalogue that another program keeps locked, or whose server is gone: a run outwaits it, and says so once."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec, Protocol, TypeVar

from satcat.database import Database

#: Seconds before people hear of it.
_WORTH_TELLING = 30.0


class Busy:
    """One of these serves a run: `goes_on` says whether to wait, `passed` that the lock was to be had.

    Args:
        ended: the run ends, so that nobody waits any longer.
        on_begin: told once, with the reason, when the wait is long.
        on_end: told how many seconds it lasted.
    """

    def __init__(
        self,
        ended: threading.Event,
        on_begin: Callable[[str], None],
        on_end: Callable[[float], None],
        worth_telling: float = _WORTH_TELLING,
    ) -> None:
        self._ended, self._on_begin, self._on_end = ended, on_begin, on_end
        self._worth_telling = worth_telling
        self._lock = threading.Lock()
        self._since: float | None = None
        self._announced = False

    def goes_on(self, error: Exception) -> bool:
        """Note that the catalogue is locked; tell whether to try again."""
        now = time.monotonic()
        with self._lock:
            self._since = now if self._since is None else self._since
            is_new = not self._announced and now - self._since >= self._worth_telling
            self._announced = self._announced or is_new
        if is_new:
            self._on_begin(str(error).rpartition(": ")[0])  # less what a person should do
        return not self._ended.is_set()

    def passed(self) -> None:
        """Note that the catalogue could be written."""
        with self._lock:
            since, announced = self._since, self._announced
            self._since, self._announced = None, False
        if since is not None and announced:
            self._on_end(time.monotonic() - since)


class _HasDatabase(Protocol):
    @property
    def database(self) -> Database: ...


_Self = TypeVar("_Self", bound=_HasDatabase)
_P = ParamSpec("_P")
_T = TypeVar("_T")


def outwaited(
    method: Callable[Concatenate[_Self, _P], _T],
) -> Callable[Concatenate[_Self, _P], _T]:
    """A method that is called again if its transaction was cut short, as long as its `database` outwaits that.

    What it wrote may be stored all the same: it must be safe to repeat.
    """

    @wraps(method)
    def again(self: _Self, /, *args: _P.args, **options: _P.kwargs) -> _T:
        return self.database.repeat(lambda: method(self, *args, **options))

    return again
