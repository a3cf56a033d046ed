"""How often, and after which waits, something that failed is asked of a source again."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from satcat.api.hashing import stop_if
from satcat.errors import RateLimitedError, SourceError

ValueT = TypeVar("ValueT")

_MOST_WAITS = 30
_LONGEST_ASKED = 3600.0  # seconds


@dataclass(frozen=True, slots=True)
class Patience:
    """How often and after how many seconds a broken transfer is taken up again.

    `attempts` counts those in a row that brought nothing new.
    """

    attempts: int = 5
    first_delay: float = 1.0
    longest_delay: float = 60.0

    def delay(self, failures: int) -> float:
        """Seconds to wait after so many failures: twice as long each time, with some chance in it."""
        return min(self.longest_delay, self.first_delay * 2.0 ** (failures - 1)) * random.uniform(
            0.75, 1.25
        )


#: What is right for a real source.
PATIENT = Patience()


def patiently(
    once: Callable[[], ValueT], patience: Patience, stop: threading.Event | None = None
) -> ValueT:
    """Ask a source, again where that may help; a 429 is not waited for here.

    Raises:
        SourceError: what the last attempt came to.
        TransferStoppedError: `stop` was set meanwhile.
    """
    stop, failures = stop or threading.Event(), 0
    while True:
        stop_if(stop)
        try:
            return once()
        except SourceError as error:
            failures += 1
            if (
                isinstance(error, RateLimitedError)
                or not error.retryable
                or failures >= patience.attempts
            ):
                raise
        stop.wait(patience.delay(failures))


def outwaiting(
    transfer: Callable[[], ValueT], patience: Patience, stop: threading.Event | None
) -> ValueT:
    """Run a transfer until the source no longer asks to wait; give up when it asks too often."""
    waits = 0
    while True:
        try:
            return transfer()
        except RateLimitedError as error:
            waits += 1
            wait = patience.delay(waits) if error.retry_after is None else error.retry_after
            if waits >= _MOST_WAITS or wait > _LONGEST_ASKED:
                raise
            (stop or threading.Event()).wait(wait)
            stop_if(stop)
